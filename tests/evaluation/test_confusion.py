"""Scores equal scikit-learn's, for one matrix and for a batch of them."""

import numpy as np
import pytest
from sklearn import metrics as reference

from histojax.evaluation.confusion import PER_CLASS, confusion_matrix, metrics

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


def test_a_batch_is_its_members():
  rng = np.random.default_rng(0)
  batch = rng.integers(0, 3, (4, 5, 3, 3))
  together = metrics(batch)
  for i in np.ndindex(4, 5):
    for name, value in metrics(batch[i]).items():
      np.testing.assert_array_equal(together[name][i], value)


def test_nothing_scores_zero_without_warnings():
  assert all(np.all(v == 0) for v in metrics(np.zeros((3, 3))).values())


@pytest.mark.parametrize("label,prediction", [([0, 3], [0, 0]), ([0], [-1]), ([0], [])])
def test_refuses_what_is_no_class(label, prediction):
  with pytest.raises(ValueError):
    confusion_matrix(label, prediction, 3)
