"""Areas under curves against scikit-learn's, weights and ties included."""

import numpy as np
import pytest
from sklearn import metrics as reference

from histojax.evaluation import ranking


def scored(seed=0, n=80, k=3, levels=None):
  rng = np.random.default_rng(seed)
  label = rng.integers(0, k, n)
  logits = rng.normal(size=(n, k)) + 1.2 * np.eye(k)[label]
  p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  return label, np.round(p * levels) / levels if levels else p


@pytest.mark.parametrize("levels", [None, 4])  # 4: most scores are tied
@pytest.mark.parametrize("seed", range(8))
def test_equals_scikit_learn(seed, levels):
  label, p = scored(seed, levels=levels)
  ours = ranking.areas(label, p)
  for k in range(3):
    expected = reference.roc_auc_score(label == k, p[:, k])
    assert abs(ours["auroc"][k] - expected) < 1e-12
    expected = reference.average_precision_score(label == k, p[:, k])
    assert abs(ours["auprc"][k] - expected) < 1e-12
  if levels is None:
    options = {"multi_class": "ovr", "average": "macro"}
    expected = reference.roc_auc_score(label, p, **options)
    assert abs(ours["macro_auroc"] - expected) < 1e-12
  assert abs(ours["macro_auprc"] - ours["auprc"].mean()) < 1e-12


def test_weights_count_images_several_times():
  label, p = scored(levels=6)
  weight = np.random.default_rng(1).integers(0, 4, (2, 3, len(label)))
  ours = ranking.areas(label, p, weight)
  for i in np.ndindex(2, 3):
    again = np.repeat(np.arange(len(label)), weight[i])
    for name, value in ranking.areas(label[again], p[again]).items():
      np.testing.assert_allclose(ours[name][i], value, rtol=0, atol=1e-12)


def test_a_class_without_images_has_no_area():
  label, p = scored(k=3)
  ours = ranking.areas(np.minimum(label, 1), p)
  assert np.isnan(ours["auroc"][2]) and np.isnan(ours["auprc"][2])
  assert abs(ours["macro_auroc"] - ours["auroc"][:2].mean()) < 1e-15
  alone = ranking.areas(np.zeros(5, int), np.full((5, 2), 0.5))
  assert np.isnan(alone["auroc"]).all() and alone["auprc"][0] == 1
  assert np.isnan(alone["macro_auroc"]) and alone["macro_auprc"] == 1


@pytest.mark.parametrize("levels", [None, 5])
def test_curves_equal_scikit_learn(levels):
  label, p = scored(levels=levels)
  ours = ranking.curves(label == 0, p[:, 0])
  options = {"drop_intermediate": False}
  fpr, tpr, threshold = reference.roc_curve(label == 0, p[:, 0], **options)
  np.testing.assert_allclose(ours["fpr"], fpr[1:], atol=1e-12)
  np.testing.assert_allclose(ours["tpr"], tpr[1:], atol=1e-12)
  np.testing.assert_array_equal(ours["threshold"], threshold[1:])
  theirs = reference.precision_recall_curve(label == 0, p[:, 0])[0]
  np.testing.assert_allclose(ours["precision"], theirs[:-1][::-1], atol=1e-12)


def test_intervals_widen_with_copies_in_groups_and_equal_a_plain_loop():
  label, p = scored(n=120)
  group = np.arange(120) // 6
  ours = ranking.bootstrap(label, p, group, resamples=600)
  rng, draws = np.random.default_rng(5), []
  for _ in range(600):
    drawn = np.concatenate([np.arange(6) + 6 * g for g in rng.integers(0, 20, 20)])
    draws.append(ranking.areas(label[drawn], p[drawn])["macro_auroc"])
  value, low, high = ours["macro_auroc"]
  assert abs(value - ranking.areas(label, p)["macro_auroc"]) < 1e-15
  assert low < value < high
  # Student's 2.09 with 20 groups, and 20 / 19
  np.testing.assert_allclose((high - low) / 2, 2.2 * np.std(draws), rtol=0.12)
  copies = [np.repeat(x, 6, axis=0) for x in (label, p, group)]
  again = ranking.bootstrap(*copies, resamples=600)
  np.testing.assert_allclose(again["macro_auroc"], ours["macro_auroc"], atol=1e-9)
  assert [len(ours[name]) for name in ranking.AREAS] == [3, 3]
