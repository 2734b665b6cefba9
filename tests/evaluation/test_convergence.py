"""Epochs to within 1 % of the last validation score."""

import pytest

from histojax.evaluation.convergence import epochs_to_within


@pytest.mark.parametrize(
  "epoch,score,found",
  [
    ([1, 2, 3, 4], [0.2, 0.5, 0.7952, 0.8], 3),  # 0.792 is 99 % of the last
    ([1, 2, 3, 4], [0.2, 0.5, 0.7919, 0.8], 4),
    ([5, 10, 15], [0.9, 0.4, 0.8], 5),  # above counts: it came there and went on
    ([2.5], [0.0], 2.5),
    ([1, 2], [float("nan"), 0.5], 2),
    ([], [], None),
    ([1, 2], [0.5, float("nan")], None),
  ],
)
def test_the_first_that_comes_so_near(epoch, score, found):
  assert epochs_to_within(epoch, score) == found
