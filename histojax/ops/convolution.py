"""Two-dimensional convolution without bias, padded by half the kernel, in NHWC.

One function, `conv`; how it is computed depends on shape and platform. XLA's CPU
backend needs help (two cores, ResNet50 at 64 px, batch 32): a 1x1 convolution is
fastest as a matrix product, a 3x3 on maps below 4x4 is 50 times faster as patches
times matrix. Everywhere else, and on every accelerator, it is `lax.conv`.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from histojax.ops.grouped import bundled
from histojax.ops.platform import platform

_SMALLEST_MAP_FOR_LAX = 4


def conv(
  x: jax.Array,
  kernel: jax.Array,
  stride: int = 1,
  *,
  groups: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """x [B, H, W, C] * kernel [k, k, C / groups, F], k odd -> [B, H', W', F].

  Padding is dilation * (k // 2) on all sides, as PyTorch's models state it: 'SAME'
  would pad unevenly at stride 2 and move the features. H' = (H - 1) // stride + 1.
  """
  if platform() != "cpu":
    return conv_plain(x, kernel, stride, groups=groups, dilation=dilation)
  if groups > 1:
    dense = partial(conv, stride=stride, dilation=dilation)
    return bundled(x, kernel, groups, dense)
  size = kernel.shape[0]
  if size == 1:
    return _matmul(x[:, ::stride, ::stride], kernel[0, 0])
  height, width = ((n - 1) // stride + 1 for n in x.shape[1:3])
  if min(height, width) < _SMALLEST_MAP_FOR_LAX:
    patches = _patches(x, size, stride, dilation)
    return _matmul(patches, kernel.reshape(-1, kernel.shape[-1]))
  return conv_plain(x, kernel, stride, dilation=dilation)


def conv_plain(
  x: jax.Array,
  kernel: jax.Array,
  stride: int = 1,
  *,
  groups: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """`conv` as one XLA convolution."""
  padding = dilation * (kernel.shape[0] // 2)
  return lax.conv_general_dilated(
    x,
    kernel,
    window_strides=(stride, stride),
    padding=((padding, padding), (padding, padding)),
    rhs_dilation=(dilation, dilation),
    dimension_numbers=("NHWC", "HWIO", "NHWC"),
    feature_group_count=groups,
  )


def _patches(x: jax.Array, size: int, stride: int, dilation: int) -> jax.Array:
  """[B, H, W, C] -> [B, H', W', size * size * C], in the order of a kernel's rows."""
  pad = dilation * (size // 2)
  batch, height, width, channels = x.shape
  rows, columns = (height - 1) // stride + 1, (width - 1) // stride + 1
  x = jnp.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
  taps = [
    lax.slice(
      x,
      (0, i, j, 0),
      (batch, i + (rows - 1) * stride + 1, j + (columns - 1) * stride + 1, channels),
      (1, stride, stride, 1),
    )
    for i in range(0, size * dilation, dilation)
    for j in range(0, size * dilation, dilation)
  ]
  return jnp.concatenate(taps, axis=-1)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def with_subsample(x: jax.Array, stride: int) -> tuple[jax.Array, jax.Array]:
  """x [B, H, W, C] -> itself and x[:, ::stride, ::stride].

  For a block that reads both: in the backward pass the two cotangents are added where
  the sum is read. Left to itself, XLA writes the second one out, padded with zeros to
  the size of x, for the convolution that brings the first to add.
  """
  return x, x[:, ::stride, ::stride]


def _subsample_forward(x, stride):
  return with_subsample(x, stride), jnp.zeros((*x.shape[1:3], 0), x.dtype)


def _subsample_backward(stride, sized, cotangents):
  d, d_part = cotangents
  if stride == 1:
    return (d + d_part,)
  padding = [
    (0, size - ((size - 1) // stride * stride + 1), stride - 1)
    for size in sized.shape[:2]
  ]
  padded = lax.pad(d_part, jnp.zeros((), d.dtype), ((0, 0, 0), *padding, (0, 0, 0)))
  return (lax.optimization_barrier(d) + padded,)


with_subsample.defvjp(_subsample_forward, _subsample_backward)


@jax.custom_vjp
def _matmul(x: jax.Array, w: jax.Array) -> jax.Array:
  """x [..., C] @ w [C, F]."""
  return x @ w


def _matmul_forward(x, w):
  return x @ w, (x, w)


def _matmul_backward(saved, d):
  x, w = saved
  # Without the barrier XLA:CPU fuses the producer of d (a norm's backward) into a
  # transposed copy of it for dw: 90 ms a step.
  d = lax.optimization_barrier(d)
  x2, d2 = x.reshape(-1, x.shape[-1]), d.reshape(-1, d.shape[-1])
  dw = lax.dot_general(x2, d2, (((0,), (0,)), ((), ())))
  return (d2 @ w.T).reshape(x.shape), dw


_matmul.defvjp(_matmul_forward, _matmul_backward)
