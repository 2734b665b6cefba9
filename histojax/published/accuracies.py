"""Papers that print accuracies alone, as printed (<paper>.json), and what to doubt.

breakhis_vgg: VGG16 with focal loss, four magnifications. breakhis_dala: DALAResNet50,
arXiv 2308.13150. cervix: SE, SAM and DNL on SIPaKMeD, doi
10.1109/CISP-BMEI53629.2021.9624420. colorectal: fine-tuned ResNet50 on NCT-CRC-HE.
"""

import functools
import json
from pathlib import Path

from histojax.errors import InputError, nearest
from histojax.published.audit import caveats, folds, shares
from histojax.published.audit.paper import count, read

PAPERS = ("breakhis_vgg", "breakhis_dala", "cervix", "colorectal")


@functools.cache
def held(paper: str) -> dict:
  """The file of a paper: its tables as printed, and `rows` with the numbers of each
  row in %: accuracy, and where they are known sd, n, and the accuracies of `parts`."""
  found = json.loads(Path(__file__).with_name(f"{paper}.json").read_text("utf-8"))
  return found | {"rows": _rows(found)}


def _rows(found: dict) -> dict:
  paper = read(found)
  bounds = {
    column[2]: float(text)
    for _, table in paper.tables("bounds")
    for row in table["rows"].values()
    for column, text in zip(table["columns"], row, strict=True)
  }
  printed = {*bounds, *paper.scores}
  bounds |= {each.numbers["part"]: round(100 * each.numbers["at_most"], 6)
             for each in folds.means(paper) if "part" in each.numbers}  # fmt: skip
  means = [100 * e.numbers["mean"] for e in folds.means(paper) if "mean" in e.numbers]
  tested = next((e.numbers.get("n", {}) for e in shares.rule(paper)), {})
  rows = {}
  for name, about in found["rows"].items():
    part = about.get("part", paper.main)
    scores = paper.scores.get(part)
    row = {k: v for k, v in about.items() if k not in ("part", "parts")}
    if scores is None:
      row["accuracy"] = bounds[part] if part in bounds else round(means[0], 6)
    else:
      model = name if name in scores.models else scores.models[0]
      row["accuracy"] = _printed(scores, model, "accuracy")
      if scores.get(model, "", "sd"):
        row["sd"] = _printed(scores, model, "sd")
    row["derived"] = part not in printed
    if part in tested:
      row["n"] = tested[part]
    elif scores and "" in scores.n:
      row["n"] = scores.n[""]
    if parts := about.get("parts"):
      row["parts"] = {
        key: _printed(paper.scores[at], name, "accuracy") for key, at in parts.items()
      }
    rows[name] = row
  return rows


def _printed(scores, model: str, metric: str) -> float:
  return float(100 * scores.get(model, "", metric)[0].printed.value)


def counts(paper: str, table: str) -> dict[str, list[int]]:
  """The rows of one of a paper's tables of counts."""
  rows = held(paper)["tables"][table]["rows"]
  return {name: [*map(count, row)] for name, row in rows.items()}


def row(paper: str, model: str) -> dict:
  """The published row, ready for a report; ratios in 0..1.

  Returns:
    as `liver.row`, with no balanced_accuracy and no per_class, n None where it is not
    known, and beside them: `classes`; `data` and `split`, in words; `accuracy_sd` over
    folds or None; `bound`, "at least" or "at most" where accuracy is only that;
    `derived`, whether it only follows from what is printed; `parts`, {part: accuracy}
    of further columns.

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
    "n": printed.get("n"),
    "accuracy": _ratio(printed["accuracy"]),
    "accuracy_sd": _ratio(printed.get("sd")),
    "bound": printed.get("bound", ""),
    "derived": printed["derived"],
    "balanced_accuracy": None,
    "parts": {k: _ratio(v) for k, v in printed.get("parts", {}).items()},
    "per_class": [],
    "private": False,
    "caveats": [*found["caveats"], *printed.get("caveats", ()), *caveats(found, model)],
  }


def _ratio(percent: float | None) -> float | None:
  return None if percent is None else round(percent / 100, 6)
