"""Papers that print accuracies alone, as printed (<paper>.json), and what to doubt.

breakhis_vgg: VGG16 with focal loss, four magnifications. breakhis_dala: DALAResNet50,
arXiv 2308.13150. cervix: SE, SAM and DNL on SIPaKMeD, doi
10.1109/CISP-BMEI53629.2021.9624420. colorectal: fine-tuned ResNet50 on NCT-CRC-HE.
"""

import functools
import json
from pathlib import Path

from histojax.errors import InputError, nearest

PAPERS = ("breakhis_vgg", "breakhis_dala", "cervix", "colorectal")


@functools.cache
def held(paper: str) -> dict:
  """The file of a paper: `rows` in % as printed, and the counts behind them."""
  return json.loads(Path(__file__).with_name(f"{paper}.json").read_text("utf-8"))


def row(paper: str, model: str) -> dict:
  """The published row, ready for a report; ratios in 0..1.

  Returns:
    as `liver.row`, with no balanced_accuracy and no per_class, n None where it is not
    known, and beside them: `classes`; `data` and `split`, in words; `accuracy_sd` over
    folds or None; `bound`, "at least" or "at most" where accuracy is only that;
    `parts`, {part: accuracy} of further columns.

  Raises:
    InputError: the paper has no such row, or prints no number of it.
  """
  found = held(paper)
  if model in found.get("unprinted", ()):
    raise InputError(
      f"published='{paper}/{model}': the paper compares with it, but no number of it is"
      " known: set --config.published="
    )
  if model not in found["rows"]:
    known = nearest(model, found["rows"])
    raise InputError(f"published='{paper}/{model}': no such row; {known}")
  printed = found["rows"][model]
  return {
    "paper": found["paper"],
    "doi": found["doi"],
    "table": found["table"],
    "model": model,
    "classes": found["classes"],
    "data": printed.get("data", found["data"]),
    "split": found["split"],
    "n": printed.get("n", found.get("n")),
    "accuracy": _ratio(printed["accuracy"]),
    "accuracy_sd": _ratio(printed.get("sd")),
    "bound": printed.get("bound", ""),
    "balanced_accuracy": None,
    "parts": {k: _ratio(v) for k, v in printed.get("parts", {}).items()},
    "per_class": [],
    "private": False,
    "caveats": [*found["caveats"], *printed.get("caveats", ())],
  }


def _ratio(percent: float | None) -> float | None:
  return None if percent is None else round(percent / 100, 6)
