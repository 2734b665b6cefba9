"""Whether two classifiers differ on the same images: intervals, tests and power.

Images of one slide or patient resemble each other, so whole groups are drawn, and whole
groups are swapped. McNemar's test counts single images: beside the others it shows how
much certainty the groups take away.
"""

import functools

import numpy as np

from histojax.evaluation.confusion import metrics
from histojax.evaluation.intervals import resample
from histojax.evaluation.wilson import student, variance

_EXACT = 14  # groups whose every exchange is tried: 2^14 of them
_CHUNK = 1000  # exchanges held at once


def difference(first, second, metric, *, resamples=10_000, seed=0) -> dict[str, float]:
  """Of two classifiers' matrices of the same G groups, each int [G, K, K]: `value`
  (first minus second), `low`, `high` (95 %, Student's t on the spread of the paired
  group bootstrap) and `sd` (of one group: that of the value is sd / sqrt(G)).

  Fewer than two groups have no spread: NaN. Coverage where both are equally good:
  tests/evaluation/test_paired.py.
  """
  pair, groups = np.stack([first, second], axis=1), len(first)  # [G, 2, K, K]
  value = float(_minus(pair.sum(0), metric))
  if groups < 2:
    return {"value": value} | dict.fromkeys(("low", "high", "sd"), float("nan"))
  drawn = _minus(resample(pair, resamples, np.random.default_rng(seed)), metric)
  sd = float(np.sqrt(variance(drawn) * groups * groups / (groups - 1)))
  half = float(student(groups - 1)) * sd / groups**0.5
  return {"value": value, "low": value - half, "high": value + half, "sd": sd}


def permutation(first, second, metric, *, draws=10_000, seed=0) -> dict:
  """Two-sided test of no difference, exchanging the two classifiers in whole groups.

  Returns p; exact (every exchange was tried) or else of how many `draws`, the observed
  one counted among them (Phipson & Smyth 2010, arXiv 1603.05766); differing, how many
  groups have unequal matrices, and least_p, the least p that so few could give.
  """
  first, second = np.asarray(first), np.asarray(second)
  change = (second - first).reshape(len(first), -1).astype(np.float64)
  moved = change.any(-1)
  change, count = change[moved], int(moved.sum())
  whole = np.stack([first.sum(0), second.sum(0)]).astype(np.float64)
  observed, exact = abs(_minus(whole, metric)) - 1e-12, count <= _EXACT
  total, rng, extreme = 2**count if exact else draws, np.random.default_rng(seed), 0
  # of groups that differ alike only how many are exchanged matters
  kinds, alike = np.unique(change, axis=0, return_counts=True)
  few = not exact and 8 * len(kinds) < count
  for start in range(0, total, _CHUNK):
    size = min(_CHUNK, total - start)
    if exact:
      swap = np.arange(start, start + size)[:, None] >> np.arange(count) & 1
    elif few:
      swap = rng.binomial(alike, 0.5, (size, len(kinds)))
    else:
      swap = rng.integers(0, 2, (size, count))
    step = (swap.astype(np.float64) @ (kinds if few else change)).reshape(
      size, *first.shape[1:]
    )
    held = np.stack([whole[0] + step, whole[1] - step], axis=1)
    extreme += int((np.abs(_minus(held, metric)) >= observed).sum())
  p = extreme / total if exact else (extreme + 1) / (total + 1)
  found = {"p": p, "exact": exact, "draws": total, "differing": count}
  return found | {"least_p": min(1.0, 2 / 2**count) if exact else 1 / (total + 1)}


def mcnemar(label, first, second) -> dict:
  """McNemar's test of int [N]: only_first and only_second (images that one alone has
  right), exact_p (binomial), chi2 (Edwards' correction for continuity) and chi2_p.

  Naive: it takes every image for independent evidence.
  """
  from scipy.special import bdtr, chdtrc

  a, b = np.asarray(first) == label, np.asarray(second) == label
  ours, theirs = int((a & ~b).sum()), int((b & ~a).sum())
  n = ours + theirs
  exact = min(1.0, 2 * float(bdtr(min(ours, theirs), n, 0.5)))
  chi2 = max(abs(ours - theirs) - 1, 0) ** 2 / n if n else 0.0
  found = {"only_first": ours, "only_second": theirs, "exact_p": exact}
  return found | {"chi2": chi2, "chi2_p": float(chdtrc(1, chi2))}


def holm(p) -> np.ndarray:
  """Holm's adjusted p values [M] (Scandinavian Journal of Statistics 6, 1979)."""
  p = np.asarray(p, np.float64)
  order = np.argsort(p, kind="stable")
  steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
  adjusted = np.empty_like(p)
  adjusted[order] = np.minimum(steps, 1)
  return adjusted


def power(effect: float, groups) -> float:
  """Of the two-sided paired t test at 5 %: the chance to see a difference of `effect`
  standard deviations (of one group's) with so many groups."""
  from scipy.special import nctdtr

  t, shift = student(groups - 1), abs(effect) * np.sqrt(groups)
  seen = 1 - nctdtr(groups - 1, shift, t) + nctdtr(groups - 1, shift, -t)
  # scipy 1.17 knows no value at some large shifts
  return float(_beyond(groups - 1, shift, t) if np.isnan(seen) else seen)


def _beyond(freedom, shift, t) -> float:
  """The chance of a noncentral t outside -t .. t, by Gauss' rule over the quantiles of
  the standard deviation in its denominator; to 1e-6."""
  from scipy.special import gammaincinv, ndtr

  x, weight = _nodes()
  sd = np.sqrt(gammaincinv(freedom / 2, (x + 1) / 2) * 2 / freedom)
  return weight @ (ndtr(shift - t * sd) + ndtr(-shift - t * sd)) / 2


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
  return np.polynomial.legendre.leggauss(400)


def groups_needed(value: float, sd: float, chance: float = 0.8) -> int | None:
  """The fewest groups (at least 2) that show a difference of `value` with that chance,
  where one group's has deviation `sd`; None where no number of them can be told: no
  difference, no spread known, or one below a thousandth of it."""
  effect = abs(value) / sd if sd > 0 else np.nan
  if not 1e-3 < effect < np.inf:
    return None
  low, high = 1, 2
  while power(effect, high) < chance:
    low, high = high, 2 * high
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (low, middle) if power(effect, middle) >= chance else (middle, high)
  return high


def detectable(sd: float, groups: int, chance: float = 0.8) -> float:
  """The least difference that so many groups show with that chance; NaN below two."""
  if groups < 2 or not sd >= 0:
    return float("nan")
  low, high = 0.0, 1.0
  while power(high, groups) < chance:
    high *= 2
  for _ in range(60):
    middle = (low + high) / 2
    low, high = (low, middle) if power(middle, groups) >= chance else (middle, high)
  return high * sd


def _minus(pairs, metric: str) -> np.ndarray:
  """The first's score minus the second's, of matrices [..., 2, K, K]."""
  score = metrics(pairs)[metric]
  return score[..., 0] - score[..., 1]
