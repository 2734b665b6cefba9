"""How much memory a step takes, and how large a batch could be."""

import resource
import sys
from pathlib import Path

import jax
import numpy as np


def of_step(bench, batch: int | None = None) -> int:
  """Bytes a `measure.Bench`'s step needs at `batch`, by the compiler's own analysis."""
  step = bench.step
  if batch and batch != bench.batch:
    lowered = bench.engine.train_step.lower(bench.engine.abstract(), *_at(bench, batch))
    # the same buffers, in half the time
    quickly = {"xla_backend_optimization_level": 0}
    step = lowered.compile(quickly if jax.default_backend() == "cpu" else None)
  found = step.memory_analysis()
  kept = found.output_size_in_bytes - found.alias_size_in_bytes
  return found.argument_size_in_bytes + found.temp_size_in_bytes + kept


def largest_batch(bench, budget: int) -> int:
  """The largest batch of a step within `budget` bytes, to one part in 32.

  Modelled as a line through the compiler's analyses of two batches; on an accelerator
  then found by running steps, from that guess on.
  """
  unit, needed = jax.device_count(), of_step(bench)
  slope = max(1, (of_step(bench, 2 * bench.batch) - needed) // bench.batch)

  def modelled(batch):
    return needed + slope * (batch - bench.batch) <= budget

  predicted = bisect(modelled, bench.batch, unit)
  if jax.default_backend() == "cpu":
    return predicted
  bench.release()
  return bisect(lambda batch: _runs(bench, batch), predicted or unit, unit)


def bisect(fits, guess: int, unit: int = 1, most: int = 2**20) -> int:
  """The largest multiple of `unit` that `fits`, to one part in 32; 0 for none.

  Args:
    fits: batch size -> bool, true up to some size.
    guess: where to begin; every call may cost a compilation.
  """
  low, high, step = 0, None, max(1, guess // unit)
  while high is None and low < most // unit:
    if fits(step * unit):
      low, step = step, 2 * step
    else:
      high = step
  while high is not None and high - low > max(1, low // 32):
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle * unit) else (low, middle)
  return low * unit


def budget() -> int:
  """Bytes that a step may use: of the device, or what is free of the host's."""
  stats = jax.devices()[0].memory_stats() or {}
  if "bytes_limit" in stats:
    return stats["bytes_limit"]
  text = Path("/proc/meminfo").read_text()
  free = next(line for line in text.splitlines() if line.startswith("MemAvailable"))
  return int(free.split()[1]) * 1024


def peak() -> tuple[int, str]:
  """(bytes, whose): the device's own count, or the process's largest residence."""
  stats = jax.devices()[0].memory_stats() or {}
  if "peak_bytes_in_use" in stats:
    return stats["peak_bytes_in_use"], "of the device"
  unit = 1 if sys.platform == "darwin" else 1024
  held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
  return held, "of the whole process"


def _runs(bench, batch: int) -> bool:
  """Whether a step of `batch` images runs on this device."""

  def blank(x):
    held = isinstance(x, jax.Array)
    return x if held else jax.device_put(np.zeros(x.shape, x.dtype), x.sharding)

  try:
    given = jax.tree.map(blank, _at(bench, batch))
    jax.block_until_ready(bench.engine.train_step(bench.engine.init(0), *given))
  except jax.errors.JaxRuntimeError as error:
    if "RESOURCE_EXHAUSTED" not in str(error):
      raise
    return False
  return True


def _at(bench, batch: int):
  """(tiles, row) of a batch of another size: shapes, but for resident tiles."""

  def resize(x):
    whole = x.ndim and x.shape[0] == bench.batch
    shape = (batch, *x.shape[1:]) if whole else x.shape
    return jax.ShapeDtypeStruct(shape, x.dtype, sharding=x.sharding)

  tiles, row = bench.given
  row = jax.tree.map(resize, row)
  return jax.tree.map(resize, tiles) if bench.engine.streamed else tiles, row
