"""Weights of channels by class: whether a block treats classes differently at all."""

from pathlib import Path

import numpy as np

from histojax.evaluation import canvas
from histojax.evaluation.canvas import FAINT, INK, WIDTH, short


def by_class(channel: dict, label, count: int) -> dict[str, np.ndarray]:
  """{block: mean weight of each channel over the images of each class [K, C]}.

  A mixer's branches are blocks of their own, 'sk, branch 2'. A class without an image
  has NaN.

  Args:
    channel: of `blocks.Maps`, arrays [N, C] or [N, branches, C].
    label: int [N]; -1 where it is not known.
  """
  label = np.asarray(label)
  found = {}
  for block, weights in channel.items():
    split = {block: weights}
    if weights.ndim == 3:
      split = {
        f"{block}, branch {m + 1}": weights[:, m] for m in range(weights.shape[1])
      }
    for name, values in split.items():
      values = np.asarray(values, np.float64)
      means = np.full((count, values.shape[1]), np.nan)
      for k in np.unique(label[label >= 0]):
        means[k] = values[label == k].mean(0)
      found[name] = means
  return found


def spread(means: np.ndarray) -> float:
  """The mean over channels of the largest difference between two classes' means."""
  return float(np.mean(np.nanmax(means, 0) - np.nanmin(means, 0)))


@canvas.style()
def picture(path, means: dict[str, np.ndarray], classes, *, synthetic: bool) -> Path:
  """A strip a block: each class's departure from the mean over classes, by channel.

  Channels stand in the order of that mean, which is the line above them.
  """
  strip = max(0.16 * len(classes), 0.5)
  heights = [0.55, strip]
  gap, left, right = 0.62, 0.95, 0.12
  high = len(means) * (sum(heights) + gap) + 0.25
  figure = canvas.figure(WIDTH, high, layout=None)
  for i, (block, values) in enumerate(means.items()):
    mean = np.nanmean(values, 0)
    order = np.argsort(mean, kind="stable")
    top = i * (sum(heights) + gap) + 0.45
    box = left / WIDTH, (WIDTH - left - right) / WIDTH

    def axes(below, height, box=box, top=top):
      where = box[0], 1 - (top + below + height) / high, box[1], height / high
      return figure.add_axes(where)

    line = axes(0, heights[0] - 0.08)
    line.plot(mean[order], color=INK, lw=1.2)
    line.set(xlim=(-0.5, len(mean) - 0.5), xticks=[])
    line.tick_params(labelsize=6.5, length=2)
    line.set_title(_title(block, values), size=8)
    apart = values[:, order] - mean[order]
    most = np.nanmax(np.abs(apart)) or 1.0
    heat = axes(heights[0], strip)
    heat.imshow(
      apart, aspect="auto", cmap="RdBu_r", vmin=-most, vmax=most,
      interpolation="nearest",
    )  # fmt: skip
    heat.set_yticks(range(len(classes)), [short(name, 13) for name in classes])
    heat.tick_params(labelsize=6.5, length=0)
    heat.grid(False)
    heat.set_xticks([])
    note = f"{len(mean):,} channels; blue −{most:.2g} to red +{most:.2g}"
    heat.set_xlabel(note, size=6.5, color=FAINT)
  return canvas.save(figure, path, synthetic)


def _title(block: str, values: np.ndarray) -> str:
  stage, _, kind = block.partition("/")
  several = np.isfinite(values).all(1).sum() > 1
  told = f"classes differ by {spread(values):.2g}" if several else "one class only"
  return f"{kind}, {stage.replace('_', ' ')}: {told}"
