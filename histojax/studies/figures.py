"""A study's pictures: differences, score and speed, curves, the papers' own figures.

Each function writes a PNG atomically and returns its Path; `synthetic` stamps it.
Numbers come from `gather`; names are drawn as they are, cut where they are long.
"""

from pathlib import Path

import numpy as np

from histojax.evaluation import canvas
from histojax.studies.words import metric_words

TALLEST = 40  # variants that a list of differences can show


@canvas.style()
def differences(path, told: dict[str, dict], baseline: str, metric: str, *, synthetic):
  """Each variant's difference to its baseline in points with its 95 % interval.

  `told` is {variant: {value, low, high, p_holm}}; filled are those with p_holm < 0.05.
  """
  shown = dict([*told.items()][:TALLEST])
  figure = canvas.figure(canvas.WIDTH, 1.0 + 0.26 * len(shown))
  figure.suptitle(" ", size=5)  # where the stamp may stand
  axes = figure.add_subplot()
  for i, d in enumerate(shown.values()):
    value, low, high = (100 * d[k] for k in ("value", "low", "high"))
    sure = d["p_holm"] < 0.05
    colour = canvas.INK if not sure else canvas.GREEN if value > 0 else canvas.ORANGE
    if np.isfinite([low, high]).all():
      axes.plot([low, high], [i, i], color=colour, lw=1.6)
    axes.plot(value, i, "o", color=colour, mfc=colour if sure else "white", ms=5.5)
  axes.axvline(0, color=canvas.FAINT, lw=1, ls=":")
  names = [canvas.short(name, 24) for name in shown]
  axes.set_yticks(range(len(shown)), names)
  axes.set(xlabel=f"points of {metric_words(metric)}", ylim=(len(shown) - 0.5, -0.5))
  axes.set_title(f"Difference to {canvas.short(baseline, 18)}")
  axes.grid(axis="y", visible=False)
  return canvas.save(figure, path, synthetic)


@canvas.style()
def pareto(path, points: dict[str, tuple], metric: str, *, synthetic: bool) -> Path:
  """Score against throughput: {variant: (images per second, mean, sd or None)}.

  A line joins the variants that no other beats in both.
  """
  figure = canvas.figure(canvas.WIDTH, 3.6)
  axes = figure.add_subplot()
  best = front(points)
  rates, scores = zip(*(points[name][:2] for name in best), strict=True)
  axes.plot(rates, scores, color=canvas.FAINT, lw=1, ls="--", zorder=1)
  few, labels = len(points) <= 12, []
  for name, (rate, score, sd) in points.items():
    colour = canvas.BLUE if name in best else canvas.FAINT
    axes.errorbar(rate, score, yerr=sd, color=colour, lw=1, zorder=2)
    axes.plot(rate, score, "o", color=colour, ms=5, zorder=3)
    if few or name in best:
      offset = {"xytext": (5, 4), "textcoords": "offset points", "size": 7.5}
      text = canvas.short(name, 22)
      label = axes.annotate(text, (rate, score), color=canvas.INK, **offset, zorder=4)
      labels.append(label)
  axes.set(xlabel="training images per second, here", ylabel=metric_words(metric))
  axes.set_title("Score against speed")
  axes.margins(x=0.2, y=0.15)
  _apart(figure, labels)
  return canvas.save(figure, path, synthetic)


def _apart(figure, labels, line: float = 8.5) -> None:
  """Moves each label by as few lines, in points, as it takes to cover no other label
  and no other's point."""
  figure.draw_without_rendering()
  points = {one: one.axes.transData.transform(one.xy) for one in labels}
  placed = []
  for label in sorted(labels, key=lambda one: one.get_window_extent().y0):
    start, (x, y) = label.get_window_extent(), label.xyann
    others = [point for one, point in points.items() if one is not label]
    near = 3.5 * figure.dpi / 72  # a point has a size
    for lines in sorted(range(-12, 13), key=abs):
      box = start.translated(0, line * lines * figure.dpi / 72)
      free = not any(box.overlaps(other) for other in placed)
      if free and not any(box.padded(near).contains(*point) for point in others):
        break
    label.xyann = x, y + line * lines
    placed.append(box)


def front(points: dict[str, tuple]) -> list[str]:
  """The variants that no other equals or beats in both numbers, slowest first."""
  order = sorted(points, key=lambda name: (-points[name][0], -points[name][1]))
  kept, best = [], -np.inf
  for name in order:  # from the fastest on, who scores more than all before
    if points[name][1] > best:
      kept.append(name)
      best = points[name][1]
  return kept[::-1]


@canvas.style()
def curves(path, histories: dict[str, list[dict]], *, synthetic: bool) -> Path | None:
  """Loss and accuracy over epochs, all variants in one picture: training left, and
  right the part that was looked at as it went, where there was one."""
  parts = [("train", "training")]
  seen = seen_part(histories)
  parts += [(seen, SEEN[seen])] if seen else []
  figure = canvas.figure(canvas.WIDTH, 4.3 + _legend(histories)[1])
  figure.suptitle(" ", size=5)  # where the stamp may stand
  grid = figure.subplots(2, len(parts), sharex=True, squeeze=False)
  lines = {}
  for column, (part, title) in enumerate(parts):
    for axes, metric in zip(grid[:, column], ("loss", "accuracy"), strict=True):
      _overlay(axes, histories, part, metric, lines)
      axes.set_title(f"{metric}, {title}")
      axes.set_ylim(0, 1.05 * max(axes.dataLim.y1, 1e-9))
    grid[1, column].set(xlabel="epoch", ylim=(0, 1.02))
  return _with_names(figure, lines, path, synthetic)


@canvas.style()
def four_panels(path, histories, *, synthetic: bool) -> Path | None:
  """The liver paper's Figure 3: accuracy of training (a) and of what was looked at (c),
  and the second half of each from nearer (b, d)."""
  seen = seen_part(histories)
  parts = [("train", "training"), (seen, SEEN.get(seen, "not looked at"))]
  figure = canvas.figure(canvas.WIDTH, 4.3 + _legend(histories)[1])
  figure.suptitle(" ", size=5)  # where the stamp may stand
  grid, lines, letters = figure.subplots(2, 2), {}, iter("abcd")
  for line, (part, title) in enumerate(parts):
    for axes, near in zip(grid[line], (False, True), strict=True):
      _overlay(axes, histories, part, "accuracy", lines, second_half=near)
      axes.set_title(f"({next(letters)}) {'second half' if near else title}")
      axes.set(xlabel="epoch", **({} if near else {"ylim": (0, 1.02)}))
  return _with_names(figure, lines, path, synthetic)


@canvas.style()
def matrices(path, found: dict[str, list], classes, *, synthetic: bool) -> Path:
  """All variants' confusion matrices (rows true) in one picture: counts, and the shade
  of their share of the row; the liver paper's Figure 4, the cervix paper's Figure 6."""
  columns = 2 if len(classes) <= 5 else 1
  lines = -(-len(found) // columns)
  side = canvas.WIDTH / columns
  figure = canvas.figure(canvas.WIDTH, (side * 0.92 + 0.15) * lines)
  figure.suptitle(" ", size=5)  # where the stamp may stand
  grid = figure.subplots(lines, columns, squeeze=False)
  names = [canvas.short(name, 10) for name in classes]
  size = 10 if len(classes) <= 3 else 6.5
  for axes, (name, matrix) in zip(grid.flat, found.items(), strict=False):
    matrix = np.asarray(matrix)
    total = matrix.sum(1, keepdims=True)
    share = np.divide(matrix, total, out=np.zeros(matrix.shape), where=total > 0)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_title(canvas.short(name, 16))
    turn = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(len(names)), names, **(turn if len(names) > 3 else {}))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, labelsize=6.5)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    for (i, j), n in np.ndenumerate(matrix):
      ink = "white" if share[i, j] > 0.55 else canvas.INK if n else "#a8b0b8"
      look = {"ha": "center", "va": "center", "color": ink, "size": size}
      axes.text(j, i, f"{n:,}", weight="bold" if i == j else "normal", **look)
  for axes in grid.flat[len(found) :]:
    axes.set_visible(False)
  figure.supxlabel("predicted", size=8)
  figure.supylabel("true", size=8)
  return canvas.save(figure, path, synthetic)


@canvas.style()
def by_column(path, found: dict[str, list], columns, title, *, synthetic) -> Path:
  """Scores of settings [columns] beside each other (the VGG paper's Figure 4)."""
  figure = canvas.figure(canvas.WIDTH, 3.4)
  axes = figure.add_subplot()
  width, lines = 0.8 / len(found), {}
  for k, (name, scores) in enumerate(found.items()):
    at = np.arange(len(columns)) + (k - (len(found) - 1) / 2) * width
    values = [np.nan if score is None else score for score in scores]
    lines[name] = axes.bar(at, values, width * 0.92, color=canvas.colour(k)[0])
  axes.set_xticks(range(len(columns)), columns)
  axes.set(ylabel="accuracy", ylim=(0, 1), title=title)
  axes.grid(axis="x", visible=False)
  names = [canvas.short(name, 26) for name in lines]
  figure.legend([*lines.values()], names, loc="outside lower left", ncols=2)
  return canvas.save(figure, path, synthetic)


SEEN = {"validation": "validation", "test": "test (chose the epoch)"}


def seen_part(histories: dict[str, list[dict]]) -> str:
  """The part that all trainings were looked at by as they went; '' where there is none
  that all have."""
  every = [history for several in histories.values() for history in several if history]
  return next((p for p in SEEN if every and all(p in one for one in every)), "")


def _overlay(axes, histories, part, metric, lines, second_half=False) -> None:
  """Draws the mean curve of each variant over its trainings, and keeps its line."""
  for k, (name, several) in enumerate(histories.items()):
    held = [h[part] for h in several if part in h and metric in h[part]]
    length = min((len(h["x"]) for h in held), default=0)
    if not length:
      continue
    x = np.asarray(held[0]["x"][:length], float)
    y = np.mean([h[metric][:length] for h in held], axis=0)
    near = x >= x[-1] / 2 if second_half else x > -1
    colour, dash = canvas.colour(k)
    look = {"marker": "o", "ms": 2} if near.sum() < 40 else {}
    (lines[name],) = axes.plot(x[near], y[near], dash, color=colour, lw=1.3, **look)
  axes.margins(x=0.03)
  axes.xaxis.get_major_locator().set_params(integer=True)


def _with_names(figure, lines, path, synthetic) -> Path | None:
  if not lines:
    return None
  names, look = (
    [canvas.short(name, 24) for name in lines],
    {"loc": "outside lower left"},
  )
  figure.legend([*lines.values()], names, ncols=_legend(lines)[0], **look)
  return canvas.save(figure, path, synthetic)


def _legend(names) -> tuple[int, float]:
  """(columns, inches) that a legend of these names takes."""
  longest = max((len(canvas.short(name, 24)) for name in names), default=0)
  columns = 3 if longest <= 15 else 2
  return columns, 0.17 * -(-len(names) // columns)
