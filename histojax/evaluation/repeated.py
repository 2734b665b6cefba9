"""One number from several trainings: over seeds, and over folds or repeated splits."""

import numpy as np

from histojax.evaluation.wilson import student


def over_seeds(values) -> dict[str, float]:
  """Of scores [J] of one test part after trainings with different seeds: count, mean,
  sd (sample, J - 1; NaN of one), low, high (95 %, Student's t, of the mean; NaN where
  all are equal, as scores of few images easily are: no spread to judge by).

  The interval speaks of the training's chance alone, not of other test images.
  """
  found = _interval(values, lambda count: 1 / count)
  del found["error"]
  return found


def over_splits(values, train: int, test: int) -> dict[str, float]:
  """Of scores [J] (or paired differences) of J folds or random splits with so many
  training and test images: as `over_seeds`, with the corrected resampled t interval.

  Training parts overlap, so the scores are not independent: the variance of the mean
  is (1 / J + test / train) sd^2 (Nadeau & Bengio 2003, doi 10.1023/A:1024068626366).
  Adds `p`, the two-sided test that the mean is 0 (meaningful of differences): 1 where
  all are 0, NaN where all equal anything else.
  """
  from scipy.special import stdtr

  found = _interval(values, lambda count: 1 / count + test / train)
  error = found.pop("error")
  if found["count"] > 1 and not np.any(values):
    return found | {"p": 1.0}
  t = abs(found["mean"]) / error
  return found | {"p": 2 * float(stdtr(found["count"] - 1, -t))}


def _interval(values, share) -> dict[str, float]:
  values = np.asarray(values, np.float64)
  count, mean = len(values), float(values.mean())
  if count < 2:
    nothing = dict.fromkeys(("sd", "low", "high", "error"), float("nan"))
    return {"count": count, "mean": mean} | nothing
  sd = float(values.std(ddof=1))
  error = sd * share(count) ** 0.5
  if np.ptp(values) < 1e-12:
    error = float("nan")
  half = float(student(count - 1)) * error
  found = {"count": count, "mean": mean, "sd": sd}
  return found | {"low": mean - half, "high": mean + half, "error": error}
