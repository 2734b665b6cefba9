"""Batch normalisation, gate, residual and ReLU as two passes over the data.

Training-mode normalisation of a convolution's output y [B, H, W, C] (Ioffe and Szegedy
2015, arXiv 1502.03167), a gate g that scales it, a residual r and a ReLU are

    m = mean(y);  v = mean(y^2) - m^2;  a = scale / sqrt(v + eps);  c = bias - m a
    z = relu((y a + c) g + r) = relu(y (a g) + (c g) + r)

so only two things touch the large array: `moments` reads it, `scale_shift` reads it and
writes z. What lies between works on C or B x C numbers and is left to autodiff, whose
result is BatchNorm's backward: dy = dz (a g) + (terms constant per channel or image)
+ y (the same). A gate that sees its input only through the mean over H, W gets that
mean as a mean(y) + c, and then costs nothing of the order of y, forward or backward.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from histojax.ops.platform import platform


def widen(y: jax.Array) -> jax.Array:
  """y in float32, or wider if it is: where sums happen."""
  return y.astype(jnp.promote_types(y.dtype, jnp.float32))


def moments(y: jax.Array) -> tuple[jax.Array, jax.Array]:
  """y [B, H, W, C] -> mean over H, W [B, 1, 1, C]; mean of squares [C]; float32."""
  y = widen(y)
  total, squares = _sums((y, y * y))
  count = y.shape[1] * y.shape[2]
  return total / count, squares.sum((0, 1, 2)) / (count * y.shape[0])


def moments_plain(y: jax.Array) -> tuple[jax.Array, jax.Array]:
  """`moments` as plain means."""
  y = widen(y)
  return y.mean((1, 2), keepdims=True), jnp.square(y).mean((0, 1, 2))


def scale_and_shift(
  mean: jax.Array, variance: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[jax.Array, jax.Array]:
  """All [C]: the a, c with which y a + c is the normalised y."""
  a = scale * lax.rsqrt(variance + eps)
  return a, bias - mean * a


def scale_shift(
  y: jax.Array,
  a: jax.Array,
  c: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """relu(y a + c + residual), computed in float32 and returned in `dtype`.

  y and residual [B, H, W, C]; a and c float32 [C], or [B, 1, 1, C] with a gate in them.
  The backward pass keeps y in `dtype` and the result, whose sign is the ReLU's. Give
  `moments` and this the same `widen(y)`: their cotangents are then added in float32,
  and rounded once.
  """
  a, c = (t.reshape(-1, 1, 1, t.shape[-1]) for t in (a, c))
  return _scale_shift(widen(y), a, c, residual, relu, jnp.dtype(dtype))


def scale_shift_plain(
  y: jax.Array,
  a: jax.Array,
  c: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """`scale_shift` as one line of arithmetic."""
  z = widen(y) * a + c
  z = z if residual is None else z + residual
  return (jnp.maximum(z, 0) if relu else z).astype(dtype)


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _scale_shift(y, a, c, residual, relu, dtype):
  if residual is None or not relu:
    return scale_shift_plain(y, a, c, residual, relu=relu, dtype=dtype)
  # max(t, -r) + r is relu(t + r), to the bit. XLA:CPU fuses anew whatever ends in an
  # operation of one large array, so a ReLU at the end makes it compute each residual
  # block's output again, from the stage's first block on, wherever it is read.
  residual = residual.astype(y.dtype)
  return (jnp.maximum(y * a + c, -residual) + residual).astype(dtype)


def _forward(y, a, c, residual, relu, dtype):
  z = _scale_shift(y, a, c, residual, relu, dtype)
  # An empty array tells the backward pass the residual's dtype.
  like = None if residual is None else jnp.zeros((0,), residual.dtype)
  return z, (y.astype(dtype), a, c, z if relu else None, like)


def _backward(relu, dtype, saved, dz):
  y, a, c, z, like = saved
  if relu:
    dz = jnp.where(z > 0, dz, 0)
  # Written once, then read by the sums, by dy and by the residual's branch; without the
  # barrier every reader masks again.
  dz = lax.optimization_barrier(dz)
  wide = dz.astype(a.dtype)
  dc, da = _sums((wide, wide * y.astype(a.dtype)))
  if a.shape[0] == 1:
    da = da.sum(0, keepdims=True)
  if c.shape[0] == 1:
    dc = dc.sum(0, keepdims=True)
  return wide * a, da, dc, None if like is None else dz.astype(like.dtype)


_scale_shift.defvjp(_forward, _backward)


def _sums(arrays: tuple[jax.Array, ...]) -> list[jax.Array]:
  """[B, H, W, C] each -> [B, 1, 1, C] each, summed over H and W.

  XLA:CPU is up to ten times slower at a sum of a product over several axes than at the
  same sum over one axis, materialised, and then over the rest.
  """
  if platform() != "cpu":
    return [t.sum((1, 2), keepdims=True) for t in arrays]
  rows = lax.optimization_barrier([t.sum(1, keepdims=True) for t in arrays])
  return [t.sum(2, keepdims=True) for t in rows]
