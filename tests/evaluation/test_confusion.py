"""Scores equal scikit-learn's, imbalanced-learn's and the formulas they come from, for
one matrix and for a batch of them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from histojax.evaluation.confusion import (
  IMBALANCED,
  PER_CLASS,
  SCALARS,
  by_group,
  confusion_matrix,
  metrics,
)

DEGENERATE = {
  "perfect": ([0, 1, 2, 2], [0, 1, 2, 2], 3),
  "all wrong": ([0, 1, 2], [1, 2, 0], 3),
  "one class predicted": ([0, 1, 2, 1], [1, 1, 1, 1], 3),
  "one class only": ([1, 1, 1], [1, 1, 1], 3),
  "class never seen": ([0, 0, 1], [0, 1, 0], 4),
  "predicted, never true": ([0, 0, 1], [0, 3, 1], 4),
  "one image": ([2], [0], 3),
}


def drawn(seed):
  rng = np.random.default_rng(seed)
  k, n = int(rng.integers(2, 9)), int(rng.integers(1, 60))
  label = rng.choice(k, n, p=rng.dirichlet(np.full(k, 0.5)))
  agree = rng.random(n) < rng.random()
  return label, np.where(agree, label, rng.integers(0, k, n)), k


CASES = list(DEGENERATE.values()) + [drawn(seed) for seed in range(60)]


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_equals_scikit_learn(case):
  label, prediction, k = CASES[case]
  names = list(range(k))
  matrix = confusion_matrix(label, prediction, k)
  assert matrix.dtype == np.int64
  found = reference.confusion_matrix(label, prediction, labels=names)
  np.testing.assert_array_equal(matrix, found)
  ours = metrics(matrix)
  each = reference.precision_recall_fscore_support(
    label, prediction, labels=names, zero_division=0
  )
  for name, values in zip((*PER_CLASS, "support"), each, strict=True):
    np.testing.assert_allclose(ours[name], values, rtol=0, atol=1e-12, err_msg=name)
  macro = reference.precision_recall_fscore_support(
    label, prediction, average="macro", zero_division=0
  )
  for name, value in zip(PER_CLASS, macro[:3], strict=True):
    assert abs(ours[f"macro_{name}"] - value) < 1e-12, name
  assert abs(ours["accuracy"] - reference.accuracy_score(label, prediction)) < 1e-12
  balanced = reference.balanced_accuracy_score(label, prediction)
  assert abs(ours["balanced_accuracy"] - balanced) < 1e-12
  weighted = {"average": "weighted", "zero_division": 0}
  expected = reference.f1_score(label, prediction, **weighted)
  assert abs(ours["weighted_f1"] - expected) < 1e-12
  expected = reference.matthews_corrcoef(label, prediction)
  assert abs(ours["mcc"] - expected) < 1e-12
  expected = reference.cohen_kappa_score(label, prediction, labels=names)
  assert abs(ours["kappa"] - np.nan_to_num(expected)) < 1e-12


def of_each_class(label, prediction, k):
  """Sensitivity and specificity counted image by image, one class against the rest."""
  found = []
  for c in range(k):
    pairs = [(a == c, b == c) for a, b in zip(label, prediction, strict=True)]
    ill = [said for is_it, said in pairs if is_it]
    well = [not said for is_it, said in pairs if not is_it]
    found.append([sum(x) / len(x) if x else 0.0 for x in (ill, well)])
  return np.array(found).T


@pytest.mark.parametrize("case", range(len(CASES)))
def test_imbalanced_scores_follow_their_formulas(case):
  label, prediction, k = CASES[case]
  ours = metrics(confusion_matrix(label, prediction, k))
  sens, spec = of_each_class(label, prediction, k)
  seen = sorted({*map(int, label), *map(int, prediction)})
  mean = np.prod(sens[seen]) ** (1 / len(seen))
  dominance = sens[seen].mean() - spec[seen].mean()
  expected = {
    "class_specificity": spec,
    "class_g_mean": np.sqrt(sens * spec),
    "class_iba": (1 + 0.1 * (sens - spec)) * sens * spec,
    "g_mean": mean,
    "iba": (1 + 0.1 * dominance) * mean**2,
  }
  for name, value in expected.items():
    np.testing.assert_allclose(ours[name], value, rtol=0, atol=1e-12, err_msg=name)


def test_of_two_classes_the_g_mean_is_of_sensitivity_and_specificity():
  ours = metrics([[40, 10], [6, 14]])
  assert abs(ours["g_mean"] - np.sqrt(0.8 * 0.7)) < 1e-15
  assert abs(ours["class_iba"][1] - (1 - 0.1 * 0.1) * 0.56) < 1e-15


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", range(len(CASES)))
def test_equals_imbalanced_learn(case):
  theirs = pytest.importorskip("imblearn.metrics")
  label, prediction, k = CASES[case]
  ours = metrics(confusion_matrix(label, prediction, k))
  seen = sorted({*map(int, label), *map(int, prediction)})
  rows = theirs.classification_report_imbalanced(
    label, prediction, labels=seen, alpha=0.1, output_dict=True, zero_division=0
  )
  short = {"class_specificity": "spe", "class_g_mean": "geo", "class_iba": "iba"}
  for name, column in short.items():
    values = [rows[str(c)][column] for c in seen]
    np.testing.assert_allclose(ours[name][seen], values, rtol=0, atol=1e-12)
  mean = theirs.geometric_mean_score
  assert abs(ours["g_mean"] - mean(label, prediction)) < 1e-12
  index = theirs.make_index_balanced_accuracy(alpha=0.1, squared=True)(mean)
  assert abs(ours["iba"] - index(label, prediction)) < 1e-12


def test_a_batch_is_its_members():
  rng = np.random.default_rng(0)
  batch = rng.integers(0, 3, (4, 5, 3, 3))
  together = metrics(batch)
  for i in np.ndindex(4, 5):
    for name, value in metrics(batch[i]).items():
      np.testing.assert_array_equal(together[name][i], value)


def test_groups_have_matrices_of_their_own():
  label, prediction, k = drawn(3)
  index = np.arange(len(label)) % 4
  found = by_group(label, prediction, index, k)
  for g in range(4):
    here = index == g
    expected = confusion_matrix(label[here], prediction[here], k)
    np.testing.assert_array_equal(found[g], expected)


def test_nothing_scores_zero_without_warnings():
  found = metrics(np.zeros((3, 3)))
  assert {*SCALARS, *PER_CLASS, *(f"class_{n}" for n in IMBALANCED)} < set(found)
  assert all(np.all(v == 0) for v in found.values())


@pytest.mark.parametrize("label,prediction", [([0, 3], [0, 0]), ([0], [-1]), ([0], [])])
def test_refuses_what_is_no_class(label, prediction):
  with pytest.raises(ValueError):
    confusion_matrix(label, prediction, 3)
