"""The result in words that need no statistics: what a pathologist reads first."""

from histojax.evaluation.verdict import counted, noun
from histojax.evaluation.wording import listed, named

_CLEAR = 0.05  # between claimed and held confidence, from which it is said


def plain(report: dict) -> list[tuple[str, list[str]]]:
  """(question, sentences) of a report (as in `report.write`): what was tested, what it
  got, beside what, and what it does not show."""
  return [
    ("What was tested", [*_tested(report)]),
    ("What it got", [*_got(report)]),
    ("Beside what is simple", [*_beside(report)]),
    ("What this does not show", [*_open(report)]),
  ]


def _tested(report: dict):
  images, name = report["scores"]["images"], noun(report)
  classes = [named(c) for c in report["dataset"]["classes"]]
  which = f": {listed(classes)}" if len(classes) <= 9 else ""
  of = f" of {counted(images['groups'], name)}" if _grouped(report) else ""
  of += " (patients, slides: what the data call a group)" * (name == "group")
  yield (
    f"A computer program (a neural network) was shown {counted(images['n'], 'image')}"
    f"{of} and named one of {len(classes)} classes for each{which}."
  )
  if report["dataset"]["synthetic"]:
    yield "A computer drew all images: no patient is in them."
  if over := report.get("folds"):
    yield (
      f"It was trained {over['count']} times, each time without a part of the images,"
      " which it then named."
    )
  split = report["split"]
  leaked, same = split.get("shared_groups") or 0, split.get("shared_identical") or 0
  if not _grouped(report):
    if not same:
      yield "It had not been trained on these very images."
    yield (
      "Whose images they are is not known: others of the same patients may have trained"
      " it."
    )
  elif leaked:
    have = "has" if leaked == 1 else "have"
    yield f"But {counted(leaked, name)} {have} images among those that trained it, too."
  else:
    yield f"No image of these {name}s had trained it."
  if same:
    yield f"{same:,} of the pictures trained it, too, pixel by pixel."


def _got(report: dict):
  images, name = report["scores"]["images"], noun(report)
  rows, matrix = images["per_class"], images["confusion"]
  right = sum(matrix[k][k] for k in range(len(rows)))
  score = images["balanced_accuracy"]
  said = f"Of 100 images it names {_hundred(score['value'])} rightly, if every class"
  said += " counts alike"
  if score["low"] is not None and score["low"] == score["low"]:
    said += f"; of {name}s like these in general, from {_hundred(score['low'])} to"
    said += f" {_hundred(score['high'])} (95 % interval)"
  yield f"{said}. Counted one by one: {right:,} of {images['n']:,}."
  if groups := report["scores"].get("groups"):
    held = groups["confusion"]
    share = sum(held[k][k] for k in range(len(held)))
    yield f"By {name}, its images taken together: {share:,} of {groups['n']:,}."
  found = [
    (row["recall"]["value"], k) for k, row in enumerate(rows) if row["support"] > 0
  ]
  if len(found) > 2 and min(found)[0] < max(found)[0]:
    (_, worst), (_, best) = min(found), max(found)
    yield (
      f"It is best at {_share(rows, matrix, best)} and worst at"
      f" {_share(rows, matrix, worst)}{_taken(rows, matrix, worst)}."
    )
  elif len(found) > 2:
    yield "It finds each class as often."
  elif found:
    yield f"It finds {listed([_share(rows, matrix, k) for _, k in found])}."
  yield from _sure(images.get("reliability"))


def _sure(reliability):
  """Whether its probabilities hold, on average."""
  bins = [row for row in (reliability or {}).get("bins", ()) if row["images"]]
  total = sum(row["images"] for row in bins)
  if not total:
    return
  claimed, held = (
    sum(row[k] * row["images"] for row in bins) / total
    for k in ("confidence", "accuracy")
  )
  claims = f"On average it claims to be {100 * claimed:.0f} % sure, and is right in"
  claims += f" {100 * held:.0f} %"
  if abs(claimed - held) < _CLEAR:
    yield f"{claims}."
  else:
    much = "less" if claimed > held else "more"
    yield f"{claims}: believe its percentages {much} than they say."


def _beside(report: dict):
  base, found = report["baselines"], report.get("against") or {}
  what = {
    "colour_histogram": "colours without shape",
    "mean_rgb": "the average colour",
    "file": "the file alone (its size and kind)",
  }
  held = {k: base[k]["images"]["balanced_accuracy"]["value"] for k in what if k in base}
  told = [f"{_hundred(value)} by {what[k]}" for k, value in held.items()]
  told.append(f"{_hundred(base['chance']['balanced_accuracy'])} by guessing")
  yield f"Of 100 images, so many are named rightly: {listed(told)}."
  beats = report.get("verdict", {}).get("beats_baselines")
  if beats:
    yield "The network does better than all of these, by more than chance explains."
  elif beats is False:
    pairs = found.get("pairs", {})
    left = [what[k] for k in held if pairs.get(k, {}).get("beaten") is False]
    yield (
      f"The network is not shown to do better than {listed(left or ['guessing'])}: it"
      " may see nothing else, and is no help until it does."
    )
  elif found:
    yield "Whether the network does better cannot be told from so few."


def _open(report: dict):
  data, split, name = report["dataset"], report["split"], noun(report)
  if data["synthetic"]:
    yield "Anything about patients: the images are synthetic."
  same = split.get("shared_identical") or 0
  if (split.get("shared_groups") or 0) or same:
    yield f"How it does on new {name}s: these are in part known to it, so it flatters."
  elif not _grouped(report):
    yield "How it does on new patients: whose images these are is not known."
  if (report.get("selection") or {}).get("on") == "test":
    yield (
      "How it does on images that nothing has looked at: these images chose the moment"
      " at which training was stopped, so the result flatters."
    )
  groups = report["scores"]["images"]["groups"]
  if _grouped(report) and groups < 100:
    yield f"A precise figure: {counted(groups, name)} are few, however many images."
  other = "How it does with another laboratory, scanner, stain or population"
  if split.get("protocol") == "predefined":
    yield f"{other} than its test images come from."
  else:
    yield f"{other}: all images come from one data set."
  if report.get("folds"):
    yield "How much another start of training would change: each fold was trained once."
  else:
    yield "How much another start of training would change: it was trained once."
  yield (
    "How a pathologist would do on the same images, or whether anybody is helped: this"
    " was not tested, and nothing here is meant for diagnosis."
  )


def _grouped(report: dict) -> bool:
  """Whether anything is known of patients or slides."""
  return noun(report) != "image"


def _share(rows, matrix, k: int) -> str:
  return f"{named(rows[k]['class'])} ({matrix[k][k]:,} of {rows[k]['support']:,})"


def _taken(rows, matrix, k: int) -> str:
  """', mostly taken for b (3)', where it is mistaken at all."""
  others = [(n, j) for j, n in enumerate(matrix[k]) if j != k and n]
  if not others:
    return ""
  n, j = max(others)
  return f", mostly taken for {named(rows[j]['class'])} ({n:,})"


def _hundred(value) -> str:
  return f"{100 * value:.0f}"
