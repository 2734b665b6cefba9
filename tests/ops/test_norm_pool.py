"""The fused stem equals its two operations, ties and odd sides included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compare import activations, assert_rounds_no_worse, assert_same, draw

from histojax.ops.norm_pool import scale_shift_max_pool, scale_shift_max_pool_plain
from histojax.ops.platform import lowered_for


def fused(y, a, c):
  return scale_shift_max_pool(y, a, c, dtype=y.dtype)


def plain(y, a, c):
  return scale_shift_max_pool_plain(y, a, c, dtype=y.dtype)


@pytest.mark.parametrize("side", [(8, 8), (7, 10)])
def test_equals_its_two_operations(side):
  with jax.enable_x64(True), lowered_for("gpu"):
    assert_same(fused, plain, *draw((2, *side, 5), (5,), (5,)))


def test_the_first_of_equals_gets_all():
  y = jnp.ones((1, 4, 4, 1))
  ones = jnp.ones(1)
  with lowered_for("gpu"):
    ours = jax.grad(lambda y: fused(y, ones, ones).sum())(y)
  np.testing.assert_array_equal(ours, jax.grad(lambda y: plain(y, ones, ones).sum())(y))
  assert ours.sum() == 4


@pytest.mark.full
def test_bfloat16_gradients_are_no_worse_than_the_plain_form_s():
  with jax.enable_x64(True), lowered_for("gpu"):
    a, c = draw((8,), (8,))
    y = activations(4, 16, 16, 8) - 0.5
    assert_rounds_no_worse(fused, plain, [[y]], [[1 + 0.3 * a, 0.3 * c]])
