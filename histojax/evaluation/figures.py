"""Confusion matrix and learning curves; the other pictures are in `figures_*`.

Each function writes a PNG atomically and returns its Path; `synthetic` stamps it. All
are drawn narrow enough to be read on a phone.
"""

import numpy as np

from histojax.evaluation import canvas
from histojax.evaluation.canvas import BLUE, FAINT, GREEN, INK, ORANGE, WIDTH, short

LOOKS = {
  "train": (BLUE, "-", "train"),
  "validation": (ORANGE, "-", "validation"),
  "test": (GREEN, "--", "test (used for selection)"),
}


@canvas.style()
def confusion(path, matrix, classes, *, title: str, synthetic: bool):
  """Counts and row percentages of a confusion matrix [K, K], rows true."""
  matrix = np.asarray(matrix)
  k, total = len(classes), matrix.sum(1, keepdims=True)
  share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
  side = max(WIDTH, 0.52 * k + 1.2)
  figure = canvas.figure(side, side * 0.92)
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
  return canvas.save(figure, path, synthetic)


@canvas.style()
def curves(path, history: dict, *, x_label: str, best=None, near=None, synthetic: bool):
  """Loss above, balanced accuracy (or accuracy) below, over training.

  `history` holds, of train, validation and test where present, `{"x": [...], "loss":
  [...], "balanced_accuracy" or "accuracy": [...]}`, all but x optional; `x_label` says
  what x counts ("epoch"). `best` is x of the reported checkpoint, `near` that of
  `convergence.epochs_to_within`; either may be None.
  """
  figure, lines = canvas.figure(WIDTH, 4.4), {}
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
    axes.set_title(metric.replace("_", " ").capitalize())
    axes.margins(x=0.02)
  lower.set(xlabel=x_label, ylim=(0, 1.02))
  lower.xaxis.get_major_locator().set_params(integer=True)
  upper.set_ylim(bottom=0)
  marks = ((near, 0.16, ORANGE, "within 1 %"), (best, 0.05, FAINT, "reported"))
  for x, height, colour, word in marks:
    if x is None:
      continue
    for axes in (upper, lower):
      axes.axvline(x, color=colour, lw=1, ls=":", zorder=1)
    look = {"ha": "right" if x > np.mean(lower.get_xlim()) else "left", "size": 8}
    look |= {"transform": lower.get_xaxis_transform(), "color": colour}
    lower.text(x, height, f" {word}: {x_label} {x:g} ", **look)
  if lines:
    wide = sum(len(line.get_label()) for line in lines.values()) > 45
    look = {"loc": "outside lower left", "ncols": 1 if wide else len(lines)}
    figure.legend(handles=list(lines.values()), **look)
  return canvas.save(figure, path, synthetic)
