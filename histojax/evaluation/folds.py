"""Scores over folds: each fold's own, their mean and their standard deviation."""

import numpy as np

from histojax.evaluation import repeated
from histojax.evaluation.confusion import SCALARS
from histojax.evaluation.ranking import AREAS
from histojax.evaluation.verdict import BASELINES

METRICS = (*SCALARS, "recognition_rate", *(f"macro_{name}" for name in AREAS))
NOTE = (
  "Mean and sample standard deviation (n - 1) over {} folds. Folds train on shared"
  " images, so the deviation is not the error of the mean; intervals are those of the"
  " pooled predictions, each image as the fold saw it that did not train on it."
)
CORRECTED = (
  " Of the network's mean balanced accuracy the corrected resampled t interval is"
  " {low:.3f} to {high:.3f} (95 %; Nadeau & Bengio 2003)."
)


def over(reports: list[dict]) -> dict:
  """The `folds` of a report, of each fold's report (as in `report.write`).

  Returns:
    count; note; rows, of each fold `fold`, `n`, `groups`, `seconds`, `compile_seconds`
    and `scores`; corrected, of the network's balanced accuracy `repeated.over_splits`
    where it is known how many images trained; mean and sd, like `scores` {column:
    {metric: float}}. Columns are network, the baselines by title, and further parts
    ("network, train"); metrics are METRICS, of each column those that all folds have.
  """
  scores = [_columns(report) for report in reports]
  rows = [
    {
      "fold": report["split"]["fold"],
      "n": report["scores"]["images"]["n"],
      "groups": report["scores"]["images"]["groups"],
      "scores": scores[i],
    }
    | {k: report["training"].get(k) for k in ("seconds", "compile_seconds")}
    for i, report in enumerate(reports)
  ]
  found = {"count": len(rows), "note": NOTE.format(len(rows)), "rows": rows}
  if corrected := _corrected(reports, scores):
    found["corrected"] = corrected
    low, high = np.clip([corrected["low"], corrected["high"]], 0, 1)
    if low == low:  # NaN where all folds are equal
      found["note"] += CORRECTED.format(low=low, high=high)
  for name, reduce in (("mean", np.mean), ("sd", lambda v: np.std(v, ddof=1))):
    found[name] = {
      column: {
        m: float(reduce([s[column][m] for s in scores]))
        for m in METRICS
        if all(s[column].get(m) is not None for s in scores)
      }
      for column in scores[0]
    }
  return found


def _corrected(reports: list[dict], scores: list[dict]) -> dict:
  parts = [report["split"].get("parts") or {} for report in reports]
  if not all("train" in held for held in parts):
    return {}
  train = np.mean([held["train"]["images"] for held in parts])
  test = np.mean([report["scores"]["images"]["n"] for report in reports])
  values = [each["network"]["balanced_accuracy"] for each in scores]
  found = repeated.over_splits(values, train, test)
  del found["p"]  # of a difference it would be one
  return found


def _columns(report: dict) -> dict[str, dict[str, float]]:
  blocks = {"network": report["scores"]["images"]}
  for key, title in BASELINES.items():
    if key in report["baselines"]:
      blocks[title] = report["baselines"][key]["images"]
  for part, block in (report.get("parts") or {}).items():
    blocks[f"network, {part}"] = block
  return {
    k: {m: block[m]["value"] for m in METRICS if m in block}
    for k, block in blocks.items()
  }
