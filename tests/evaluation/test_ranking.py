"""Areas under curves against scikit-learn's, weights and ties included."""

import time

import numpy as np
import pytest
from scipy import stats
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


@pytest.mark.parametrize("levels", [None, 5])
def test_influence_is_the_derivative_by_an_images_weight(levels):
  """Doubling every image but one, many times over, in place of a weight."""
  label, p = scored(n=30, levels=levels)
  often, found = 400, ranking._with_influence(label, p)
  whole = np.repeat(np.arange(30), often)
  for i in range(30):
    again = np.append(whole, i)  # its weight is 1 + 1 / often
    for name, value in ranking.areas(label[again], p[again]).items():
      area, moves = found[name]
      slope = (value - area) * often
      np.testing.assert_allclose(moves[..., i], slope, rtol=0.02, atol=1e-4)
  for _, moves in found.values():
    np.testing.assert_allclose(moves.sum(-1), 0, atol=1e-12)


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


@pytest.mark.parametrize("groups", [20, 60])
def test_spread_equals_that_of_drawn_groups(groups):
  label, p = scored(n=6 * groups)
  ours = ranking.intervals(label, p, np.arange(6 * groups) // 6)
  rng, draws = np.random.default_rng(5), []
  for _ in range(600):
    drawn = rng.integers(0, groups, groups)
    drawn = np.concatenate([np.arange(6) + 6 * g for g in drawn])
    draws.append(ranking.areas(label[drawn], p[drawn]))
  for name, value in ranking.areas(label, p).items():
    found = np.array(ours[name])
    assert (abs(found[..., 0] - value) < 1e-15).all()
    assert (found[..., 1] < value).all() and (found[..., 2] > value).all()
    spread = np.std([d[name] for d in draws], axis=0)
    # Student's t of so many groups, and G / (G - 1)
    wide = stats.t.ppf(0.975, groups - 1) * groups / (groups - 1)
    half = (found[..., 2] - found[..., 1]) / 2
    np.testing.assert_allclose(half, wide * spread, rtol=0.15, err_msg=name)


def test_copies_within_a_group_are_no_evidence():
  label, p = scored(n=120)
  group = np.arange(120) // 6
  ours = ranking.intervals(label, p, group)
  again = ranking.intervals(*(np.repeat(x, 6, axis=0) for x in (label, p, group)))
  for name, found in ours.items():
    np.testing.assert_allclose(again[name], found, atol=1e-9)
  assert [len(ours[name]) for name in ranking.AREAS] == [3, 3]
  alone = ranking.intervals(label, p, np.zeros(120))
  assert np.isnan(alone["macro_auroc"][1:]).all()


def test_of_single_images_it_is_delongs():
  """DeLong et al. 1988, written out as its double sum."""
  label, p = scored(n=70, levels=8)
  positive, score = label == 1, p[:, 1]
  x, y = score[positive], score[~positive]
  kernel = (x[:, None] > y) + 0.5 * (x[:, None] == y)
  variance = ((kernel.mean(1) - kernel.mean()) ** 2).sum() / len(x) ** 2
  variance += ((kernel.mean(0) - kernel.mean()) ** 2).sum() / len(y) ** 2
  area, moves = ranking._with_influence(label, p)["auroc"]
  assert abs(area[1] - kernel.mean()) < 1e-12
  assert abs((moves[1] ** 2).sum() - variance) < 1e-15


def test_ten_thousand_predictions_take_no_time():
  rng = np.random.default_rng(0)
  label, p = rng.integers(0, 9, 10_000), rng.dirichlet(np.ones(9), 10_000)
  start = time.process_time()
  ranking.intervals(label, p, np.arange(10_000) // 6)
  assert time.process_time() - start < 1


def test_rivals_of_a_single_group_leave_no_interval():
  """Of two classes both areas are one number, and rest on the same groups."""
  label = np.repeat([0, 1], [20, 60])
  group = np.where(label, 1 + np.arange(80) // 6, 0)
  score = np.random.default_rng(0).random(80) + 0.4 * label
  found = ranking.intervals(label, np.stack([2 - score, score], 1), group)["auroc"]
  assert found[0][0] == found[1][0] and np.isnan([row[1:] for row in found]).all()
