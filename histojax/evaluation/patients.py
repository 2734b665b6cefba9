"""The patient score and the global recognition rate of Spanhol et al. 2016 (BreakHis),
doi 10.1109/TBME.2015.2496264: every patient counts alike, however many images."""

import numpy as np

from histojax.evaluation.wilson import clustered


def patient_scores(label, prediction, group) -> dict[str, np.ndarray]:
  """Of each patient, in the order of their names: group, images, correct, score [G]
  (score = correct / images, the patient score)."""
  names, index = np.unique(np.asarray(group), return_inverse=True)
  images = np.bincount(index)
  correct = np.bincount(index, np.asarray(label) == np.asarray(prediction))
  found = {"group": names, "images": images, "correct": correct.astype(np.int64)}
  return found | {"score": correct / images}


def recognition_rate(label, prediction, group) -> tuple[float, float, float]:
  """(value, low, high): the mean of the patient scores and its 95 % interval.

  The bootstrap's variance of a mean needs no draws: it is the scores' own over G.
  """
  score = patient_scores(label, prediction, group)["score"]
  groups, images = len(score), np.size(label)
  bounds = clustered(score.mean(), score.var() / groups, groups, images)
  return float(score.mean()), float(bounds[0]), float(bounds[1])
