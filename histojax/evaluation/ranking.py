"""Areas under curves, one class against the rest: AUROC and average precision.

As scikit-learn's `roc_auc_score` and `average_precision_score`: equal scores count half
in the one and form one threshold in the other. Where scikit-learn refuses or warns
(no image of the class, or none of the others), the area is NaN.
"""

import numpy as np

from histojax.evaluation.wilson import clustered

AREAS = ("auroc", "auprc")


def areas(label, probability) -> dict[str, np.ndarray]:
  """`auroc` and `auprc` [K] of `label` int [N] and `probability` [N, K]; their means
  over the classes that have one are `macro_auroc` and `macro_auprc` []."""
  return {
    name: value for name, (value, _) in _with_influence(label, probability).items()
  }


def intervals(label, probability, group) -> dict:
  """The areas of `areas` with 95 % intervals over `group` [N].

  Their spread under resampling of whole groups to first order, without a draw: the sum
  over groups of the squared sum of what each image moves the area by (the
  infinitesimal jackknife; of the AUROC it is Obuchowski's variance of clustered data,
  Biometrics 53, 1997, and DeLong's where every image is its own group). A class's areas
  rest on the groups that hold it or on those that hold others, whichever are fewer.

  Returns `{name: (value, low, high)}`, of single classes a list of K of them.
  """
  names, index = np.unique(np.asarray(group), return_inverse=True)
  label, classes = np.asarray(label), np.shape(probability)[1]
  held = np.zeros((len(names), classes), np.int64)
  np.add.at(held, (index, label), 1)
  others = held.sum(-1, keepdims=True) - held
  groups, images = np.minimum((held > 0).sum(0), (others > 0).sum(0)), held.sum(0)
  found = {}
  for name, (value, moves) in _with_influence(label, probability).items():
    moved = [np.bincount(index, row) for row in np.atleast_2d(moves)]
    spread = (np.array(moved) ** 2).sum(-1)
    if name in AREAS:
      bounds = clustered(value, spread, groups, images)
      found[name] = list(
        zip(value.tolist(), *(b.tolist() for b in bounds), strict=True)
      )
    else:
      bounds = clustered(value, spread[0], len(names), len(label))
      found[name] = float(value), float(bounds[0]), float(bounds[1])
  return found


def curves(positive, score) -> dict[str, np.ndarray]:
  """Of `positive` bool [N], at every distinct score, falling: threshold, tpr (recall),
  fpr, precision [U]; NaN where there is nothing to divide by."""
  order = np.argsort(-np.asarray(score, np.float64), kind="stable")
  positive, score = np.asarray(positive, bool)[order], np.asarray(score)[order]
  last = np.flatnonzero(np.append(np.diff(score) != 0, True))
  hit, said = np.cumsum(positive)[last], last + 1
  nothing = np.full(len(last), np.nan)
  total, others = positive.sum(), (~positive).sum()
  return {
    "threshold": score[last],
    "tpr": hit / total if total else nothing,
    "fpr": (said - hit) / others if others else nothing,
    "precision": hit / said,
  }


def _with_influence(label, probability) -> dict[str, tuple]:
  """{name: (area, its derivative by every image's weight)}: [K], [K, N]; of the means
  [], [N]."""
  label, probability = np.asarray(label), np.asarray(probability, np.float64)
  each = [_areas(label == k, p) for k, p in enumerate(probability.T)]
  found = {}
  for name, pairs in zip(AREAS, zip(*each, strict=True), strict=True):
    values, moves = (np.array(part) for part in zip(*pairs, strict=True))
    found[name] = values, moves
    known = ~np.isnan(values)
    rows = known if known.any() else ~known  # none: NaN
    found[f"macro_{name}"] = values[rows].mean(), moves[rows].mean(0)
  return found


def _areas(positive, score) -> list[tuple[float, np.ndarray]]:
  """(area, its derivative by the weight of each of N images) of AUROC and precision."""
  order = np.argsort(-score, kind="stable")
  fresh = np.append(True, np.diff(score[order]) != 0)
  block, start = np.cumsum(fresh) - 1, np.flatnonzero(fresh)
  at = np.empty(len(score), np.int64)
  at[order] = block  # [N], the threshold of each image; U of them, falling
  true = np.bincount(at, positive, len(start))
  false = np.bincount(at, ~positive, len(start))
  hit, wrong = true.cumsum(), false.cumsum()
  positives, negatives = hit[-1], wrong[-1]
  nothing = np.nan, np.full(len(score), np.nan)
  found = [nothing, nothing]
  if positives and negatives:
    beats = negatives - wrong + false / 2  # negatives below a positive, [U]
    beaten = hit - true / 2
    area = (true * beats).sum() / (positives * negatives)
    gain = np.where(positive, beats[at] / negatives, beaten[at] / positives)
    count = np.where(positive, positives, negatives)
    found[0] = area, (gain - area) / count
  if positives:
    precision = hit / (hit + wrong)
    area = (true * precision).sum() / positives
    share = true / (hit + wrong)
    more = share[::-1].cumsum()[::-1]  # by a positive at or above the threshold
    less = (share * precision)[::-1].cumsum()[::-1]
    moves = np.where(positive, precision[at] - area + more[at], 0) - less[at]
    found[1] = area, moves / positives
  return found
