"""From a plan to device-ready rows: indices of resident tiles, or streamed pixels."""

import os
from collections.abc import Callable, Iterator

import numpy as np

from histojax.data.tiles import Tiles

ARRAYS = ("image", "extent", "label")  # what the step reads of the tiles


def host_arrays(tiles: Tiles) -> dict[str, np.ndarray]:
  """`image` uint8 [N, H, W, 3], `extent` int32 [N, 2], `label` int32 [N]."""
  return {name: getattr(tiles, name) for name in ARRAYS}


def rows(
  plan, tiles: Tiles, *, start: int, streamed: bool, here: np.ndarray | None = None
) -> Iterator[dict]:
  """Yields the rows of `plan` from step `start` on, by grain.

  Of every batch those at the places `here`: what this process's devices look at.

  A row of a resident set is a whole batch of indices: one record per image would cost
  milliseconds of interpreter time a batch. A streamed row brings its pixels along, read
  ahead by threads, and no index: the step computes the same from either.

  Raises:
    Withheld: of the test part, while it is not handed out.
  """
  import grain

  if tiles.keeper:
    tiles.keeper.admit(plan.rows)
  places = slice(None) if here is None else here

  def local(step):
    row = plan.batch(step)
    return {k: v[places] if np.ndim(v) else v for k, v in row.items()}

  def fetch(row):
    chosen = row.pop("index")
    pixels = {k: np.ascontiguousarray(v[chosen]) for k, v in host_arrays(tiles).items()}
    return row | pixels

  dataset = grain.MapDataset.range(plan.num_steps).map(local)
  if streamed:
    dataset = dataset.map(fetch)
  # resume by slicing: exact for every number of threads, unlike an iterator's state
  dataset = dataset[start:]
  threads = min(8, os.cpu_count() or 1) if streamed else 1
  options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4)
  return iter(dataset.to_iter_dataset(options))


def on_device(rows: Iterator[dict], resident, put: Callable[[dict], dict]):
  """Yields (tiles, row) on the device, one batch ahead of its use.

  `resident` is the whole set on the device, or None where the rows bring their pixels;
  `put` brings a row there.
  """

  def split(row):
    if resident is not None:
      return resident, row
    return {k: row.pop(k) for k in ARRAYS}, row

  ahead = None
  for row in rows:
    current, ahead = ahead, split(put(row))
    if current is not None:
      yield current
  if ahead is not None:
    yield ahead
