"""Statistics from the input's moments: the same normalisation, no worse rounded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from compare import activations, assert_rounds_no_worse, assert_same, draw

from histojax.ops.batch_norm import scale_and_shift, shift, widen
from histojax.ops.conv_norm import (
  conv_statistics,
  fold,
  second_moments,
  second_moments_plain,
)
from histojax.ops.convolution import conv_plain
from histojax.ops.platform import lowered_for

EPS = 1e-5


def fused(x, residual, kernel, scale, bias):
  """relu(norm(x W) + residual), the convolution written once.

  As a GPU does it: weights, shift and result in the dtype of x, sums in between wider.
  """
  mean_x, products = second_moments(x)
  mean, variance = conv_statistics(mean_x, products, kernel[0, 0])
  a, _ = scale_and_shift(mean, variance, scale, bias, EPS)
  w, c = fold(kernel[0, 0], a, bias, mean_x, x.dtype)
  c = widen(c.astype(x.dtype))
  y = conv_plain(widen(x), widen(w)[None, None])
  return shift(y, c, widen(residual), relu=True, dtype=x.dtype)


def plain(x, residual, kernel, scale, bias):
  """The same as its definition, as flax computes it."""
  y = widen(conv_plain(x, kernel.astype(x.dtype)))
  mean = y.mean((0, 1, 2))
  variance = jnp.square(y).mean((0, 1, 2)) - jnp.square(mean)
  z = ((y - mean) * (jax.lax.rsqrt(variance + EPS) * scale) + bias).astype(x.dtype)
  return jnp.maximum(z + residual, 0)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_second_moments(target):
  with jax.enable_x64(True), lowered_for(target):
    assert_same(second_moments, second_moments_plain, *draw((3, 4, 5, 6)))


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_is_convolution_and_batch_norm(target):
  with jax.enable_x64(True), lowered_for(target):
    x, residual = activations(3, 6, 5, 8), activations(3, 6, 5, 32, seed=1)
    kernel, scale, bias = draw((1, 1, 8, 32), (32,), (32,))
    assert_same(fused, plain, x, residual, kernel, scale, bias, atol=1e-11)


@pytest.mark.full
def test_bfloat16_gradients_are_no_worse_than_the_plain_form_s():
  def network(seed):
    x = activations(8, 14, 14, 64, seed=10 * seed)
    residual = activations(8, 14, 14, 256, seed=10 * seed + 1)
    kernel, scale, bias = draw((1, 1, 64, 256), (256,), (256,), seed=seed)
    return [x, residual], [kernel * (2 / 64) ** 0.5, 1 + 0.2 * scale, 0.2 * bias]

  with jax.enable_x64(True), lowered_for("gpu"):
    assert_rounds_no_worse(fused, plain, *zip(*map(network, range(4)), strict=True))


def test_the_mean_is_kept_whatever_the_weights_are_rounded_to():
  with jax.enable_x64(True):
    x = activations(4, 6, 6, 16) + 3
    kernel, bias = draw((16, 8), (8,))
    w, c = fold(kernel, jnp.ones(8), bias, x.mean((0, 1, 2)), jnp.bfloat16)
    mean = (x @ w.astype(x.dtype) + c).mean((0, 1, 2))
    np.testing.assert_allclose(mean, bias, atol=1e-6)
