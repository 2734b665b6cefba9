"""The passes over u [B, H, W, C] of a gate that looks at channels and at places.

u is y + c, y the output of a convolution and c a bias that is added where y is read.
For a channel gate p [B, 1, 1, C] made of the mean and the maximum of u over H and W, a
spatial gate q [B, H, W, 1] made of the maximum and the mean over C of t = u p, and a
residual r, z = relu(t q + r): `highest` and `channel_pool` read u, `gated` reads u and
r and writes z. What lies between is small, and left to autodiff. A maximum keeps the
place of its first winner, as PyTorch does: its cotangent is then elementwise, and all
that arrive at u are one pass. So are those that arrive at t, which is never stored:
`Branch` makes one t for those who look at it and for the result.

Give `highest` and the branch the same `widen(u)`: cotangents are added in float32.
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


class Branch:
  """u = y + c [B, H, W, C], and t = u p for the channel gates p that come to it.

  Args:
    y: the large array, exact in `dtype`, in which the backward pass keeps it.
    c: [C], what is yet to be added to y; None: nothing.
    mean: that of u over H and W, [B, 1, 1, C], where it is known.
    dtype: that of y where it is None.
  """

  def __init__(
    self,
    y: jax.Array,
    c: jax.Array | None = None,
    mean: jax.Array | None = None,
    dtype: DTypeLike | None = None,
  ):
    self.y, self.mean, self.dtype = y, mean, jnp.dtype(dtype or y.dtype)
    self.wide = widen(y)
    self.u = y if c is None else y + c
    self.c = jnp.zeros(y.shape[-1], self.wide.dtype) if c is None else c
    self._last = None, None  # the p that came last, and its t

  def times(self, p: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """t = u p in float32, None being 1: to look at, and once more for the result.

    The same p gives the same two, whose cotangents are then summed in one pass.
    """
    known, t = self._last
    if t is None or known is not p:
      t = _times(self.wide, self.c, _whole(p, self.wide, 0, 3), self.dtype)
      self._last = p, t
    return t


def _whole(factor, like, *axes):
  """`factor`, None being 1, of `like`'s length along these axes and of 1 elsewhere."""
  shape = [n if axis in axes else 1 for axis, n in enumerate(like.shape)]
  return jnp.broadcast_to(jnp.ones((), like.dtype) if factor is None else factor, shape)


def times_plain(
  y: jax.Array, c: jax.Array, p: jax.Array, dtype: DTypeLike
) -> tuple[jax.Array, jax.Array]:
  """`Branch.times` by its definition."""
  del dtype
  t = (y + c) * p
  return t, t


_times = jax.custom_vjp(times_plain, nondiff_argnums=(3,))


def _times_forward(y, c, p, dtype):
  return times_plain(y, c, p, dtype), (y.astype(dtype), c, p)


def _times_backward(dtype, saved, cotangents):
  (y, c, p), (seen, d) = saved, cotangents
  both = seen + d  # not read again below: XLA would store it, in float32
  total, weighed = sums((both, both * y.astype(p.dtype)), per_image=True)
  return seen * p + d * p, (total * p).sum((0, 1, 2)), weighed + c * total


_times.defvjp(_times_forward, _times_backward)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def channel_pool(t: jax.Array, dtype: DTypeLike) -> jax.Array:
  """t [B, H, W, C] -> its maximum and mean over C, [B, H, W, 2].

  t is rounded to `dtype`, as if it had been stored.
  """
  return _pool_forward(t, dtype)[0]


def channel_pool_plain(t: jax.Array, dtype: DTypeLike) -> jax.Array:
  """`channel_pool` by its definition."""
  x = t.astype(dtype).astype(t.dtype)
  top = jnp.take_along_axis(x, x.argmax(-1, keepdims=True), axis=-1)
  return jnp.concatenate([top, x.mean(-1, keepdims=True)], axis=-1)


def _pool_forward(t, dtype):
  x = t.astype(dtype).astype(t.dtype)
  place = jnp.arange(t.shape[-1], dtype=jnp.uint32)
  top, winner = _max_and_place(x, place, (3,), dtype)
  mean = x.mean(-1, keepdims=True)
  top, winner, mean = lax.optimization_barrier((top, winner, mean))  # one pass
  pooled = jnp.concatenate([top, mean], axis=-1)
  return pooled, (winner, jnp.zeros((t.shape[-1], 0)))


def _pool_backward(dtype, saved, d):
  winner, sized = saved
  place = jnp.arange(len(sized), dtype=jnp.uint32)
  d_top, d_mean = d[..., :1], d[..., 1:] / len(sized)
  return (jnp.where(winner == place, d_top, 0) + d_mean,)


channel_pool.defvjp(_pool_forward, _pool_backward)


def gated(
  branch: Branch,
  p: jax.Array | None,
  q: jax.Array | None,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """relu(u p q + residual) in `dtype`; p [B, 1, 1, C], q [B, H, W, 1], None is 1."""
  (_, t), y, c = branch.times(p), branch.wide, branch.c
  again = lax.stop_gradient((y, c, _whole(p, y, 0, 3)))
  q = _whole(q, y, 0, 1, 2)
  return _gated(t, *again, q, residual, relu, jnp.dtype(dtype))


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


@partial(jax.custom_vjp, nondiff_argnums=(6, 7))
def _gated(t, y, c, p, q, residual, relu, dtype):
  """Of t q; y, c and p are there for the backward pass, which makes t again."""
  if residual is None or not relu:
    z = t * q if residual is None else t * q + residual
    return (jnp.maximum(z, 0) if relu else z).astype(dtype)
  z = relu_of_sum(t * q, residual.astype(t.dtype)).astype(dtype)
  return z if platform() == "cpu" else lax.optimization_barrier(z)


def _gated_forward(t, y, c, p, q, residual, relu, dtype):
  z = _gated(t, y, c, p, q, residual, relu, dtype)
  return z, (y.astype(dtype), c, p, q, z if relu else None, empty(residual))


def _gated_backward(relu, dtype, saved, dz):
  y, c, p, q, z, like = saved
  dz, y = jnp.where(z > 0, dz, 0) if relu else dz, y.astype(p.dtype)
  dq = (dz.astype(p.dtype) * (y + c) * p).sum(-1, keepdims=True)
  dz, dq = lax.optimization_barrier((dz, dq))  # one pass
  dr = None if like is None else dz.astype(like.dtype)
  return dz.astype(p.dtype) * q, None, None, None, dq, dr


_gated.defvjp(_gated_forward, _gated_backward)


def split(
  factors: list[jax.Array],
) -> tuple[jax.Array | None, jax.Array | None] | None:
  """Factors of an array [B, H, W, C] as `gated`'s (p, q), None if one is neither.

  One channel factor is p itself, so that it finds its `Branch.times` again.
  """
  p = q = None
  for g in factors:
    if g.shape[1:3] == (1, 1):
      p = g if p is None else p * g
    elif g.shape[3] == 1:
      q = g if q is None else q * g
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
