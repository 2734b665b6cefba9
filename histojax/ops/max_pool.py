"""Max-pools whose backward reads one byte per output: a ResNet's 3x3, VGG's 2x2."""

import jax
import jax.numpy as jnp
from jax import lax


def max_pool_plain(x: jax.Array) -> jax.Array:
  """x [B, H, W, C] -> [B, ceil(H/2), ceil(W/2), C]; padding is minus infinity."""
  return lax.reduce_window(
    x,
    -jnp.inf,
    lax.max,
    window_dimensions=(1, 3, 3, 1),
    window_strides=(1, 2, 2, 1),
    padding=((0, 0), (1, 1), (1, 1), (0, 0)),
  )


@jax.custom_vjp
def max_pool(x: jax.Array) -> jax.Array:
  """`max_pool_plain`, whose backward reads one byte per output instead of x.

  The forward pass keeps which of the nine taps won (the first, where several are
  equal, as PyTorch does). The backward is then four sums of shifted selections, one
  for each parity of (row, column), where XLA's own is a serial select-and-scatter.
  """
  return _forward(x)[0]


def _forward(x):
  batch, height, width, channels = x.shape
  rows, columns = (height + 1) // 2, (width + 1) // 2
  padded = jnp.pad(
    x,
    ((0, 0), (1, 2 * rows - height), (1, 2 * columns - width), (0, 0)),
    constant_values=-jnp.inf,
  )  # [B, 2 rows + 1, 2 columns + 1, C]
  best, winner = None, None
  for tap in range(9):
    i, j = divmod(tap, 3)
    value = lax.slice(
      padded,
      (0, i, j, 0),
      (batch, i + 2 * rows - 1, j + 2 * columns - 1, channels),
      (1, 2, 2, 1),
    )
    if best is None:
      best, winner = value, jnp.zeros(value.shape, jnp.uint8)
    else:
      winner = jnp.where(value > best, jnp.uint8(tap), winner)
      best = jnp.maximum(best, value)
  # An empty array carries the size of x: an odd and an even side give the same output.
  return best, (winner, jnp.zeros((height, width, 0), x.dtype))


def _backward(saved, d):
  winner, sized = saved
  batch, rows, columns, channels = winner.shape

  def won(tap: int, down: int, right: int) -> jax.Array:
    """d where window (a + down, b + right) was won by `tap`, at index (a, b)."""

    def shifted(t):
      t = jnp.pad(t, ((0, 0), (0, down), (0, right), (0, 0)))
      return t[:, down:, right:]

    return jnp.where(shifted(winner) == tap, shifted(d), 0)

  even_even = won(4, 0, 0)
  even_odd = won(5, 0, 0) + won(3, 0, 1)
  odd_even = won(7, 0, 0) + won(1, 1, 0)
  odd_odd = won(8, 0, 0) + won(6, 0, 1) + won(2, 1, 0) + won(0, 1, 1)
  even = jnp.stack([even_even, even_odd], axis=3)
  odd = jnp.stack([odd_even, odd_odd], axis=3)
  dx = jnp.stack([even, odd], axis=2)  # [B, rows, 2, columns, 2, C]
  dx = dx.reshape(batch, 2 * rows, 2 * columns, channels)
  return (dx[:, : sized.shape[0], : sized.shape[1]],)


max_pool.defvjp(_forward, _backward)


def max_pool_2x2_plain(x: jax.Array) -> jax.Array:
  """x [B, H, W, C] -> [B, H // 2, W // 2, C]; an odd last row or column is left out."""
  window = (1, 2, 2, 1)
  return lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")


@jax.custom_vjp
def max_pool_2x2(x: jax.Array) -> jax.Array:
  """`max_pool_2x2_plain`; its backward reads one byte per output, first of equals."""
  return _forward_2x2(x)[0]


def _forward_2x2(x):
  batch, height, width, channels = x.shape
  rows, columns = height // 2, width // 2
  inside = x[:, : 2 * rows, : 2 * columns]
  best, winner = inside[:, ::2, ::2], jnp.zeros((batch, rows, columns, channels), "u1")
  for tap in range(1, 4):
    value = inside[:, tap // 2 :: 2, tap % 2 :: 2]
    winner = jnp.where(value > best, jnp.uint8(tap), winner)
    best = jnp.maximum(best, value)
  return best, (winner, jnp.zeros((height, width, 0), x.dtype))


def _backward_2x2(saved, d):
  winner, sized = saved
  batch, rows, columns, channels = d.shape
  taps = [jnp.where(winner == tap, d, 0) for tap in range(4)]
  upper, lower = jnp.stack(taps[:2], axis=3), jnp.stack(taps[2:], axis=3)
  dx = jnp.stack([upper, lower], axis=2)  # [B, rows, 2, columns, 2, C]
  dx = dx.reshape(batch, 2 * rows, 2 * columns, channels)
  below, right = (n % 2 for n in sized.shape[:2])
  return (jnp.pad(dx, ((0, 0), (0, below), (0, right), (0, 0))),)


max_pool_2x2.defvjp(_forward_2x2, _backward_2x2)
