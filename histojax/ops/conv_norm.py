"""Batch statistics of a 1x1 convolution without computing the convolution.

For y = x W at every pixel, with m and S the mean and the second moments of x,

    mean(y) = m W        var(y) = diag(W' (S - m m') W)

so the scale and shift of its batch normalisation are known before y is, go into the
weights, and convolution, shift, residual and ReLU are one operation whose result is the
only large array written. An expanding convolution then reads x once more, where its
statistics would read y, four times as large; and the backward pass, which is autodiff
through these lines, needs no pass over y at all: the statistics' cotangent arrives at x
as x K + k, K a C x C matrix.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from histojax.ops.batch_norm import widen
from histojax.ops.convolution import conv


@jax.custom_vjp
def second_moments(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """x [B, H, W, C] -> mean [C] and mean of x x' [C, C] over B, H, W; float32."""
  return second_moments_plain(x)


def second_moments_plain(x: jax.Array) -> tuple[jax.Array, jax.Array]:
  """`second_moments`, differentiated by autodiff."""
  wide = widen(x)
  rows = x.reshape(-1, x.shape[-1])
  products = lax.dot_general(
    rows, rows, (((0,), (0,)), ((), ())), preferred_element_type=wide.dtype
  )
  return wide.mean((0, 1, 2)), products / len(rows)


def _moments_forward(x):
  return second_moments(x), x


def _moments_backward(x, cotangents):
  d_mean, d_products = cotangents
  count = x.size // x.shape[-1]
  k = (d_products + d_products.T) / count
  # One convolution with a bias, in the compute dtype: it is the addend of the
  # convolution that brings the rest of x's cotangent.
  dx = conv(x, k.astype(x.dtype)[None, None])
  return (dx + (d_mean / count).astype(x.dtype),)


second_moments.defvjp(_moments_forward, _moments_backward)


def conv_statistics(
  mean: jax.Array, products: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, jax.Array]:
  """Mean and variance [F] of x W, from the `second_moments` of x and W [C, F]."""
  high = lax.Precision.HIGHEST  # float32 means float32: TF32 would do on a GPU
  covariance = products - mean[:, None] * mean[None, :]
  variance = (kernel * jnp.matmul(covariance, kernel, precision=high)).sum(0)
  return jnp.matmul(mean, kernel, precision=high), variance


def fold(
  kernel: jax.Array, a: jax.Array, bias: jax.Array, mean: jax.Array, dtype: DTypeLike
) -> tuple[jax.Array, jax.Array]:
  """W [C, F] a in `dtype`, and the shift c [F] that gives x W a + c the mean `bias`.

  mean: [C], that of x. The shift is that of the rounded weights: their errors, times
  the mean of an x that is never negative, would move whole channels.
  """
  kernel = (kernel * a).astype(dtype)
  return kernel, bias - jnp.matmul(mean, widen(kernel), precision="highest")
