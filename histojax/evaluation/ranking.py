"""Areas under curves, one class against the rest: AUROC and average precision.

As scikit-learn's `roc_auc_score` and `average_precision_score`: equal scores count half
in the one and form one threshold in the other. Where scikit-learn refuses or warns
(no image of the class, or none of the others), the area is NaN.
"""

import numpy as np

from histojax.evaluation.intervals import drawn_times
from histojax.evaluation.wilson import clustered, variance

AREAS = ("auroc", "auprc")
_CHUNK = 100  # resamples held at once


def areas(label, probability, weight=None) -> dict[str, np.ndarray]:
  """`auroc` and `auprc` [..., K] of `label` int [N] and `probability` [N, K].

  `weight` [..., N] counts each image so many times; their means over the classes that
  have one are `macro_auroc` and `macro_auprc`.
  """
  label, probability = np.asarray(label), np.asarray(probability, np.float64)
  weight = np.ones(len(label)) if weight is None else np.asarray(weight, np.float64)
  each = [_areas(label == k, p, weight) for k, p in enumerate(probability.T)]
  found = {}
  for name, values in zip(AREAS, zip(*each, strict=True), strict=True):
    found[name] = values = np.stack(values, axis=-1)
    known = ~np.isnan(values)
    count = known.sum(-1)
    mean = np.where(known, values, 0).sum(-1) / np.maximum(count, 1)
    found[f"macro_{name}"] = np.where(count > 0, mean, np.nan)
  return found


def bootstrap(label, probability, group, *, resamples=1000, seed=0) -> dict:
  """Both areas of `areas` with intervals, drawing `group` [N] as in `intervals`.

  Returns `{name: (value, low, high)}`, of single classes a list of K of them.
  """
  names, index = np.unique(np.asarray(group), return_inverse=True)
  label, rng, drawn = np.asarray(label), np.random.default_rng(seed), []
  for start in range(0, resamples, _CHUNK):
    times = drawn_times(len(names), min(_CHUNK, resamples - start), rng)
    drawn.append(areas(label, probability, times[:, index]))
  classes = np.shape(probability)[1]
  holds = np.zeros((len(names), classes), bool)
  holds[index, label] = True
  images = np.bincount(label, minlength=classes)
  found = {}
  for name, value in areas(label, probability).items():
    spread = variance(np.concatenate([d[name] for d in drawn]))
    macro = name not in AREAS
    size = (len(names), len(label)) if macro else (holds.sum(0), images)
    triple = np.stack([value, *clustered(value, spread, *size)], axis=-1).tolist()
    found[name] = tuple(triple) if macro else list(map(tuple, triple))
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


def _areas(positive, score, weight) -> tuple[np.ndarray, np.ndarray]:
  """AUROC and average precision [...] of weights [..., N]."""
  order = np.argsort(-score, kind="stable")
  start = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
  weight, positive = weight[..., order], positive[order]
  true = np.add.reduceat(weight * positive, start, axis=-1)  # [..., U], falling score
  false = np.add.reduceat(weight * ~positive, start, axis=-1)
  hit, wrong = true.cumsum(-1), false.cumsum(-1)
  positives, negatives = hit[..., -1], wrong[..., -1]
  beaten = (true * (negatives[..., None] - wrong + false / 2)).sum(-1)
  said = hit + wrong
  precision = np.divide(hit, said, out=np.zeros_like(hit), where=said > 0)
  return _ratio(beaten, positives * negatives), _ratio(
    (true * precision).sum(-1), positives
  )


def _ratio(above, below) -> np.ndarray:
  nothing = np.full(np.shape(above), np.nan)
  return np.divide(above, below, out=nothing, where=below > 0)
