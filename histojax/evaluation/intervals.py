"""95 % intervals of every score: cluster bootstrap, whole groups drawn and put back.

Images of one slide or patient resemble each other, so it is the unit drawn (Field &
Welsh, "Bootstrapping clustered data", 2007, doi 10.1111/j.1467-9868.2007.00593.x). The
spread of the drawn scores becomes an interval in `wilson.clustered`.
"""

import numpy as np

from histojax.evaluation.confusion import (
  IMBALANCED,
  PER_CLASS,
  SCALARS,
  by_group,
  metrics,
)
from histojax.evaluation.wilson import clustered, few_groups, variance

EACH = (*PER_CLASS, *(f"class_{name}" for name in IMBALANCED))
BOTTOM = {"mcc": -1.0, "kappa": -1.0}  # the least a score can be, where it is not 0
_CHUNK = 500  # resamples held at once


def bootstrap(label, prediction, group, num_classes, *, resamples=10_000, seed=0):
  """Intervals of every score of int [N] in 0..K-1, drawing `group` [N].

  Returns `{metric: (low, high)}` for SCALARS, `{metric: [(low, high)] * K}` for EACH,
  and `groups`, `resamples`, `note` (of `few_groups`). One group alone has no interval:
  NaN. A class's scores rest on the groups that hold it (its specificity on those that
  hold others, its G-mean and index on whichever are fewer), and resamples without any
  of its images are left out; likewise for the G-mean and its index, which are 0 where a
  class lacks. The precision of a class that was never predicted has no interval.
  """
  names, index = np.unique(np.asarray(group), return_inverse=True)
  matrices = by_group(label, prediction, index, num_classes)
  groups, images = len(names), np.size(label)
  point = metrics(matrices.sum(0))
  drawn = metrics(resample(matrices, resamples, np.random.default_rng(seed)))
  result = {"groups": groups, "resamples": resamples, "note": few_groups(groups)}

  present = drawn["support"] > 0  # [R, K]
  whole = present[:, point["support"] > 0].all(-1)
  for name in SCALARS:
    values = drawn[name]
    if name in ("g_mean", "iba"):
      values = np.where(whole, values, np.nan)
    bottom = BOTTOM.get(name, 0.0)
    bounds = clustered(point[name], variance(values), groups, images, bottom)
    result[name] = tuple(map(float, bounds))
  held = matrices.sum(-1)  # [G, K]
  predicted = matrices.sum((0, 1))
  if point["g_mean"] == 0 and groups > 1:
    result |= _unrecognised(point, held)
  others = held.sum(-1, keepdims=True) - held
  own, rival = (held > 0).sum(0), (others > 0).sum(0)  # groups, [K]
  resting = dict.fromkeys(PER_CLASS, own) | {"class_specificity": rival}
  resting["precision"] = own * (predicted > 0)
  rest = drawn["support"].sum(-1, keepdims=True) > drawn["support"]  # [R, K]
  known = dict.fromkeys(PER_CLASS, present) | {"class_specificity": rest}
  for name in EACH:
    values = np.where(known.get(name, present & rest), drawn[name], np.nan)
    count = (others if name == "class_specificity" else held).sum(0)
    count = predicted if name == "precision" else count
    here = resting.get(name, np.minimum(own, rival))
    bounds = clustered(point[name], variance(values), here, count)
    result[name] = list(zip(*(b.tolist() for b in bounds), strict=True))
  return result


def _unrecognised(point, held) -> dict[str, tuple[float, float]]:
  """Intervals of the G-mean and its index where a class was never recognised.

  One image recognised would lift both far above 0. The upper end takes every other
  class for perfect and this one's recall for the most that its groups may all miss.
  """
  missed = (point["recall"] == 0) & (point["support"] > 0)
  if not missed.any():  # a class was predicted that does not occur: 0 by convention
    return dict.fromkeys(("g_mean", "iba"), (float("nan"),) * 2)
  unseen = 1 - 0.025 ** (1 / (held[:, missed] > 0).sum(0))
  high = float(np.prod(unseen) ** (1 / (point["support"] > 0).sum()))
  return {"g_mean": (0.0, high), "iba": (0.0, high**2)}


def resample(matrices: np.ndarray, resamples: int, rng) -> np.ndarray:
  """Sums of the drawn groups' matrices [G, ...], float64 [R, ...].

  Groups with equal matrices are interchangeable. Where kinds are few (every image its
  own group), what is drawn is how many of each kind: the same distribution, sooner.
  """
  groups, rows, parts = len(matrices), matrices.reshape(len(matrices), -1), []
  kinds, count = np.unique(rows, axis=0, return_counts=True)
  few = 8 * len(kinds) < groups
  rows = (kinds if few else rows).astype(np.float64)  # exact, and multiplies faster
  for start in range(0, resamples, _CHUNK):
    size = min(_CHUNK, resamples - start)
    if few:
      times = rng.multinomial(groups, count / groups, size=size)  # [size, kinds]
    else:
      times = drawn_times(groups, size, rng)
    parts.append(times.astype(np.float64) @ rows)
  return np.concatenate(parts).reshape(resamples, *matrices.shape[1:])


def drawn_times(groups: int, resamples: int, rng) -> np.ndarray:
  """How often each group is drawn: int64 [R, G], rows of sum G."""
  drawn = rng.integers(0, groups, (resamples, groups), dtype=np.int32)
  cell = drawn + groups * np.arange(resamples)[:, None]
  times = np.bincount(cell.ravel(), minlength=resamples * groups)
  return times.reshape(resamples, groups)
