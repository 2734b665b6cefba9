"""How much of a score is leak: one recipe under a split by image and a split by group.

The two runs are tested on different images, so the gap is a difference of independent
scores; where both test parts hold images of one group, the two scores rise and fall
together, and the interval allows for that.
"""

import numpy as np

from histojax.errors import InputError
from histojax.evaluation import paired
from histojax.evaluation.confusion import confusion_matrix, metrics
from histojax.evaluation.intervals import bootstrap, resample


def gap(leaky: dict, clean: dict, metric: str, *, resamples=10_000, seed=0) -> dict:
  """`leaky` minus `clean`, each as `predictions.read` returns it; JSON-ready.

  Returns:
    value, low, high (95 %); leaky and clean, {value, low, high, images, groups};
    shared_images and shared_groups, which both test; correlation of the two scores
    over resamples of whole groups, 0 where none is shared; paired: both were tested on
    the same images.

  The limits are those of `combine`; where both test the same images they are those of
  `paired.difference`, as in a comparison of two runs. Coverage:
  tests/evaluation/test_gap.py.

  Raises:
    InputError: the two know different classes.
  """
  if leaky["classes"] != clean["classes"]:
    raise InputError(
      f"one run knows the classes {leaky['classes']}, the other {clean['classes']}:"
      " compare runs of one data set"
    )
  sides, classes = (leaky, clean), len(leaky["classes"])
  each = [_score(side, metric, classes, resamples, seed) for side in sides]
  groups = [np.unique(side["group"]) for side in sides]
  names = np.union1d(*groups)
  counts = np.zeros((2, len(names), classes, classes), np.int64)
  for matrix, side in zip(counts, sides, strict=True):
    group = np.searchsorted(names, side["group"])
    np.add.at(matrix, (group, side["label"], side["prediction"]), 1)
  found = {
    "value": each[0]["value"] - each[1]["value"],
    "leaky": each[0],
    "clean": each[1],
    "shared_images": len(np.intersect1d(leaky["image_id"], clean["image_id"])),
    "shared_groups": len(np.intersect1d(*groups)),
    "correlation": 0.0,
  }
  images = {len(side["label"]) for side in sides}
  found["paired"] = images == {found["shared_images"]}
  if found["shared_groups"]:
    pair = counts.swapaxes(0, 1)  # [G, 2, K, K]
    drawn = metrics(resample(pair, resamples, np.random.default_rng(seed)))[metric]
    found["correlation"] = _correlation(*drawn.T)
  if found["paired"]:
    exact = paired.difference(*counts, metric, resamples=resamples, seed=seed)
    return found | {k: exact[k] for k in ("low", "high")}
  low, high = combine(*each, found["correlation"])
  return found | {"low": low, "high": high}


def combine(first: dict, second: dict, correlation: float) -> tuple[float, float]:
  """(low, high) of first minus second from the limits of both, each value, low, high.

  The method of variance estimates recovery (Zou & Donner, Statistics in Medicine 27,
  2008, doi 10.1002/sim.3095; for two shares Newcombe's hybrid score interval, ibid. 17,
  1998): each side's own limits tell its spread in the direction that counts, which
  holds for a score of exactly 1, too. NaN where a side has no limits.
  """
  value = first["value"] - second["value"]
  below = first["value"] - first["low"], second["high"] - second["value"]
  above = first["high"] - first["value"], second["value"] - second["low"]
  reach = [
    np.sqrt(np.maximum(a * a + b * b - 2 * correlation * a * b, 0.0))
    for a, b in (below, above)
  ]
  return float(value - reach[0]), float(value + reach[1])


def _score(side: dict, metric: str, classes: int, resamples: int, seed: int) -> dict:
  """The score of one side with its limits, images and groups."""
  rows = side["label"], side["prediction"], side["group"]
  bounds = bootstrap(*rows, classes, resamples=resamples, seed=seed)
  matrix = confusion_matrix(*rows[:2], classes)
  low, high = map(float, bounds[metric])
  found = {"value": float(metrics(matrix)[metric]), "low": low, "high": high}
  return found | {"images": len(rows[0]), "groups": bounds["groups"]}


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
  """Pearson's, of the resamples where both are numbers; 0 where one never varies."""
  known = np.isfinite(first) & np.isfinite(second)
  if known.sum() < 3 or min(first[known].std(), second[known].std()) < 1e-12:
    return 0.0
  return float(np.corrcoef(first[known], second[known])[0, 1])
