"""Votes of the nearest training images, against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from histojax.evaluation import neighbours

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(4, 16))


def drawn(count):
  label = RNG.integers(4, size=count)
  rows = CENTRES[label] + RNG.normal(size=(count, 16)) * 1.5
  lengths = RNG.uniform(0.1, 10, (count, 1))  # cosine does not see them
  return (rows * lengths).astype(np.float32), label


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_predictions_are_those_of_scikit_learn(k):
  (reference, label), (query, truth) = drawn(300), drawn(neighbours.ROWS + 50)
  found = neighbours.votes(reference, label, query, k, 4)
  theirs = KNeighborsClassifier(k, metric="cosine").fit(reference, label)
  np.testing.assert_allclose(found, theirs.predict_proba(query), atol=1e-12)
  np.testing.assert_array_equal(found.argmax(-1), theirs.predict(query))
  assert (found.argmax(-1) == truth).mean() > 0.6


def test_no_more_neighbours_than_there_are_and_classes_that_none_is_of():
  reference, label = drawn(10)
  found = neighbours.votes(reference, label, reference[:3], 50, 6)
  counts = np.bincount(label, minlength=6) / 10
  np.testing.assert_allclose(found, np.tile(counts, (3, 1)))
