"""One JSON-ready block of scores with intervals: the unit every report is made of."""

import numpy as np

from histojax.evaluation.confusion import PER_CLASS, SCALARS, confusion_matrix, metrics
from histojax.evaluation.intervals import bootstrap


def score(label, prediction, group, classes, *, seed: int = 0) -> dict:
  """Scores of N predictions (int [N] in 0..K-1), with 95 % intervals over `group` [N].

  Returns n, groups, note (of `bootstrap`), confusion (K lists of K); each of SCALARS as
  `{"value", "low", "high"}`; per_class, a list of K dicts with `class`, `support` and
  each of PER_CLASS in the same form.
  """
  matrix = confusion_matrix(label, prediction, len(classes))
  values = metrics(matrix)
  bounds = bootstrap(label, prediction, group, len(classes), seed=seed)

  def triple(value, bounds) -> dict[str, float]:
    return {"value": float(value), "low": bounds[0], "high": bounds[1]}

  found = {"n": int(np.size(label)), "groups": bounds["groups"], "note": bounds["note"]}
  found |= {"confusion": matrix.tolist()}
  found |= {name: triple(values[name], bounds[name]) for name in SCALARS}
  found["per_class"] = [
    {"class": str(name), "support": int(values["support"][k])}
    | {m: triple(values[m][k], bounds[m][k]) for m in PER_CLASS}
    for k, name in enumerate(classes)
  ]
  return found
