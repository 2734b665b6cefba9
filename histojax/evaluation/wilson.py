"""95 % intervals of shares: Wilson's, for single images and for images in groups.

A score whose images come in groups (slides, patients) is worth fewer images than it
counts. The bootstrap says how many: n = p (1 - p) / variance, the effective sample
size. Wilson's interval of that n, with Student's t for the normal quantile, covers
93-97 % from forty groups on and 92-97 % at fifteen, where percentiles, BCa and t of the
group scores reach 87-93 % (tests/benchmarks/coverage.py measures all of them).

Wilson 1927, doi 10.1080/01621459.1927.10502953; of clustered samples: Korn & Graubard,
Survey Methodology 24, 1998; Dean & Pagano 2015, doi 10.1093/jssam/smv024.
"""

import numpy as np

NORMAL = 1.959963984540054  # its 97.5 % quantile
# measured coverage in percent, at least and at most over accuracy and balanced
# accuracy at intra-class correlations of 0.1-0.7, by number of groups
COVERAGE = {4: (98, 100), 8: (94, 99), 15: (92, 97), 25: (93, 96), 40: (94, 96)}
ENOUGH = 60  # from so many groups on coverage needs no remark


def wilson(share, trials, quantile=NORMAL):
  """(low, high) float64 [...] of a share [...] found in so many independent trials."""
  share, trials = np.asarray(share, np.float64), np.asarray(trials, np.float64)
  z = quantile**2 / trials
  centre = (share + z / 2) / (1 + z)
  half = np.sqrt(z * (share * (1 - share) + z / 4)) / (1 + z)
  return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def clustered(point, variance, groups, images, bottom=0.0):
  """(low, high) float64 [...] of scores between `bottom` and 1.

  Args:
    point: [...], the scores; NaN where there is none, and then no interval; nor above 1
      (the index balanced accuracy of a single class is 1.1).
    variance: [...], of the scores of resamples of whole groups; NaN likewise.
    groups: [...], how many the score rests on; fewer than two have no interval: NaN.
    images: [...], likewise; stands in for the effective size where nothing varies.

  A score of exactly 1 (or `bottom`) never varies under resampling: its other end is
  the exact binomial one (Clopper & Pearson 1934) with the groups as trials.
  """
  scale = 1 - bottom
  point = (np.asarray(point, np.float64) - bottom) / scale
  groups, images = np.broadcast_arrays(groups, images, point)[:2]
  # of means the bootstrap's variance is (G - 1) / G of the unbiased one; its square
  # makes up for estimating the spread from so few as well
  few = np.maximum(groups, 2).astype(np.float64)
  wide = np.asarray(variance) * (few / (few - 1) / scale) ** 2
  size = np.array(images, np.float64)
  np.divide(point * (1 - point), wide, out=size, where=wide > 1e-12)
  low, high = wilson(np.clip(point, 0, 1), np.maximum(size, 1e-9), student(few - 1))
  unseen = 1 - 0.025 ** (1 / few)  # the error rate that so many may all escape
  low, high = np.where(point == 1, 1 - unseen, low), np.where(point == 1, 1, high)
  low, high = np.where(point == 0, 0, low), np.where(point == 0, unseen, high)
  none = (groups < 2) | np.isnan(point + variance) | (point > 1 + 1e-9)
  none = np.where(none, np.nan, 0)
  return low * scale + bottom + none, high * scale + bottom + none


def variance(drawn):
  """Of drawn scores [R, ...] over R: [...]; NaN are left out, and all NaN gives NaN."""
  known = ~np.isnan(drawn)
  count = known.sum(0)
  mean = np.where(known, drawn, 0).sum(0) / np.maximum(count, 1)
  square = np.where(known, drawn - mean, 0) ** 2
  return np.where(count > 0, square.sum(0) / np.maximum(count, 1), np.nan)


def student(freedom):
  """The 97.5 % quantile of Student's t."""
  from scipy.special import stdtrit

  return stdtrit(freedom, 0.975)


def few_groups(groups: int, noun: str = "group") -> str | None:
  """What to say beside an interval that rests on so few groups (slides, patients)."""
  if groups < 2:
    return f"No interval: all images belong to one {noun}."
  if groups >= ENOUGH:
    return None
  text = f"The interval rests on {groups} {noun}s."
  measured = [g for g in COVERAGE if g <= groups]
  if not measured:
    return f"{text} It is a rough guess: its coverage is unknown with so few."
  low, high = COVERAGE[max(measured)]
  return (
    f"{text} In simulations of {max(measured)} groups, such intervals, called 95 %,"
    f" covered the true (balanced) accuracy in {low}–{high} % of cases."
  )
