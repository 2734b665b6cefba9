"""One JSON-ready block of scores with intervals: the unit every report is made of."""

import numpy as np

from histojax.evaluation import calibration, patients, ranking
from histojax.evaluation.confusion import SCALARS, confusion_matrix, metrics
from histojax.evaluation.intervals import EACH, bootstrap


def score(
  label, prediction, group, classes, *, seed: int = 0, probability=None
) -> dict:
  """Scores of N predictions (int [N] in 0..K-1), with 95 % intervals over `group` [N].

  Returns n, groups, note (of `bootstrap`), confusion (K lists of K); each of SCALARS
  and `recognition_rate` (every group counts alike) as `{"value", "low", "high"}`;
  per_class, a list of K dicts with `class`, `support` and, in the same form, precision,
  recall, f1, specificity, g_mean, iba.

  With `probability` [N, K] also macro_auroc and macro_auprc, in per_class auroc and
  auprc, and `reliability` (`calibration.reliability`, with `ece`).
  """
  matrix = confusion_matrix(label, prediction, len(classes))
  values = metrics(matrix)
  bounds = bootstrap(label, prediction, group, len(classes), seed=seed)

  found = {"n": int(np.size(label)), "groups": bounds["groups"], "note": bounds["note"]}
  found |= {"confusion": matrix.tolist()}
  found |= {name: _triple(values[name], *bounds[name]) for name in SCALARS}
  rate = patients.recognition_rate(label, prediction, group)
  found["recognition_rate"] = _triple(*rate)
  found["per_class"] = [
    {"class": str(name), "support": int(values["support"][k])}
    | {m.removeprefix("class_"): _triple(values[m][k], *bounds[m][k]) for m in EACH}
    for k, name in enumerate(classes)
  ]
  if probability is None:
    return found
  areas = ranking.intervals(label, probability, group)
  for name in ranking.AREAS:
    found[f"macro_{name}"] = _triple(*areas[f"macro_{name}"])
    for row, triple in zip(found["per_class"], areas[name], strict=True):
      row[name] = _triple(*triple)
  return found | {"reliability": calibration.reliability(label, probability, group)}


def _triple(value, low, high) -> dict[str, float]:
  return {"value": float(value), "low": low, "high": high}
