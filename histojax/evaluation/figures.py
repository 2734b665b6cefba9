"""The report's four pictures, drawn narrow enough to be read on a phone.

Each function writes a PNG atomically and returns its Path; `synthetic` stamps it. Tiles
are uint8 [T, H, W, 3], `extent` int [T, 2] their valid height and width, or None. No
pyplot: nothing is left behind in matplotlib's global state.
"""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np

from histojax import atomic

WIDTH = 4.6  # inches; at 358 px on a phone 9 pt text is still 10 px tall
INK, FAINT, ORANGE = "#1b2530", "#7a858f", "#D55E00"
LOOKS = {  # Okabe & Ito's colours, which colour-blind readers tell apart
  "train": ("#0072B2", "-", "train"),
  "validation": (ORANGE, "-", "validation"),
  "test": ("#009E73", "--", "test (used for selection, as in the paper)"),
}


@contextlib.contextmanager
def _style():
  """Our style while it lasts, then matplotlib's own again."""
  import matplotlib

  style = Path(__file__).with_suffix(".mplstyle")
  with matplotlib.rc_context(fname=style), warnings.catch_warnings():
    # a name in a script that the font lacks is drawn as boxes; the tables have it
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    yield


@_style()
def confusion(path, matrix, classes, *, title: str, synthetic: bool) -> Path:
  """Counts and row percentages of a confusion matrix [K, K], rows true."""
  matrix = np.asarray(matrix)
  k, total = len(classes), matrix.sum(1, keepdims=True)
  share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
  side = max(WIDTH, 0.52 * k + 1.2)
  figure = _figure(side, side * 0.92)
  axes = figure.add_subplot()
  axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
  names = [short(name, 14) for name in classes]
  turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if k > 4 else {}
  axes.set_xticks(range(k), names, **turn)
  axes.set_yticks(range(k), names)
  axes.set(xlabel="predicted", ylabel="true", title=title)
  axes.tick_params(length=0)
  axes.grid(False)
  axes.spines[:].set_visible(False)
  size = 15 if k <= 3 else 11 if k <= 5 else 8
  for (i, j), n in np.ndenumerate(matrix):
    ink = "white" if share[i, j] > 0.55 else INK if n else "#a8b0b8"
    look = {"ha": "center", "color": ink}
    axes.text(j, i, f"{n:,}", va="bottom", size=size, weight="bold", **look)
    axes.text(j, i + 0.06, f"{share[i, j]:.0%}", va="top", size=size - 3, **look)
  return _save(figure, path, synthetic)


@_style()
def curves(path, history: dict, *, x_label: str, best=None, synthetic: bool) -> Path:
  """Loss above, balanced accuracy (or accuracy) below, over training.

  `history` holds, of train, validation and test where present, `{"x": [...], "loss":
  [...], "balanced_accuracy" or "accuracy": [...]}`, all but x optional; `x_label` says
  what x counts ("epoch"); `best` is x of the reported checkpoint, or None.
  """
  figure, lines = _figure(WIDTH, 4.4), {}
  upper, lower = figure.subplots(2, 1, sharex=True)
  balanced = any("balanced_accuracy" in (part or ()) for part in history.values())
  for axes, metric in ((upper, "loss"), (lower, "balanced_" * balanced + "accuracy")):
    for part, (colour, line, text) in LOOKS.items():
      held = history.get(part) or {}
      # a training curve is often plain accuracy beside balanced validation: say so
      plain = axes is lower and metric not in held
      y = held.get("accuracy" if plain else metric, ())
      if len(y):
        look = {"marker": "o", "ms": 2.5} if len(y) < 40 else {}
        look |= {"label": text + " (plain accuracy)" * plain, "color": colour}
        (lines[part],) = axes.plot(held["x"], y, line, lw=1.6, **look)  # lower wins
    if best is not None:
      axes.axvline(best, color=FAINT, lw=1, ls=":")
    axes.set_title(metric.replace("_", " ").capitalize())
    axes.margins(x=0.02)
  lower.set(xlabel=x_label, ylim=(0, 1.02))
  lower.xaxis.get_major_locator().set_params(integer=True)
  upper.set_ylim(bottom=0)
  if best is not None:
    look = {"ha": "right" if best > np.mean(lower.get_xlim()) else "left", "size": 8}
    look |= {"transform": lower.get_xaxis_transform(), "color": FAINT}
    lower.text(best, 0.05, f" reported: {x_label} {best:g} ", **look)
  if lines:
    wide = sum(len(line.get_label()) for line in lines.values()) > 45
    look = {"loc": "outside lower left", "ncols": 1 if wide else len(lines)}
    figure.legend(handles=list(lines.values()), **look)
  return _save(figure, path, synthetic)


@_style()
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
  height = head + -(-wrong.size // 3) * (side + words)
  figure = _figure(WIDTH, height, layout=None)
  for place, i in enumerate(wrong):
    left = gap + place % 3 * (side + gap)
    bottom = height - head - place // 3 * (side + words) - side
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
  return _save(figure, path, synthetic)


@_style()
def contact_sheet(path, tiles, label, group, classes, *, extent=None, synthetic):
  """Four tiles of every class (label int [T]), each of another group [T] if it can."""
  label, group = np.asarray(label), np.asarray(group)
  gap, words = 0.08, 0.28  # inches
  side = (WIDTH - gap * 5) / 4
  height = len(classes) * (side + words) + gap
  figure = _figure(WIDTH, height, layout=None)
  for k, name in enumerate(classes):
    bottom = height - (k + 1) * (side + words)
    where = gap / WIDTH, (bottom + side + 0.06) / height
    figure.text(*where, short(name, 34), weight="bold")
    for column, i in enumerate(_spread(np.flatnonzero(label == k), group, 4)):
      left = gap + column * (side + gap)
      _tile(figure, left, bottom, side, "NW", tiles, i, extent)
  return _save(figure, path, synthetic)


def _spread(rows: np.ndarray, group: np.ndarray, count: int) -> np.ndarray:
  """`count` of the rows, going round the groups, groups evenly spaced."""
  names, index = np.unique(group[rows], return_inverse=True)
  turn = np.zeros(len(rows), int)  # how often the row's group was seen before
  for g in range(len(names)):
    turn[index == g] = np.arange(np.sum(index == g))
  keep = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
  kept = np.flatnonzero(np.isin(index, keep))
  return rows[kept[np.lexsort((index[kept], turn[kept]))]][:count]


def _tile(figure, left, bottom, side, anchor, tiles, row: int, extent) -> None:
  """Draws one tile without its padding in a square; left, bottom, side in inches."""
  height, width = tiles[row].shape[:2] if extent is None else extent[row]
  wide, high = figure.get_size_inches()
  box = (left / wide, bottom / high, side / wide, side / high)
  axes = figure.add_axes(box, anchor=anchor)
  axes.axis("off")
  axes.imshow(np.asarray(tiles[row])[:height, :width], interpolation="antialiased")


def _figure(width: float, height: float, layout: str | None = "constrained"):
  from matplotlib.figure import Figure

  return Figure(figsize=(width, height), layout=layout)


def _save(figure, path: str | Path, synthetic: bool) -> Path:
  look = {"ha": "right", "va": "top", "size": 6.5, "color": ORANGE}
  figure.text(0.995, 0.995, "SYNTHETIC IMAGES" * synthetic, **look)
  data = io.BytesIO()
  figure.savefig(data, format="png", metadata={"Software": None})
  atomic.write(path, data.getvalue())
  return Path(path)


def short(name, length: int) -> str:
  """The name, cut by an ellipsis to `length` characters at most."""
  name = str(name)
  return name if len(name) <= length else name[: length - 1] + "…"
