"""Means of channels' weights by class."""

import numpy as np
import pytest

from histojax.explain import channels


def test_means_by_class_and_branch():
  rng = np.random.default_rng(0)
  label = np.array([0, 2, 0, -1, 2])
  weights = {"a/se": rng.random((5, 4)), "a/sk": rng.random((5, 2, 3))}
  found = channels.by_class(weights, label, 3)
  assert list(found) == ["a/se", "a/sk, branch 1", "a/sk, branch 2"]
  np.testing.assert_allclose(found["a/se"][0], weights["a/se"][[0, 2]].mean(0))
  np.testing.assert_allclose(
    found["a/sk, branch 2"][2], weights["a/sk"][[1, 4], 1].mean(0)
  )
  assert np.isnan(found["a/se"][1]).all()  # no image of that class
  want = np.abs(found["a/se"][0] - found["a/se"][2]).mean()
  assert channels.spread(found["a/se"]) == pytest.approx(want)
