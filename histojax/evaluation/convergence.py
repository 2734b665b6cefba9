"""How soon training had what it came to."""

import numpy as np

WITHIN = 0.01


def epochs_to_within(epoch, score, share: float = WITHIN) -> float | None:
  """The first of `epoch` [E] at which `score` [E], where greater is better, has come to
  within `share` of its last value, or above it; None where nothing was scored."""
  score = np.asarray(score, np.float64)
  if not score.size or not np.isfinite(score[-1]):
    return None
  return float(np.asarray(epoch)[np.argmax(score >= (1 - share) * score[-1])])
