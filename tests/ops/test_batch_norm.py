"""The fused normalisation equals its plain form and BatchNorm's definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compare import activations, assert_rounds_no_worse, assert_same, draw

from histojax.ops.batch_norm import (
  moments,
  moments_plain,
  scale_and_shift,
  scale_shift,
  scale_shift_plain,
  shift,
  widen,
)
from histojax.ops.platform import lowered_for

SHAPE = (3, 4, 5, 6)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("per_image", [False, True])
def test_moments(target, per_image):
  with jax.enable_x64(True), lowered_for(target):
    assert_same(
      lambda y: moments(y, per_image=per_image),
      lambda y: moments_plain(y, per_image=per_image),
      *draw(SHAPE),
    )


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("mean", [False, True])
def test_scale_shift(target, relu, residual, per_image, mean):
  small = (SHAPE[0], 1, 1, SHAPE[-1]) if per_image else SHAPE[-1:]
  with jax.enable_x64(True), lowered_for(target):
    args = draw(SHAPE, small, small, *([SHAPE] if residual else []))
    assert_same(
      lambda *args: scale_shift(*args, relu=relu, dtype="float64", mean=mean),
      lambda *args: scale_shift_plain(*args, relu=relu, dtype="float64", mean=mean),
      *args,
    )


@pytest.mark.parametrize("target", ["cpu", "gpu"])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("residual", [False, True])
def test_shift(target, relu, residual):
  with jax.enable_x64(True), lowered_for(target):
    args = draw(SHAPE, SHAPE[-1:], *([SHAPE] if residual else []))
    assert_same(
      lambda *args: shift(*args, relu=relu, dtype="float64"),
      lambda y, c, *r: scale_shift_plain(
        y, jnp.ones_like(c), c, *r, relu=relu, dtype="float64"
      ),
      *args,
    )


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_is_batch_norm_with_gate_and_residual(target):
  """The two passes against the definition, differentiated through everything."""

  def fused(y, scale, bias, w, r):
    mean, squares = moments(y, per_image=True)
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
  with jax.enable_x64(True), lowered_for(target):
    args = draw(SHAPE, channels, channels, channels * 2, SHAPE)
    assert_same(fused, definition, *args, atol=1e-11)


def test_bfloat16_sums_in_float32():
  (y,) = draw((4, 32, 32, 8))
  y = (y + 3).astype(jnp.bfloat16)
  mean, squares = moments(y, per_image=True)
  assert mean.dtype == squares.dtype == jnp.float32
  exact = np.asarray(y, np.float64)
  np.testing.assert_allclose(mean[:, 0, 0], exact.mean((1, 2)), rtol=1e-5)
  np.testing.assert_allclose(squares, (exact**2).mean((0, 1, 2)), rtol=1e-5)
  z = scale_shift(y, jnp.ones(8), jnp.zeros(8), y, relu=True, dtype=y.dtype)
  assert z.dtype == jnp.bfloat16


def test_bfloat16_gradients_are_no_worse_than_the_plain_form_s():
  """Norm and ReLU by `moments` and `scale_shift`, as compiled for a GPU."""

  def norm(y, scale, bias):
    dtype, y = y.dtype, widen(y)
    mean, squares = moments(y)
    a, c = scale_and_shift(mean, squares - mean**2, scale, bias, 1e-5)
    return scale_shift(y, a, c, relu=True, dtype=dtype)

  def plain(y, scale, bias):
    wide = widen(y)
    mean = wide.mean((0, 1, 2))
    variance = (wide * wide).mean((0, 1, 2)) - mean**2
    z = (wide - mean) * (jax.lax.rsqrt(variance + 1e-5) * scale) + bias
    return jnp.maximum(z, 0).astype(y.dtype)

  def layer(seed):
    scale, bias = draw((32,), (32,), seed=seed)
    y = activations(8, 14, 14, 32, seed=seed) - 0.5
    return [y], [1 + 0.2 * scale, 0.2 * bias]

  with jax.enable_x64(True), lowered_for("gpu"):
    assert_rounds_no_worse(norm, plain, *zip(*map(layer, range(4)), strict=True))


def test_bfloat16_gradient_is_rounded_once():
  """dy of the whole normalisation is within one bfloat16 rounding of float32's."""

  def norm(y):
    dtype, y = y.dtype, widen(y)
    mean, squares = moments(y, per_image=True)
    m = mean.mean((0, 1, 2))
    a, c = scale_and_shift(m, squares - m**2, jnp.ones(8), jnp.zeros(8), 1e-5)
    return scale_shift(y, a, c, relu=False, dtype=dtype)

  y, d = (t.astype(jnp.bfloat16) for t in draw((4, 8, 8, 8), (4, 8, 8, 8)))
  (got,) = jax.jit(lambda y, d: jax.vjp(norm, y)[1](d))(y, d)
  wide = [t.astype(jnp.float32) for t in (y, d)]
  (want,) = jax.vjp(norm, wide[0])[1](wide[1])
  assert got.dtype == jnp.bfloat16
  np.testing.assert_allclose(got.astype(jnp.float32), want, rtol=2**-8, atol=1e-4)
