"""Figures of maps on their images, narrow enough for a phone."""

from pathlib import Path

import numpy as np

from histojax.evaluation import canvas
from histojax.evaluation.canvas import FAINT, INK, ORANGE, WIDTH, short
from histojax.explain.shown import OF_ITS_MAXIMUM, Panel, Shown

COLOURS = "inferno"
STRENGTH = 0.65  # of the colours over the image, where a map is at its largest
FLAT = 0.01  # a map that varies by less of its largest value is one colour
GAP, STAMP, HEAD, WORDS = 0.1, 0.14, 0.4, 0.38  # inches


@canvas.style()
def overview(path, told: list[Shown], *, synthetic: bool) -> Path | None:
  """An image a row, with two of its maps; None where there is no image."""
  if not told:
    return None
  side = (WIDTH - 4 * GAP) / 3
  heights = [HEAD + _height(one, side) + WORDS for one in told]
  figure = canvas.figure(WIDTH, STAMP + sum(heights) + GAP, layout=None)
  for i, one in enumerate(told):
    top = STAMP + sum(heights[:i])
    _heading(figure, top, one)
    box = GAP, top + HEAD, side, _height(one, side)
    _image(figure, box, one.pixels)
    for n, panel in enumerate(one.panels[:2], 1):
      _panel(figure, (GAP + n * (side + GAP), *box[1:]), one.pixels, panel)
  return canvas.save(figure, path, synthetic)


@canvas.style()
def one_image(path, one: Shown, *, synthetic: bool) -> Path:
  """An image and all of its maps, two in a row."""
  side = (WIDTH - 3 * GAP) / 2
  down, top = _height(one, side) + WORDS, STAMP + HEAD
  rows = -(-(1 + len(one.panels)) // 2)
  figure = canvas.figure(WIDTH, top + rows * down + GAP, layout=None)
  _heading(figure, STAMP, one)
  for n, panel in enumerate((None, *one.panels)):
    row, column = divmod(n, 2)
    box = GAP + column * (side + GAP), top + row * down, side, _height(one, side)
    if panel is None:
      _image(figure, box, one.pixels)
    else:
      _panel(figure, box, one.pixels, panel)
  return canvas.save(figure, path, synthetic)


def _height(one: Shown, side: float) -> float:
  """Of the image where it fits a square of that side."""
  height, width = one.pixels.shape[:2]
  return side * min(height / width, 1)


def blended(pixels: np.ndarray, values: np.ndarray, low: float, high: float):
  """The image in grey under the map's colours, float [H, W, 3] in 0..1.

  The larger a value, the stronger its colour; where none has been looked the image
  fades into white.
  """
  import matplotlib

  grey = (pixels @ np.array([0.299, 0.587, 0.114]) / 255)[..., None]
  flat = high - low < FLAT * abs(high)
  share = np.clip((values - low) / (high - low or 1.0), 0, 1) * (not flat)
  colour = matplotlib.colormaps[COLOURS](np.nan_to_num(share))[..., :3]
  amount = STRENGTH * (0.3 + 0.7 * np.nan_to_num(share))[..., None]
  mixed = grey * (1 - amount) + colour * amount
  return np.where(np.isnan(values)[..., None], 0.25 * grey + 0.75, mixed)


def _heading(figure, top: float, one: Shown) -> None:
  """What it is and what was said of it, above its name."""
  wide, high = figure.get_size_inches()
  wrong = one.true is not None and one.true != one.said
  parts = [(f"said {short(one.said, 18)} {one.sure:.2f}", ORANGE if wrong else INK)]
  if one.true is not None:
    of_true = f" {one.of_true:.2f}" if wrong else ""
    parts.insert(0, (f"true {short(one.true, 18)}{of_true}", INK))
  for k, (text, colour) in enumerate(parts):
    x = GAP + k * (wide - GAP) / 2
    look = {"va": "top", "size": 9, "weight": "bold", "color": colour}
    figure.text(x / wide, 1 - top / high, text, **look)
  name = short(one.image_id[::-1], 55)[::-1]  # the end of a path tells more
  look = {"va": "top", "size": 7.5, "color": FAINT}
  figure.text(GAP / wide, 1 - (top + 0.18) / high, name, **look)


def _panel(figure, box, pixels: np.ndarray, panel: Panel) -> None:
  """The image under a map, and below it what the map is and its scale."""
  left, top, side, down = box
  axes = _image(figure, box, blended(pixels, panel.values, panel.low, panel.high))
  if panel.mark:
    row, column = panel.mark
    axes.plot(column, row, "+", ms=9, mew=2.4, color="white")
    axes.plot(column, row, "+", ms=8, mew=1.2, color="#009E73")
  wide, high = figure.get_size_inches()
  below = top + down
  title = short(panel.title, round(15 * side))
  look = {"va": "top", "size": 8, "color": INK}
  figure.text(left / wide, 1 - (below + 0.03) / high, title, **look)
  scale = scale_of(panel, side > WIDTH / 3)
  if "to" in scale:
    where = left / wide, 1 - (below + 0.25) / high, side * 0.28 / wide, 0.06 / high
    bar = figure.add_axes(where)
    bar.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=COLOURS)
    bar.axis("off")
    left += side * 0.31
  where = left / wide, 1 - (below + 0.22) / high
  figure.text(*where, scale, va="center", size=7.5, color=FAINT)


def scale_of(panel: Panel, wide: bool) -> str:
  """'0.31 to 0.52 attention', or that there is nothing to see."""
  if panel.unit == OF_ITS_MAXIMUM and np.nanmax(panel.values) <= 0:
    return "0: nothing speaks for it"
  if panel.high - panel.low < FLAT * abs(panel.high):
    return f"{panel.high:.2f} throughout"
  ends = f"{number(panel.low)} to {number(panel.high)}"
  return f"{ends} {panel.unit}" if wide else ends


def _image(figure, box, pixels: np.ndarray):
  """Draws pixels into (left, top, width, height) in inches; returns the axes."""
  left, top, side, down = box
  wide, high = figure.get_size_inches()
  where = left / wide, 1 - (top + down) / high, side / wide, down / high
  axes = figure.add_axes(where, anchor="NW")
  axes.axis("off")
  axes.imshow(pixels, interpolation="antialiased")
  axes.set_autoscale_on(False)
  return axes


def number(value: float) -> str:
  """Two digits that differ from nothing."""
  return f"{value:.2f}" if value == 0 or abs(value) >= 0.1 else f"{value:.2g}"
