"""The flip signs."""

import jax
import numpy as np
import pytest

from histojax.augment import flips
from histojax.errors import InputError


def test_signs_are_fair_and_independent():
  key = jax.random.key(0)
  both = np.asarray(flips.signs(key, 4000, "both", train=True))
  assert set(np.unique(both)) == {-1.0, 1.0}
  assert np.abs(both.mean(axis=0)).max() < 0.06
  assert np.abs((both[:, 0] * both[:, 1]).mean()) < 0.06
  horizontal = np.asarray(flips.signs(key, 4000, "horizontal", train=True))
  assert np.abs(horizontal[:, 0].mean()) < 0.06 and np.all(horizontal[:, 1] == 1)


@pytest.mark.parametrize("flip, train", [("none", True), ("both", False)])
def test_nothing_is_drawn_without_flips_or_in_evaluation(flip, train):
  np.testing.assert_array_equal(flips.signs(None, 3, flip, train=train), 1)


@pytest.mark.parametrize("train", [False, True])
def test_unknown_flip_names_the_nearest(train):
  with pytest.raises(InputError, match="flip 'horizntal' .* did you mean 'horizontal'"):
    flips.signs(None, 3, "horizntal", train=train)
