"""The passes over u [B, H, W, C] of a gate that looks at channels and at places.

u is y + c, y the output of a convolution and c a bias that is added where y is read.
For a channel gate p [B, 1, 1, C] made of the mean and the maximum of u over H and W, a
spatial gate q [B, H, W, 1] made of the maximum and the mean over C of u p, and a
residual r, z = relu(u p q + r): `highest` and `channel_pool` read u, `gated` reads u
and r and writes z; `channel_mean` reads u for a q made of the mean alone. What lies
between is small, and left to autodiff. A maximum keeps the place of its first winner,
as PyTorch does: its cotangent is then elementwise, and all that arrive at u are one
pass.

Give the three of them the same `widen(u)`: cotangents are added in float32.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from histojax.ops.batch_norm import empty, relu_of_sum, sums, widen
from histojax.ops.ordered import from_ordered, to_ordered
from histojax.ops.platform import platform


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def highest(u: jax.Array, dtype: DTypeLike) -> jax.Array:
  """u [B, H, W, C], exact in `dtype` -> its maximum over H and W, [B, 1, 1, C]."""
  return _highest_forward(u, dtype)[0]


def highest_plain(u: jax.Array, dtype: DTypeLike) -> jax.Array:
  """`highest` by its definition: the value at the first place that has the maximum."""
  del dtype
  flat = u.reshape(len(u), -1, u.shape[-1])
  first = flat.argmax(1, keepdims=True)
  return jnp.take_along_axis(flat, first, axis=1)[:, None]


def _highest_forward(u, dtype):
  batch, height, width, channels = u.shape
  place = jnp.arange(height * width, dtype=jnp.uint32).reshape(height, width, 1)
  top, winner = _max_and_place(u, place, (1, 2), dtype)
  return top, (winner, jnp.zeros((height, width, 0), u.dtype))


def _highest_backward(dtype, saved, d):
  winner, sized = saved
  height, width = sized.shape[:2]
  place = jnp.arange(height * width, dtype=jnp.uint32).reshape(height, width, 1)
  return (jnp.where(winner == place, d, 0),)


highest.defvjp(_highest_forward, _highest_backward)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def channel_pool(
  y: jax.Array, c: jax.Array, p: jax.Array, dtype: DTypeLike
) -> jax.Array:
  """Max and mean over C of (y + c) p, [B, H, W, 2]; y [B, H, W, C], p [B, 1, 1, C].

  (y + c) p is rounded to `dtype`, as if it had been stored.
  """
  return _pool_forward(y, c, p, dtype)[0]


def channel_pool_plain(
  y: jax.Array, c: jax.Array, p: jax.Array, dtype: DTypeLike
) -> jax.Array:
  """`channel_pool` by its definition."""
  x = ((y + c) * p).astype(dtype).astype(y.dtype)
  top = jnp.take_along_axis(x, x.argmax(-1, keepdims=True), axis=-1)
  return jnp.concatenate([top, x.mean(-1, keepdims=True)], axis=-1)


def _pool_forward(y, c, p, dtype):
  x = ((y + c) * p).astype(dtype).astype(y.dtype)
  place = jnp.arange(y.shape[-1], dtype=jnp.uint32)
  top, winner = _max_and_place(x, place, (3,), dtype)
  mean = x.mean(-1, keepdims=True)
  top, winner, mean = lax.optimization_barrier((top, winner, mean))  # one pass
  pooled = jnp.concatenate([top, mean], axis=-1)
  return pooled, (y.astype(dtype), c, p, winner)


def _pool_backward(dtype, saved, d):
  y, c, p, winner = saved
  place = jnp.arange(y.shape[-1], dtype=jnp.uint32)
  d_top, d_mean = d[..., :1], d[..., 1:] / y.shape[-1]
  dx = jnp.where(winner == place, d_top, 0) + d_mean
  total, weighed = sums((dx, dx * y.astype(p.dtype)), per_image=True)
  return dx * p, (total * p).sum((0, 1, 2)), weighed + c * total


channel_pool.defvjp(_pool_forward, _pool_backward)


def channel_mean(
  y: jax.Array, c: jax.Array | None, p: jax.Array, dtype: DTypeLike
) -> jax.Array:
  """Mean over C of (y + c) p, [B, H, W, 1]; y [B, H, W, C], p [B, 1, 1, C].

  y is float32 and exact in `dtype`, in which the backward pass keeps it.
  """
  c = jnp.zeros(y.shape[-1], y.dtype) if c is None else c
  return _channel_mean(y, c, p, jnp.dtype(dtype))


def channel_mean_plain(
  y: jax.Array, c: jax.Array, p: jax.Array, dtype: DTypeLike
) -> jax.Array:
  """`channel_mean` by its definition."""
  del dtype
  return ((y + c) * p).mean(-1, keepdims=True)


_channel_mean = jax.custom_vjp(channel_mean_plain, nondiff_argnums=(3,))


def _channel_mean_forward(y, c, p, dtype):
  return channel_mean_plain(y, c, p, dtype), (y.astype(dtype), c, p)


def _channel_mean_backward(dtype, saved, d):
  y, c, p = saved
  d = d / y.shape[-1]
  total, (weighed,) = d.sum((1, 2), keepdims=True), sums((d * y,), per_image=True)
  return d * p, (total * p).sum((0, 1, 2)), weighed + c * total


_channel_mean.defvjp(_channel_mean_forward, _channel_mean_backward)


def gated(
  y: jax.Array,
  c: jax.Array,
  p: jax.Array,
  q: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """relu((y + c) p q + residual) in `dtype`; p [B, 1, 1, C], q [B, H, W, 1]."""
  return _gated(widen(y), c, p, q, residual, relu, jnp.dtype(dtype))


def gated_plain(
  y: jax.Array,
  c: jax.Array,
  p: jax.Array,
  q: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """`gated` as one line of arithmetic; p and q may be of any shape."""
  z = (widen(y) + c) * p * q
  z = z if residual is None else z + residual
  return (jnp.maximum(z, 0) if relu else z).astype(dtype)


@partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def _gated(y, c, p, q, residual, relu, dtype):
  if residual is None or not relu:
    return gated_plain(y, c, p, q, residual, relu=relu, dtype=dtype)
  z = relu_of_sum((y + c) * p * q, residual.astype(y.dtype)).astype(dtype)
  return z if platform() == "cpu" else lax.optimization_barrier(z)


def _gated_forward(y, c, p, q, residual, relu, dtype):
  z = _gated(y, c, p, q, residual, relu, dtype)
  return z, (y.astype(dtype), c, p, q, z if relu else None, empty(residual))


def _gated_backward(relu, dtype, saved, dz):
  y, c, p, q, z, like = saved
  dz, y = jnp.where(z > 0, dz, 0) if relu else dz, y.astype(p.dtype)
  dq = (dz.astype(p.dtype) * (y + c) * p).sum(-1, keepdims=True)
  dz, dq = lax.optimization_barrier((dz, dq))  # one pass
  wide = dz.astype(p.dtype)
  total, weighed = sums((wide * q, wide * q * y), per_image=True)
  dc, dp = (total * p).sum((0, 1, 2)), weighed + c * total
  return wide * (p * q), dc, dp, dq, None if like is None else dz.astype(like.dtype)


_gated.defvjp(_gated_forward, _gated_backward)


def split(factors: list[jax.Array], shape: tuple) -> tuple[jax.Array, jax.Array] | None:
  """Factors of an array [B, H, W, C] as `gated`'s (p, q), None if one is neither."""
  ones = jnp.ones((), factors[0].dtype)
  p = jnp.broadcast_to(ones, (shape[0], 1, 1, shape[3]))
  q = jnp.broadcast_to(ones, (*shape[:3], 1))
  for g in factors:
    if g.shape[1:3] == (1, 1):
      p = p * g
    elif g.shape[3] == 1:
      q = q * g
    else:
      return None
  return p, q


def _max_and_place(x, place, axes, dtype):
  """Maximum of x over `axes` and the `place` (uint32) of the first that has it."""
  if jnp.dtype(dtype) == jnp.bfloat16 and place.size <= 1 << 16:
    # One reduction: the value's bits, then the place, the first of equals the largest.
    bits = to_ordered(x.astype(dtype)).astype(jnp.uint32)
    key = ((bits << 16) + (0xFFFF - place)).max(axes, keepdims=True)
    top = from_ordered((key >> 16).astype(jnp.uint16), dtype)
    return top.astype(x.dtype), 0xFFFF - (key & 0xFFFF)
  top = x.max(axes, keepdims=True)
  last = jnp.uint32(0xFFFFFFFF)
  return top, jnp.where(x == top, place, last).min(axes, keepdims=True)
