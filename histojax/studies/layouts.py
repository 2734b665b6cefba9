"""The papers' own tables with a study's numbers, and the published ones in other rows.

Every row says whose it is: OURS, or PUBLISHED with the paper's images and split, which
are never those of the study. Scores are in %.
"""

import functools

import numpy as np

from histojax import published
from histojax.errors import InputError
from histojax.studies.words import metric_words, signed

OURS, PUBLISHED, NONE = "ours", "published", "–"
MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
PLACES = ("stage 2", "stage 3", "stage 4", "stage 5", "all")
MEAN = "mean"


def tables(study: dict, rows: list[dict], classes) -> list[dict]:
  """Of the study's layout: title, head and rows of text, the source in column two.

  Args:
    rows: of `gather.row`, with `difference`; those without scores show a dash.
  """
  make = LAYOUTS.get(study.get("layout") or "plain", plain)
  held = {row["name"]: row for row in rows}
  return list(make(study, held, [str(name) for name in classes]))


def column_of(study: dict, name: str) -> tuple[str, str]:
  """('DenseNet121', '40X') of a variant 'DenseNet121, 40X'; ('', name) of others."""
  row, _, column = name.rpartition(", ")
  if study.get("layout") in BY_MAGNIFICATION and row and column in MAGNIFICATIONS:
    return row, column
  return name, ""


def baseline_of(study: dict, name: str) -> str:
  """The variant that `name` is measured against.

  Where a baseline is a kind of them ('ResNet50, 40X', 'ResNet50, 100X'), it is that
  with the same magnification, or the same values of a grid.
  """
  given, column = study["baseline"], column_of(study, name)[1]
  if given in study["variants"] and not column:
    return given
  kind, words = column_of(study, given)[0], name.split(", ")
  same = (", ".join([kind, *words[at:]]) for at in range(1, len(words)))
  return next((n for n in same if n in study["variants"]), given)


def plain(study, held, classes):
  return ()


def liver(study, held, classes):
  """Tables 5 and 6: recall by class and accuracy; precision, recall and F1 by class."""
  five, six = [], []
  for name, row in held.items():
    ours, theirs = row.get("scores"), _published(study, name)
    each = ours["per_class"] if ours else [None] * len(classes)
    five.append([name, OURS])
    five[-1] += [_percent(one and one["recall"]["value"]) for one in each]
    five[-1].append(_percent(ours and ours["accuracy"]["value"]))
    printed = {c["class"]: c for c in (theirs or {}).get("per_class", ())}
    if theirs:
      cells = [_percent(printed.get(k, {}).get("recall"), 2) for k in classes]
      five.append([name, PUBLISHED, *cells, _percent(theirs["accuracy"], 2)])
    for k, one in zip(classes, each, strict=True):
      scores = [one and one[m]["value"] for m in ("precision", "recall", "f1")]
      six.append([f"{name}, {k}", OURS, *map(_percent, scores)])
      if k in printed:
        cells = [printed[k].get(m) for m in ("precision", "recall", "f1")]
        six.append([f"{name}, {k}", PUBLISHED, *(_percent(v, 2) for v in cells)])
  about = "ours: source images, their rotations averaged"
  yield {
    "title": f"Table 5: accuracy by differentiation type, % ({about})",
    "head": ["classifier", "source", *classes, "accuracy"],
    "rows": five,
  }
  yield {
    "title": f"Table 6: evaluation indexes, % ({about})",
    "head": ["classifier and type", "source", "precision", "recall", "F1"],
    "rows": six,
  }


def cervix(study, held, classes):
  """Table I: mean and deviation of the accuracy over folds."""
  rows = []
  for name, row in held.items():
    means = row.get("means") or {}
    balanced = [_spread(means.get(m)) for m in ("accuracy", "balanced_accuracy")]
    rows.append([name, OURS, *balanced])
    if theirs := _published(study, name):
      sd = theirs["accuracy_sd"]
      printed = _percent(theirs["accuracy"], 2)
      printed += f" ± {100 * sd:.2f}" if sd is not None else ""
      rows.append([name, PUBLISHED, printed, NONE])
  yield {
    "title": "Table I: accuracy over folds, %, mean ± standard deviation",
    "head": ["method", "source", "accuracy", "balanced accuracy"],
    "rows": rows,
  }


def dala(study, held, classes):
  """Accuracy, precision, recall, F1 and G-mean at each magnification, and the mean."""
  names = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "g_mean")
  networks = _rows_of(study, held)
  for column in (*MAGNIFICATIONS, MEAN):
    rows = []
    for network in networks:
      scores = [over_columns(held, network, name, column) for name in names]
      rows.append([network, OURS, *map(_percent, scores)])
      if network == "DALAResNet50":
        theirs = _published(study, column)
        rows.append([network, PUBLISHED, _printed_as(theirs), *[NONE] * 4])
    where = "mean of the magnifications" if column == MEAN else column
    yield {
      "title": f"{where}, % (precision, recall, F1: means over both classes)",
      "head": ["model", "source", "accuracy", "precision", "recall", "F1", "G-mean"],
      "rows": rows,
    }


def breakhis_vgg(study, held, classes):
  """Tables 2 to 4 and the numbers of Figure 4: accuracy at each magnification."""
  columns = (*MAGNIFICATIONS, MEAN)
  rows = []
  for column in MAGNIFICATIONS:
    counts = held.get(f"focal, {column}", {}).get("images") or [None] * len(classes)
    known = None not in counts
    rows.append([column, OURS, *(f"{n:,}" if known else NONE for n in counts)])
    rows[-1] += [f"{sum(counts):,}" if known else NONE]
  yield {
    "title": "Table 2: images of each class by magnification (augmented as they train)",
    "head": ["magnification", "source", *classes, "in all"],
    "rows": rows,
  }

  def accuracies(named: dict[str, str], published_too: str = ""):
    for setting, title in named.items():
      scores = [over_columns(held, setting, "accuracy", c) for c in columns]
      yield [title, OURS, *map(_percent, scores)]
      if setting == published_too:
        found = [_published(study, c) for c in MAGNIFICATIONS]
        cells = [
          _printed_as(one) for one in (*found, _published(study, "VGG with focal loss"))
        ]
        yield [title, PUBLISHED, *cells]

  losses = {k: k for k in ("cross entropy", "weighted cross entropy", "focal")}
  whole = {"focal": "VGG with focal loss"}
  for title, named, theirs in (
    ("Table 3: loss functions, accuracy in %", losses, ""),
    ("Table 4: by magnification, accuracy in %", whole, "focal"),
    ("Figure 4: training strategies, accuracy in %", STRATEGIES, ""),
  ):  # fmt: skip
    head = ["setting", "source", *columns]
    yield {"title": title, "head": head, "rows": [*accuracies(named, theirs)]}


def crc(study, held, classes):
  """Table 2: accuracy on three parts; and the freeze depth."""
  tables = {"network": [], "frozen": []}
  for name, row in held.items():
    kind, _, what = name.rpartition("frozen: ")
    parts = row.get("parts") or {}
    test = (row.get("means") or {}).get("accuracy", {}).get("mean")
    scores = [parts.get("train"), parts.get("validation"), test]
    if name.startswith("frozen: "):
      trained = row.get("trained_parameters")
      cells = [f"{trained:,}" if trained else NONE, *map(_percent, scores)]
      tables["frozen"].append([what, OURS, *cells])
      continue
    tables["network"].append([name, OURS, *map(_percent, scores)])
    if theirs := _published(study, name):
      told = theirs["parts"]
      cells = [told.get("train"), told.get("validation"), theirs["accuracy"]]
      tables["network"].append([name, PUBLISHED, *(_percent(v, 1) for v in cells)])
  columns = ["100,000: trained on", "100,000: held out", "CRC-VAL-HE-7K"]
  yield {
    "title": "Table 2: accuracy in %",
    "head": ["network", "source", *columns],
    "rows": tables["network"],
  }
  if tables["frozen"]:
    yield {
      "title": "Freeze depth of the fine-tuned ResNet50, accuracy in %",
      "head": ["frozen", "source", "trained parameters", *columns],
      "rows": tables["frozen"],
    }


def placement(study, held, classes):
  """The score of every block in every place, and its difference to no block."""
  blocks = dict.fromkeys(name.rpartition(", ")[0] for name in held if ", " in name)
  rows = []
  for block in blocks:
    cells = []
    for place in PLACES:
      row = held.get(f"{block}, {place}", {})
      score = _percent((row.get("means") or {}).get(study["metric"], {}).get("mean"))
      told = row.get("difference") or {}
      score += f" ({signed(told['value'])})" if "value" in told else ""
      cells.append(score)
    rows.append([block, OURS, *cells])
  none = (held.get(study["baseline"], {}).get("means") or {}).get(study["metric"], {})
  rows.append([study["baseline"], OURS, *[_percent(none.get("mean"))] * len(PLACES)])
  what = metric_words(study["metric"])
  yield {
    "title": f"{what} in % by block and place (difference to none at all, in points)",
    "head": ["block", "source", *PLACES],
    "rows": rows,
  }


LAYOUTS = {
  "plain": plain,
  "liver": liver,
  "cervix": cervix,
  "dala": dala,
  "breakhis_vgg": breakhis_vgg,
  "crc": crc,
  "placement": placement,
}
BY_MAGNIFICATION = ("dala", "breakhis_vgg")
STRATEGIES = {  # variants of the VGG study by the paper's words
  "neither": "neither",
  "augmentation": "augmentation",
  "transfer": "transfer",
  "focal": "transfer and augmentation",
}


def _published(study: dict, model: str) -> dict | None:
  """The paper's row, or None where it prints none."""
  return _printed(f"{study['paper']}/{model}") if study.get("paper") else None


@functools.cache
def _printed(key: str) -> dict | None:
  try:
    return published.find(key)
  except InputError:
    return None


def source(study: dict, names) -> dict | None:
  """The paper behind a layout's published rows: paper, doi, table, data, split and the
  caveats of all of them, once each; None where there is none."""
  columns = [*MAGNIFICATIONS, MEAN] if study.get("layout") in BY_MAGNIFICATION else []
  rows = [row for name in (*names, *columns) if (row := _published(study, name))]
  if not rows:
    return None
  caveats = dict.fromkeys(caveat for row in rows for caveat in row["caveats"])
  about = {k: rows[0][k] for k in ("paper", "doi", "table", "data", "split")}
  return about | {"caveats": [*caveats]}


def _rows_of(study, held) -> list[str]:
  return [*dict.fromkeys(column_of(study, name)[0] for name in held)]


def over_columns(held, name: str, metric: str, column: str) -> float | None:
  """A mean score of 'name, column'; of MEAN over all magnifications, if none lacks."""
  columns = MAGNIFICATIONS if column == MEAN else (column,)
  rows = [held.get(f"{name}, {one}", {}).get("means") for one in columns]
  return float(np.mean([row[metric]["mean"] for row in rows])) if all(rows) else None


def _percent(ratio, digits: int = 1) -> str:
  return NONE if ratio is None or ratio != ratio else f"{100 * ratio:.{digits}f}"


def _spread(told: dict | None) -> str:
  if not told:
    return NONE
  sd = f" ± {100 * told['sd']:.1f}" if told["sd"] is not None else ""
  return _percent(told["mean"]) + sd


def _printed_as(theirs: dict | None) -> str:
  """'98.50', '≥ 97.00', '≤ 96.84 (derived)' of a published row."""
  if not theirs:
    return NONE
  sign = {"at least": "≥ ", "at most": "≤ "}.get(theirs["bound"], "")
  return sign + _percent(theirs["accuracy"], 2) + " (derived)" * theirs["derived"]
