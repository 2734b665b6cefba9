"""The fused gate passes equal their plain forms; a maximum has one winner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compare import activations, assert_rounds_no_worse, assert_same, draw

from histojax.ops import gating
from histojax.ops.platform import lowered_for

SHAPE = (2, 4, 5, 6)
SMALL = (6,), (2, 1, 1, 6), (2, 4, 5, 1)  # c, p, q


def fused(y, residual, c, p, w):
  """A gate of channels, then of places, as CBAM's without its layers."""
  branch = gating.Branch(wide(y), c, dtype=y.dtype)
  p = jax.nn.sigmoid(p + gating.highest(branch.wide, y.dtype) + c)
  q = jax.nn.sigmoid(gating.channel_pool(branch.times(p)[0], y.dtype) @ w)
  return gating.gated(branch, p, q, residual, relu=True, dtype=y.dtype)


def plain(y, residual, c, p, w):
  p = jax.nn.sigmoid(p + gating.highest_plain(wide(y), y.dtype) + c)
  t, _ = gating.times_plain(wide(y), c, p, y.dtype)
  q = jax.nn.sigmoid(gating.channel_pool_plain(t, y.dtype) @ w)
  return gating.gated_plain(wide(y), c, p, q, residual, relu=True, dtype=y.dtype)


def wide(y):
  return y.astype(jnp.promote_types(y.dtype, jnp.float32))


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_gated(target, relu, residual):
  def of_branch(y, c, *factors, **end):
    return gating.gated(gating.Branch(y, c), *factors, **end)

  with jax.enable_x64(True), lowered_for(target):
    assert_same(
      lambda *t: of_branch(*t, relu=relu, dtype="float64"),
      lambda *t: gating.gated_plain(*t, relu=relu, dtype="float64"),
      *draw(SHAPE, *SMALL, *([SHAPE] if residual else [])),
    )


def test_the_two_maxima():
  with jax.enable_x64(True):
    for f, g in (
      (gating.highest, gating.highest_plain),
      (gating.channel_pool, gating.channel_pool_plain),
    ):
      assert_same(
        lambda t, f=f: f(t, "float64"), lambda t, g=g: g(t, "float64"), *draw(SHAPE)
      )


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_branch_times_a_gate(target):
  with jax.enable_x64(True), lowered_for(target):
    assert_same(
      lambda y, c, p: gating.Branch(y, c).times(p),
      lambda *t: gating.times_plain(*t, "float64"),
      *draw(SHAPE, *SMALL)[:3],
    )


@pytest.mark.parametrize("p", [False, True])
@pytest.mark.parametrize("q", [False, True])
def test_a_factor_that_is_missing_is_1(p, q):
  with jax.enable_x64(True):
    y, c, *held = draw(SHAPE, *SMALL)
    given = [
      factor if there else None for factor, there in zip(held, (p, q), strict=True)
    ]
    ones = [
      x if there else jnp.ones_like(x) for x, there in zip(held, (p, q), strict=True)
    ]
    end = {"relu": True, "dtype": "float64"}
    assert_same(
      lambda y, c: gating.gated(gating.Branch(y, c), *given, **end),
      lambda y, c: gating.gated_plain(y, c, *ones, **end),
      y, c,
    )  # fmt: skip


@pytest.mark.parametrize("shapes", [((1, 1, 1, 6), (1, 4, 5, 1)), ((2, 1, 1, 1),) * 2])
def test_factors_are_broadcast(shapes):
  """One for all images; one for all channels, or for all places."""
  end = {"relu": True, "dtype": "float64"}
  with jax.enable_x64(True):
    assert_same(
      lambda y, c, p, q: gating.gated(gating.Branch(y, c), p, q, **end),
      lambda y, c, p, q: gating.gated_plain(y, c, p, q, **end),
      *draw(SHAPE, (6,), *shapes),
    )


def test_equal_gates_have_one_product():
  y, c, p, _ = draw(SHAPE, *SMALL)
  branch = gating.Branch(y, c)
  assert branch.times(p) is branch.times(p)
  assert branch.times(None) is branch.times(None) is not branch.times(p)
  np.testing.assert_array_equal(branch.times(2 * p)[1], (y + c) * (2 * p))


def test_both_gates_together():
  with jax.enable_x64(True):
    y, c, p, _ = draw(SHAPE, *SMALL)
    residual, w = draw(SHAPE, (2, 1), seed=1)
    assert_same(fused, plain, y, residual, c, p, w)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_first_of_equals_gets_all(dtype):
  y = jnp.asarray([-3, -0.0, 2, 2, -7, 2], dtype).reshape(1, 1, 6, 1)
  top, pullback = jax.vjp(lambda y: gating.highest(y, dtype), y)
  assert top.item() == 2
  np.testing.assert_array_equal(pullback(top)[0].ravel(), [0, 0, 2, 0, 0, 0])
  below = jnp.minimum(y, -3)
  assert gating.highest(below, dtype).item() == -3


def test_the_packed_maximum_is_exact():
  """bfloat16 values of every sign and size, and their places."""
  rng = np.random.default_rng(0)
  y = jnp.asarray(rng.normal(size=(3, 7, 9, 5)) * 10.0 ** rng.integers(-20, 20, 5))
  y = y.astype(jnp.bfloat16)
  place = jnp.arange(63, dtype=jnp.uint32).reshape(7, 9, 1)
  top, winner = gating._max_and_place(wide(y), place, (1, 2), "bfloat16")
  flat = np.asarray(wide(y)).reshape(3, 63, 5)
  np.testing.assert_array_equal(top[:, 0, 0], flat.max(1))
  np.testing.assert_array_equal(winner[:, 0, 0], flat.argmax(1))


def test_a_map_of_more_places_than_16_bits_count():
  y = jnp.zeros((1, 300, 300, 1), jnp.bfloat16).at[0, 290, 7, 0].set(1)
  top, pullback = jax.vjp(lambda y: gating.highest(y, y.dtype), y)
  assert pullback(top)[0].argmax() == 290 * 300 + 7


@pytest.mark.full
def test_bfloat16_gradients_are_no_worse_than_the_plain_form_s():
  with jax.enable_x64(True), lowered_for("gpu"):
    y, residual = activations(4, 9, 9, 16) - 0.4, activations(4, 9, 9, 16, seed=1)
    c, p, w = draw((16,), (4, 1, 1, 16), (2, 1))
    assert_rounds_no_worse(fused, plain, [[y, residual]], [[0.2 * c, p, w]])
