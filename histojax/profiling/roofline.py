"""The two ceilings of a device, measured on the spot, and what they allow.

Williams, Waterman and Patterson 2009, doi 10.1145/1498765.1498785: an operation takes
at least the larger of FLOPs / (FLOP/s of a large matrix product in the same dtype) and
bytes / (bytes/s of a large copy).
"""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Ceilings(NamedTuple):
  bandwidth: float  # bytes/s
  rate: float  # FLOP/s

  def or_faster(self, other: "Ceilings") -> "Ceilings":
    """The higher of two measurements: what disturbs one only makes it slower."""
    return Ceilings(*map(max, self, other))

  def seconds(self, flops: float, moved: float) -> float:
    """The least time for `flops` FLOPs over `moved` bytes."""
    return max(flops / self.rate, moved / self.bandwidth)

  def step_seconds(self, counts) -> float:
    """The least time of a training step: pass by pass, each bound by one ceiling."""
    total = counts.optimizer_bytes / self.bandwidth
    for op in counts.ops:
      total += self.seconds(2 * op.macs, op.forward_bytes)
      total += self.seconds(op.flops - 2 * op.macs, op.backward_bytes)
    return total


def measure(dtype: str, devices: int = 1) -> Ceilings:
  """The fastest of several copies and products on one device, times `devices`."""
  small = jax.default_backend() == "cpu"
  words, side = (2**26, 2048) if small else (2**29, 8192)
  x = jnp.zeros(words, jnp.float32)  # read and written: 8 bytes a word
  # in place, as a step reuses its buffers: fresh pages of a host cost more
  copied = _fastest(jax.jit(lambda x: x + 1, donate_argnums=0), x)
  a = jnp.full((side, side), 1 / side, dtype)
  multiplied = _fastest(jax.jit(lambda x: x @ a), a)
  return Ceilings(devices * 8 * words / copied, devices * 2 * side**3 / multiplied)


def _fastest(function, x, repeats: int = 10) -> float:
  """Seconds of the fastest of several calls, each of what the one before returned."""
  x, seconds = jax.block_until_ready(function(x)), []
  for _ in range(repeats):
    start = time.perf_counter()
    x = jax.block_until_ready(function(x))
    seconds.append(time.perf_counter() - start)
  return min(seconds)
