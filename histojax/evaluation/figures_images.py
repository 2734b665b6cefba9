"""Pictures of the images: the worst mistakes, and what the classes look like.

Tiles are uint8 [T, H, W, 3], `extent` int [T, 2] their valid height and width, or None.
"""

from pathlib import Path

import numpy as np

from histojax.evaluation import canvas
from histojax.evaluation.canvas import FAINT, INK, ORANGE, WIDTH, short


@canvas.style()
def misclassified(
  path, tiles, rows, label, prediction, probability, image_id, classes, *,
  extent=None, synthetic: bool,
) -> Path | None:  # fmt: skip
  """The twelve most confident mistakes of N predictions (of tiles `rows` int [N], with
  label, prediction int [N], probability [N, K]); None where there is none."""
  label, prediction = np.asarray(label), np.asarray(prediction)
  sure = np.asarray(probability)[np.arange(len(label)), prediction]
  wrong = np.flatnonzero(label != prediction)
  wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:12]
  if not wrong.size:
    return None
  gap, words, head = 0.12, 0.52, 0.22  # inches
  side = (WIDTH - gap * 4) / 3
  tall = side * max(_shape(tiles, rows[i], extent) for i in wrong)
  height = head + -(-wrong.size // 3) * (tall + words)
  figure = canvas.figure(WIDTH, height, layout=None)
  for place, i in enumerate(wrong):
    left = gap + place % 3 * (side + gap)
    bottom = height - head - place // 3 * (tall + words) - tall
    _tile(figure, left, bottom, side, "SW", tiles, rows[i], extent)
    true, said = (short(classes[k], 12) for k in (label[i], prediction[i]))
    name = short(str(image_id[i])[::-1], 26)[::-1]  # the end of a path tells more
    for n, (text, size, color, weight) in enumerate([
      (f"true {true}", 7.5, INK, "bold"),
      (f"said {said} {sure[i]:.2f}", 7.5, ORANGE, "bold"),
      (name, 6, FAINT, "normal"),
    ]):  # fmt: skip
      where = left / WIDTH, (bottom - 0.05 - 0.13 * n) / height
      figure.text(*where, text, va="top", size=size, color=color, weight=weight)
  return canvas.save(figure, path, synthetic)


@canvas.style()
def contact_sheet(path, tiles, label, group, classes, *, extent=None, synthetic):
  """Four tiles of every class (label int [T]), each of another group [T] if it can."""
  label, group = np.asarray(label), np.asarray(group)
  gap, words = 0.08, 0.28  # inches
  side = (WIDTH - gap * 5) / 4
  height = len(classes) * (side + words) + gap
  figure = canvas.figure(WIDTH, height, layout=None)
  for k, name in enumerate(classes):
    bottom = height - (k + 1) * (side + words)
    where = gap / WIDTH, (bottom + side + 0.06) / height
    figure.text(*where, short(name, 34), weight="bold")
    for column, i in enumerate(_spread(np.flatnonzero(label == k), group, 4)):
      left = gap + column * (side + gap)
      _tile(figure, left, bottom, side, "NW", tiles, i, extent)
  return canvas.save(figure, path, synthetic)


def _spread(rows: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
  """`count` of the rows, going round the groups, groups evenly spaced."""
  names, index = np.unique(group[rows], return_inverse=True)
  turn = np.zeros(len(rows), int)  # how often the row's group was seen before
  for g in range(len(names)):
    turn[index == g] = np.arange(np.sum(index == g))
  keep = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
  kept = np.flatnonzero(np.isin(index, keep))
  return rows[kept[np.lexsort((index[kept], turn[kept]))]][:count]


def _shape(tiles, row: int, extent) -> float:
  """Height over width of what `_tile` draws, 1 at most."""
  height, width = tiles[row].shape[:2] if extent is None else extent[row]
  return min(1.0, height / width)


def _tile(figure, left, bottom, side, anchor, tiles, row: int, extent) -> None:
  """Draws one tile without its padding in a square; left, bottom, side in inches."""
  height, width = tiles[row].shape[:2] if extent is None else extent[row]
  wide, high = figure.get_size_inches()
  box = (left / wide, bottom / high, side / wide, side / high)
  axes = figure.add_axes(box, anchor=anchor)
  axes.axis("off")
  axes.imshow(np.asarray(tiles[row])[:height, :width], interpolation="antialiased")
