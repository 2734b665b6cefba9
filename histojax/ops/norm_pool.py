"""Scale, shift, ReLU and the stem's 3x3 max-pool as one pass over the largest map.

Only the pixels that win a window carry a gradient, and of those only the positive ones.
So the forward pass keeps, per window, which pixel won and what it held before scaling;
the sums that batch normalisation's backward needs then run over the windows, a quarter
of the map, and the masked cotangent of the map is never written.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from histojax.ops.batch_norm import scale_shift, widen
from histojax.ops.max_pool import max_pool
from histojax.ops.ordered import from_ordered, to_ordered
from histojax.ops.platform import platform

_NOBODY = 16  # the code of no pixel


def scale_shift_max_pool(
  y: jax.Array, a: jax.Array, c: jax.Array, *, dtype: DTypeLike
) -> jax.Array:
  """max_pool(relu(y a + c)): y [B, H, W, C], a and c float32 [C] -> [B, H/2, W/2, C].

  As `scale_shift` and `max_pool`, one after the other. Sides are rounded up.
  """
  if platform() != "gpu":
    return scale_shift_max_pool_plain(y, a, c, dtype=dtype)
  return _fused(widen(y), a, c, jnp.dtype(dtype))


def scale_shift_max_pool_plain(
  y: jax.Array, a: jax.Array, c: jax.Array, *, dtype: DTypeLike
) -> jax.Array:
  """`scale_shift_max_pool` as two operations."""
  return max_pool(scale_shift(y, a, c, relu=True, dtype=dtype))


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _fused(y, a, c, dtype):
  return _forward(y, a, c, dtype)[0]


def _forward(y, a, c, dtype):
  # Where a is positive the largest y wins, else the smallest: so the window compares
  # what was stored, in its own dtype.
  shape, sign = y.shape[1:3], jnp.where(a < 0, -1, 1).astype(dtype)
  operands = (
    to_ordered(y.astype(dtype) * sign),
    jnp.broadcast_to(_code(shape), y.shape),
  )

  def better(kept, new):
    larger = new[0] > kept[0]
    return jnp.where(larger, new[0], kept[0]), jnp.where(larger, new[1], kept[1])

  padding = ((0, 0), *((1, n % 2) for n in shape), (0, 0))
  held, winner = lax.reduce_window(
    operands,
    (jnp.zeros((), operands[0].dtype), jnp.uint8(_NOBODY)),
    better,
    window_dimensions=(1, 3, 3, 1),
    window_strides=(1, 2, 2, 1),
    padding=padding,
  )
  held = from_ordered(lax.optimization_barrier(held), dtype)
  z = jnp.maximum(held.astype(y.dtype) * abs(a) + c, 0).astype(dtype)
  sized = jnp.zeros((*shape, 0), y.dtype)  # an odd and an even side pool alike
  return z, (held, winner, a, c, sized)


def _backward(dtype, saved, dz):
  held, winner, a, c, sized = saved
  wide, held = dz.astype(a.dtype), held.astype(a.dtype)
  wide = jnp.where(held * abs(a) + c > 0, wide, 0)
  dc, da = wide.sum((0, 1, 2)), (wide * held * jnp.where(a < 0, -1, 1)).sum((0, 1, 2))
  dc, da, dz = lax.optimization_barrier((dc, da, dz))
  wide = jnp.where(held * abs(a) > -c, dz.astype(a.dtype), 0)
  return unpool(wide, winner, sized.shape[:2]) * a, da, dc


_fused.defvjp(_forward, _backward)


def unpool(d: jax.Array, winner: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """Sends d [B, h, w, C] to the winners of its windows: [B, *shape, C].

  Pixel (i, j) may lie in the windows (i // 2 + down, j // 2 + right), down and right 0
  or 1, and asks all four: elementwise, so that it fuses with what follows.
  """

  def near(t, down, right, fill):
    padding = ((0, 0), (0, down), (0, right), (0, 0))
    t = jnp.pad(t, padding, constant_values=fill)[:, down:, right:]
    t = jnp.repeat(jnp.repeat(t, 2, axis=1), 2, axis=2)
    return t[:, : shape[0], : shape[1]]

  code, total = _code(shape), 0
  for down in (0, 1):
    for right in (0, 1):
      won = near(winner, down, right, _NOBODY) == code
      total += jnp.where(won, near(d, down, right, 0), 0)
  return total


def _code(shape: tuple[int, int]) -> jax.Array:
  """uint8 [H, W, 1]: row and column modulo 4, which no two pixels of a window share."""
  row, column = (jnp.arange(n, dtype=jnp.uint8) % 4 for n in shape)
  return (4 * row[:, None] + column)[..., None]
