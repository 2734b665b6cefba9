"""The fused normalisation equals its plain form and BatchNorm's definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.ops.batch_norm import (
  moments,
  moments_plain,
  scale_and_shift,
  scale_shift,
  scale_shift_plain,
  widen,
)
from histojax.ops.platform import lowered_for

SHAPE = (3, 4, 5, 6)


def draw(*shapes):
  rng = np.random.default_rng(0)
  return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def assert_same(f, g, *args, atol=1e-12):
  """Values and gradients of two functions of the same arrays."""
  got, pullback = jax.vjp(f, *args)
  want, pullback_plain = jax.vjp(g, *args)
  leaves = jax.tree.leaves(want)
  rng = np.random.default_rng(1)
  d = [jnp.asarray(rng.normal(size=t.shape)) for t in leaves]
  d = jax.tree.unflatten(jax.tree.structure(want), d)
  for a, b in zip(
    jax.tree.leaves((got, pullback(d))),
    jax.tree.leaves((want, pullback_plain(d))),
    strict=True,
  ):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_moments(target):
  with jax.enable_x64(True), lowered_for(target):
    assert_same(moments, moments_plain, *draw(SHAPE))


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
def test_scale_shift(target, relu, residual, per_image):
  small = (SHAPE[0], 1, 1, SHAPE[-1]) if per_image else SHAPE[-1:]
  with jax.enable_x64(True), lowered_for(target):
    args = draw(SHAPE, small, small, *([SHAPE] if residual else []))
    assert_same(
      lambda *args: scale_shift(*args, relu=relu, dtype="float64"),
      lambda *args: scale_shift_plain(*args, relu=relu, dtype="float64"),
      *args,
    )


def test_is_batch_norm_with_gate_and_residual():
  """The two passes against the definition, differentiated through everything."""

  def fused(y, scale, bias, w, r):
    mean, squares = moments(y)
    m = mean.mean((0, 1, 2))
    a, c = scale_and_shift(m, squares - m**2, scale, bias, 1e-5)
    g = jax.nn.sigmoid((mean * a + c) @ w)
    return scale_shift(y, a * g, c * g, r, relu=True, dtype="float64")

  def definition(y, scale, bias, w, r):
    m, v = y.mean((0, 1, 2)), y.var((0, 1, 2))
    normalised = (y - m) / jnp.sqrt(v + 1e-5) * scale + bias
    g = jax.nn.sigmoid(normalised.mean((1, 2), keepdims=True) @ w)
    return jnp.maximum(normalised * g + r, 0)

  channels = SHAPE[-1:]
  with jax.enable_x64(True):
    args = draw(SHAPE, channels, channels, channels * 2, SHAPE)
    assert_same(fused, definition, *args, atol=1e-11)


def test_bfloat16_sums_in_float32():
  (y,) = draw((4, 32, 32, 8))
  y = (y + 3).astype(jnp.bfloat16)
  mean, squares = moments(y)
  assert mean.dtype == squares.dtype == jnp.float32
  exact = np.asarray(y, np.float64)
  np.testing.assert_allclose(mean[:, 0, 0], exact.mean((1, 2)), rtol=1e-5)
  np.testing.assert_allclose(squares, (exact**2).mean((0, 1, 2)), rtol=1e-5)
  z = scale_shift(y, jnp.ones(8), jnp.zeros(8), y, relu=True, dtype=y.dtype)
  assert z.dtype == jnp.bfloat16


def test_bfloat16_gradient_is_rounded_once():
  """dy of the whole normalisation is within one bfloat16 rounding of float32's."""

  def norm(y):
    dtype, y = y.dtype, widen(y)
    mean, squares = moments(y)
    m = mean.mean((0, 1, 2))
    a, c = scale_and_shift(m, squares - m**2, jnp.ones(8), jnp.zeros(8), 1e-5)
    return scale_shift(y, a, c, relu=False, dtype=dtype)

  y, d = (t.astype(jnp.bfloat16) for t in draw((4, 8, 8, 8), (4, 8, 8, 8)))
  (got,) = jax.jit(lambda y, d: jax.vjp(norm, y)[1](d))(y, d)
  wide = [t.astype(jnp.float32) for t in (y, d)]
  (want,) = jax.vjp(norm, wide[0])[1](wide[1])
  assert got.dtype == jnp.bfloat16
  np.testing.assert_allclose(got.astype(jnp.float32), want, rtol=2**-8, atol=1e-4)
