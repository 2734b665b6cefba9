"""Pictures of scores: reliability, ROC and precision-recall curves, and every group."""

import numpy as np

from histojax.evaluation import canvas, ranking
from histojax.evaluation.canvas import BLUE, FAINT, INK, ORANGE, WIDTH, colour, short

_POINTS = 1000  # of a curve; more cannot be seen
_ROWS = 24  # groups that are named in one picture
_WORST = 16  # of those that are named where there are more


@canvas.style()
def reliability(path, before: dict, after=None, temperature=None, *, synthetic: bool):
  """How often the network is right when it claims a confidence, over how often it does.

  `before`, and with a fitted `temperature` also `after`, are
  `calibration.reliability`.
  """
  figure = canvas.figure(WIDTH, 4.9)
  upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
  upper.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
  look = {"size": 8, "color": FAINT, "style": "italic"}
  upper.text(0.03, 0.93, "right more often than it claims", va="top", **look)
  upper.text(0.97, 0.04, "claims more than it holds", ha="right", **look)
  shown = [(before, BLUE, "o", "as trained")]
  if after:
    told = f"temperature {temperature:.2f}" if temperature else "with a temperature"
    shown.append((after, ORANGE, "D", told))
  for held, tint, marker, told in shown:
    bins = [row for row in held["bins"] if row["images"]]
    x, y, n = (
      np.array([row[k] for row in bins]) for k in ("confidence", "accuracy", "images")
    )
    if held is before:  # a second set of intervals would hide both
      bounds = [[row.get(k) for row in bins] for k in ("low", "high")]
      reach = np.abs(np.array(bounds, float) - y)
      look = {"fmt": "none", "ecolor": "#a5c9e0", "elinewidth": 1.2, "zorder": 1}
      upper.errorbar(x, y, reach, **look)
    told = f"{told}: ECE {held['ece']:.3f}"
    upper.plot(x, y, color=tint, marker=marker, ms=3, lw=1.4, label=told)
    upper.scatter(x, y, 8 + 150 * n / n.sum(), tint, marker=marker, lw=0, zorder=3)
    edges = [row["above"] for row in held["bins"]] + [1]
    counts = np.array([row["images"] for row in held["bins"]])
    fill = {"fill": True, "alpha": 0.25} if held is before else {"lw": 1.4}
    lower.stairs(counts / counts.sum(), edges, color=tint, **fill)
  upper.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel="share that is right")
  lower.set(xlabel="confidence: probability of the named class", ylabel="of images")
  for axes in (upper, lower):
    axes.yaxis.set_major_formatter(_percent())
  figure.legend(loc="outside lower left", ncols=2, handles=_lines(upper))
  return canvas.save(figure, path, synthetic)


@canvas.style()
def roc(path, label, probability, classes, *, synthetic: bool):
  """ROC above, precision over recall below, each class of label [N] against the rest by
  its probability [N, K]; the areas are `ranking.areas`."""
  label, probability = np.asarray(label), np.asarray(probability, np.float64)
  rows = -(-len(classes) // 2)
  figure = canvas.figure(WIDTH, 6.2 + 0.18 * rows)
  upper, lower = figure.subplots(2, 1)
  upper.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
  areas = ranking.areas(label, probability)
  for k, name in enumerate(classes):
    positive = label == k
    if positive.all() or not positive.any():
      continue
    tint, dash = colour(k)
    found = ranking.curves(positive, probability[:, k])
    seen = np.linspace(0, len(found["tpr"]) - 1, _POINTS).round().astype(int)
    fpr, tpr, precision = (
      found[m][np.unique(seen)] for m in ("fpr", "tpr", "precision")
    )
    told = f"{short(name, 15)} {areas['auroc'][k]:.2f}, {areas['auprc'][k]:.2f}"
    look = {"color": tint, "ls": dash, "lw": 1.5}
    upper.plot([0, *fpr], [0, *tpr], label=told, **look)
    lower.step([0, *tpr], [precision[0], *precision], where="pre", **look)
    lower.axhline(positive.mean(), color=tint, lw=0.8, ls=":", alpha=0.7)
  upper.set(xlabel="false alarms (1 − specificity)", ylabel="found (recall)")
  lower.set(xlabel="found (recall)", ylabel="precision")
  upper.set_title("ROC")
  lower.set_title("Precision and recall")
  for axes in (upper, lower):
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
  if handles := _lines(upper):
    look = {"loc": "outside lower left", "ncols": 2, "alignment": "left"}
    figure.legend(
      handles=handles, title="class, area under ROC, average precision", **look
    )
  return canvas.save(figure, path, synthetic)


@canvas.style()
def groups(path, group, label, prediction, classes, *, noun: str, synthetic: bool):
  """What share of its images each group [N] has right, the worst ones by name.

  Dots are as large as the group, and coloured where all its images (label, prediction
  int [N]) are of one class. The line is the mean over groups.
  """
  names, index = np.unique(np.asarray(group, str), return_inverse=True)
  label, right = np.asarray(label), np.asarray(label) == np.asarray(prediction)
  size = np.bincount(index)
  share = np.bincount(index, right) / size
  first = label[np.unique(index, return_index=True)[1]]
  pure = np.bincount(index, label == first[index]) == size
  order = np.lexsort((names, -size, share))
  many = len(names) > _ROWS
  order = order[: _WORST if many else _ROWS]
  tall = 0.19 * len(order) + 0.75
  figure = canvas.figure(WIDTH, tall + 1.6 * many + 0.2 * (1 + len(classes) // 3))
  if many:
    upper, lower = figure.subplots(2, 1, height_ratios=(1.3, tall))
    upper.hist(share, np.linspace(0, 1, 21), color=BLUE, alpha=0.45)
    upper.set(xlim=(-0.03, 1.03), title=f"All {len(names):,} {noun}s")
    upper.yaxis.get_major_locator().set_params(integer=True)
    upper.axvline(share.mean(), color=INK, lw=1, ls=":")
    lower.set_title(f"The {len(order)} {noun}s with the lowest share")
  else:
    lower = figure.add_subplot()
  told = 1 < len(classes) <= len(canvas.COLOURS) and pure.any()
  tints = [colour(first[g])[0] if told and pure[g] else FAINT for g in order]
  area = 14 + 60 * size[order] / size.max()
  lower.hlines(range(len(order)), 0, share[order], color="#d5dbe0", lw=1, zorder=1)
  lower.scatter(share[order], range(len(order)), area, tints, zorder=3, clip_on=False)
  lower.axvline(share.mean(), color=INK, lw=1, ls=":", zorder=2)
  rows = [f"{short(names[g], 18)}  ({size[g]:,})" for g in order]
  lower.set_yticks(range(len(order)), rows, size=8)
  lower.set_ylim(len(order) - 0.4, -0.6)
  lower.set(xlim=(-0.03, 1.03), xlabel=f"share of the {noun}'s images that is right")
  lower.grid(False, axis="y")
  lower.tick_params(axis="y", length=0)
  for axes in figure.axes:
    axes.xaxis.set_major_formatter(_percent())
  if told:
    from matplotlib.lines import Line2D

    look = {"ls": "", "marker": "o", "ms": 6}
    held = [
      Line2D([], [], color=colour(k)[0], label=short(name, 18), **look)
      for k, name in enumerate(classes)
      if np.any(first[order][pure[order]] == k)
    ]
    if not pure[order].all():
      held.append(Line2D([], [], color=FAINT, label="several classes", **look))
    figure.legend(handles=held, loc="outside lower left", ncols=3, handletextpad=0.1)
  return canvas.save(figure, path, synthetic)


def _lines(axes) -> list:
  return axes.get_legend_handles_labels()[0]


def _percent():
  from matplotlib.ticker import PercentFormatter

  return PercentFormatter(1, decimals=0)
