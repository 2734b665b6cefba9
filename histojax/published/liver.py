"""The liver paper's tables as printed (liver.json), and what they amount to.

BMC Medical Informatics and Decision Making 2022; 22:176, doi
10.1186/s12911-022-01919-1: five networks, three grades of differentiation. The images
are private.
"""

import json
from pathlib import Path

from histojax.errors import InputError, nearest
from histojax.published.audit import caveats, confusions, f_scores
from histojax.published.audit.paper import read

HELD = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
PAPER, DOI, CLASSES = map(HELD.get, ("paper", "doi", "classes"))
_READ = read(HELD)
_SCORES = _READ.scores[""]


def _column(name: str) -> list[int]:
  table = HELD["tables"]["Table 3"]
  return [int(row[table["columns"].index(name)]) for row in table["rows"].values()]


SLIDES = [_READ.told("samples", name) for name in CLASSES]
FIELDS_PER_SLIDE, ROTATIONS = _READ.told("per_group"), _READ.told("copies")
# source images, then counts after the rotations, per class
TABLE3 = {name: _column(name) for name in ("raw", "augmented", "train", "test")}
# % right per class (which is recall), then of all test images
TABLE5 = {
  model: [float(text) for text in row]
  for model, row in HELD["tables"]["Table 5"]["rows"].items()
}
# precision, recall and F1 in % per class
TABLE6 = {
  model: {
    metric: [float(text) for text in row[i::3]]
    for i, metric in enumerate(f_scores.NEED)
  }
  for model, row in HELD["tables"]["Table 6"]["rows"].items()
}
# (model, metric, class) -> what the printed F1 and the other table need
TYPOS = {
  (wrong.model, wrong.metric, wrong.name): float(100 * wrong.right.value)
  for wrong in f_scores.suspects(_SCORES)
  if wrong.sure
}
# the only integers that reproduce Tables 5 and 6: hits and predictions per class
_SOLVED = {model: confusions.solve(_SCORES, model).first[0] for model in TABLE5}
TRUE_POSITIVES = {model: [*solved.hits] for model, solved in _SOLVED.items()}
PREDICTED = {model: [*solved.predicted] for model, solved in _SOLVED.items()}


def corrected(model: str, metric: str, index: int) -> float:
  """Table 6's value in % for class `index`, with the known typo put right."""
  printed = TABLE6[model][metric][index]
  return TYPOS.get((model, metric, CLASSES[index]), printed)


def row(model: str) -> dict:
  """The published row of a network of Table 5, ready for a report; ratios in 0..1.

  Returns:
    paper, doi, table, model, classes, data and split in words, n, accuracy,
    balanced_accuracy (mean recall, our arithmetic), per_class (precision, recall, f1 of
    each class, corrected), private, caveats.

  Raises:
    InputError: the paper has no such network.
  """
  if model not in TABLE5:
    known = nearest(model, TABLE5)
    raise InputError(f"the liver paper has no network {model!r}; {known}")
  per_class = [
    {"class": name} | {m: round(corrected(model, m, i) / 100, 4) for m in TABLE6[model]}
    for i, name in enumerate(CLASSES)
  ]
  return {
    "paper": PAPER,
    "doi": DOI,
    "table": "Tables 5 and 6",
    "model": model,
    "classes": CLASSES,
    "data": "444 private images, each rotated 36 times",
    "split": "by image, 20 % of each class",
    "n": sum(TABLE3["test"]),
    "accuracy": round(TABLE5[model][-1] / 100, 4),
    "balanced_accuracy": round(sum(c["recall"] for c in per_class) / len(CLASSES), 4),
    "per_class": per_class,
    "private": True,
    "caveats": [*HELD["caveats"], *caveats(HELD, model)],
  }
