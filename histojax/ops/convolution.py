"""Two-dimensional convolution without bias, padded by half the kernel, in NHWC.

One function, `conv`; how it is computed depends on shape and platform. XLA's CPU
backend needs help (two cores, ResNet50 at 64 px, batch 32): a 1x1 convolution is
fastest as a matrix product, a 3x3 on maps below 4x4 is 50 times faster as patches
times matrix. Everywhere else, and on every accelerator, it is `lax.conv`.
"""

import jax
import jax.numpy as jnp
from jax import lax

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
  if platform() != "cpu" or groups > 1 or dilation > 1:
    return conv_plain(x, kernel, stride, groups=groups, dilation=dilation)
  size = kernel.shape[0]
  if size == 1:
    return _matmul(x[:, ::stride, ::stride], kernel[0, 0])
  height, width = ((n - 1) // stride + 1 for n in x.shape[1:3])
  if min(height, width) < _SMALLEST_MAP_FOR_LAX:
    return _matmul(_patches(x, size, stride), kernel.reshape(-1, kernel.shape[-1]))
  return conv_plain(x, kernel, stride)


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


def _patches(x: jax.Array, size: int, stride: int) -> jax.Array:
  """[B, H, W, C] -> [B, H', W', size * size * C], in the order of a kernel's rows."""
  pad = size // 2
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
    for i in range(size)
    for j in range(size)
  ]
  return jnp.concatenate(taps, axis=-1)


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
