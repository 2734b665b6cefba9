"""What is told of one image: its pixels, the network's answer, and maps laid on it."""

from typing import NamedTuple

import numpy as np

from histojax.explain import place
from histojax.explain.blocks import numbered

OF_ITS_MAXIMUM = "of its maximum"  # the unit of Grad-CAM


class Panel(NamedTuple):
  """A map at the pixels of its image, float [H, W]; NaN where none has been looked."""

  title: str
  values: np.ndarray
  low: float  # the values at the ends of the scale
  high: float
  unit: str  # of the scale, in words; '' for a factor
  mark: tuple[float, float] | None = None  # (row, column) of the place that was asked


class Shown(NamedTuple):
  image_id: str
  pixels: np.ndarray  # uint8 [H, W, 3]
  true: str | None  # None where the label is not known
  said: str
  sure: float  # the probability of what was said
  of_true: float | None
  panels: tuple[Panel, ...]  # Grad-CAM of what was said first, a block's map second


def contrasted(label, probability) -> np.ndarray:
  """The classes that Grad-CAM is asked for, int [N, 2]: what is said, and another one.

  That is the true class of an error, else the second choice.
  """
  order = np.argsort(-np.asarray(probability), axis=-1, kind="stable")
  said, second = order[:, 0], order[:, 1]
  wrong = (np.asarray(label) >= 0) & (np.asarray(label) != said)
  return np.stack([said, np.where(wrong, label, second)], axis=-1)


def shown(looker, tiles, chosen: dict, found: dict) -> list[Shown]:
  """The images of `chosen`, with the maps that a `Looker` found of them.

  Args:
    tiles: their `image`, `extent`, `image_id` and `classes` are read.
    chosen: `row` of the tiles, `label` (-1: unknown) [N], `probability` [N, K] as
      reported.
    found: of `Looker`, for `contrasted` classes.
  """
  name = looker.engine.view.canvas
  size = looker.engine.view.size
  extent = tiles.extent[chosen["row"]]
  seen = place.canvas(extent, size, name)
  classes = contrasted(chosen["label"], chosen["probability"])
  told = []
  for i, row in enumerate(chosen["row"]):
    shape = tuple(int(side) for side in extent[i])

    def onto(values, grid, i=i, shape=shape):
      return place.onto(values, grid, size, seen[i], shape)

    label, probability = int(chosen["label"][i]), chosen["probability"][i]
    panels = [
      cam_panel(onto(found["cam"][i, n], looker.layer.grid), tiles.classes[k])
      for n, k in enumerate(classes[i])
    ]
    maps = []
    for block, values in lasting(found["spatial"]):
      grid, sides = looker.grid(block), values.shape[1:]
      asked = np.floor(found["place"][i] * sides)  # as `blocks.row_at`
      mark = place.pixel(asked, grid, size, seen[i], shape)
      maps.append(block_panel(block, onto(values[i], grid), tuple(mark)))
    said = int(classes[i, 0])
    told.append(
      Shown(
        str(tiles.image_id[row]),
        np.asarray(tiles.image[row])[: shape[0], : shape[1]],
        None if label < 0 else tiles.classes[label],
        tiles.classes[said],
        float(probability[said]),
        None if label < 0 else float(probability[label]),
        (panels[0], *maps[:1], *panels[1:], *maps[1:]),
      )
    )
  return told


def cam_panel(values: np.ndarray, name: str) -> Panel:
  """Grad-CAM for a class, as shares of its largest value.

  A map that is the same everywhere, as one of a single place is, has no scale: it is
  drawn as such, not as if all of it spoke for the class.
  """
  most = np.nanmax(values)
  values = values / (most or 1.0)
  low = 1.0 if most > 0 and np.nanmin(values) > 1 - 1e-6 else 0.0
  return Panel(f"Grad-CAM: {name}", values, low, 1.0, OF_ITS_MAXIMUM)


def block_panel(block: str, values: np.ndarray, mark) -> Panel:
  """A block's own map, on a scale from its least value to its largest."""
  low, high = float(np.nanmin(values)), float(np.nanmax(values))
  stage, _, kind = block.partition("/")
  title = f"{kind}, {stage.replace('_', ' ')}" if kind else stage
  asks, paid = kind.endswith("pairwise"), not kind or kind.endswith("unary")
  unit = "attention" if asks or paid else ""
  return Panel(title, values, low, high, unit, mark if asks else None)


def lasting(spatial: dict) -> list[tuple[str, np.ndarray]]:
  """Of each stage and kind, its last block's map; those of the last stage first."""
  last = {}
  for block in sorted(spatial, key=lambda name: numbered((name,))):
    stage, _, kind = block.partition("/")
    last[stage.split("_")[0], kind] = block
  return [(block, spatial[block]) for block in reversed(last.values())]
