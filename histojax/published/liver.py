"""The liver paper's tables as printed (liver.json), and what they amount to.

BMC Medical Informatics and Decision Making 2022; 22:176, doi
10.1186/s12911-022-01919-1: five networks, three grades of differentiation. The images
are private.
"""

import json
from pathlib import Path

from histojax.errors import InputError, nearest

_HELD = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
PAPER, DOI, CLASSES, CAVEATS = map(_HELD.get, ("paper", "doi", "classes", "caveats"))
SLIDES, FIELDS_PER_SLIDE = _HELD["slides"], _HELD["fields_per_slide"]
ROTATIONS = _HELD["rotations"]
TABLE3 = _HELD["table3"]  # source images, then counts after the rotations, per class
TABLE5 = _HELD["table5"]  # % right per class (which is recall), then of all test images
TABLE6 = _HELD["table6"]  # precision, recall and F1 in % per class
# The only integers that reproduce Tables 5 and 6: hits and predictions per class.
TRUE_POSITIVES, PREDICTED = _HELD["true_positives"], _HELD["predicted"]
# (model, metric, class) -> what Table 5 (992 of 1008) and the printed F1 imply.
TYPOS = {("SENet", "recall", "poor"): 98.41}


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
  typos = [
    f"{metric.capitalize()} of '{name}' is printed as "
    f"{TABLE6[model][metric][CLASSES.index(name)]:.2f} % in Table 6; "
    f"Table 5 and the printed F1 need {right:.2f} %, which is shown here."
    for (which, metric, name), right in TYPOS.items()
    if which == model
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
    "caveats": [*CAVEATS, *typos],
  }
