"""The study's own table: a row for each variant, as text for people and as numbers."""

from histojax.evaluation.comparison import points
from histojax.evaluation.verdict import counted, number
from histojax.studies.words import signed

NONE = "–"
PARTS = {
  "validation": "final validation score",
  "test": "final test score (which chose)",
  "train": "final training accuracy, as nothing else was looked at",
  "": "final score",
}
RAW = (
  "variant", "mean", "sd", "trainings", "failed", "missing", "pooled", "pooled_low",
  "pooled_high", "baseline", "difference", "difference_low", "difference_high", "p",
  "p_holm", "folds_low", "folds_high", "folds_p", "parameters", "trained_parameters",
  "macs", "images_per_second", "peak_memory_bytes", "minutes_each", "minutes_in_all",
  "epochs_to_1_percent", "epochs_on",
)  # fmt: skip


def shown(content: dict) -> dict:
  """{title, head, rows} of text; what is not known is a dash."""
  metric, unit = content["metric_words"], content["unit"]
  head = [
    "variant",
    f"{metric}, mean ± sd",
    f"pooled (95 % CI over {unit}s)",
    "difference, points (95 % CI)",
    "p",
    "p (Holm)",
    "trainings",
    "parameters",
    "GMAC",
    "images/s",
    "peak memory",
    "minutes each",
    "epochs to 1 %",
  ]
  rows = [_shown(row, content) for row in content["rows"]]
  return {"title": f"{content['title']}: {metric}", "head": head, "rows": rows}


def _shown(row: dict, content: dict) -> list[str]:
  means = row.get("means", {}).get(content["metric"], {})
  pooled = row.get("scores", {}).get(content["metric"], {})
  digits = 3 if row.get("scores", {}).get("n", 0) >= 1000 else 2
  mean, sd = means.get("mean"), means.get("sd")
  score = number(mean, digits) + (f" ± {number(sd, digits)}" if sd is not None else "")
  told = row.get("difference", {})
  difference = NONE
  if "difference" not in row:
    difference = "baseline"
  elif "value" in told:
    difference = signed(told["value"])
    if told["low"] == told["low"]:
      difference += f" ({points(told['low'])} to {points(told['high'])})"
  memory = row.get("peak_memory")
  memory = memory and f"{memory / 2**30:.2f} GiB"
  if memory and row["peak_memory_bound"]:
    memory = f"≤ {memory}"
  epochs = row.get("epochs")
  return [
    row["name"],
    score,
    _with_span(pooled, digits),
    difference,
    _p(told.get("p")),
    _p(told.get("p_holm")),
    _trainings(row),
    f"{row['parameters']:,}" if row.get("parameters") else NONE,
    f"{row['macs'] / 1e9:.3f}" if row.get("macs") else NONE,
    f"{row['images_per_second']:,.1f}" if row.get("images_per_second") else NONE,
    memory or NONE,
    f"{row['minutes']:.1f}" if row.get("minutes") is not None else NONE,
    f"{epochs:.1f}" if epochs is not None else NONE,
  ]


def on_screen(content: dict):
  """Yields (title, head, rows) of two tables narrow enough for 80 columns: scores, and
  cost."""
  held = content["tables"][0]
  head = ["variant", "mean ± sd", "95 % CI", "points", "95 % CI", "p (Holm)", "done"]
  rows = []
  for name, score, whole, difference, _, p, done, *_ in held["rows"]:
    _, _, span = whole.rstrip(")").partition(" (")
    between, _, ends = difference.rstrip(")").partition(" (")
    done = done.partition(":")[0].replace(" of ", "/")
    rows.append([name, score, span, between, ends, p, done])
  yield held["title"], head, rows
  cost = slice(7, None)
  head = ["variant", "parameters", "GMAC", "images/s", "memory", "min", "epochs to 1 %"]
  yield "What it costs", head, [[row[0], *row[cost]] for row in held["rows"]]


def _with_span(score: dict, digits: int) -> str:
  low, high = number(score.get("low"), digits), number(score.get("high"), digits)
  span = f" ({low}–{high})" if low != NONE else ""
  return number(score.get("value"), digits) + span


def _p(p) -> str:
  return NONE if p is None or p != p else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _trainings(row: dict) -> str:
  """'5', or '3 of 5: 1 failed, 1 missing'."""
  total, lost = len(row["members"]), []
  for state in ("failed", "missing"):
    lost += [f"{row[state]} {state}"] if row[state] else []
  done = f"{row['finished']}"
  return f"{done} of {total}: {', '.join(lost)}" if lost else done


def repeated(content: dict) -> dict | None:
  """The corrected resampled t intervals over folds, or Student's over seeds; None where
  every variant was trained once."""
  rows = []
  for row in content["rows"]:
    own = row.get("repeated") or {}
    if own.get("count", 0) < 2:
      continue
    between = (row.get("difference") or {}).get("repeated") or {}
    cells = [number(own[k], 3) for k in ("mean", "low", "high")]
    span = NONE if own["low"] != own["low"] else " to ".join(cells[1:])
    rows.append([row["name"], own["over"], cells[0], span])
    known = between and between["low"] == between["low"]
    ends = [points(between[k]) for k in ("low", "high")] if known else []
    rows[-1] += [signed(between["mean"]) if between else NONE]
    rows[-1] += [" to ".join(ends) or NONE, _p(between.get("p"))]
  if not rows:
    return None
  head = ["variant", "over", "mean", "95 % CI", "difference, points", "95 % CI", "p"]
  title = "Over trainings: folds by the corrected resampled t interval, seeds by t"
  return {"title": title, "head": head, "rows": rows}


def raw(content: dict) -> tuple[list[str], list[list[str]]]:
  """(head, rows) of numbers in full, empty where not known."""
  rows = []
  for row in content["rows"]:
    means = row.get("means", {}).get(content["metric"], {})
    pooled = row.get("scores", {}).get(content["metric"], {})
    told = row.get("difference") or {}
    folds = told.get("repeated") or {}
    values = [
      row["name"], means.get("mean"), means.get("sd"), row["finished"], row["failed"],
      row["missing"], *(pooled.get(k) for k in ("value", "low", "high")),
      told.get("baseline"), *(told.get(k) for k in ("value", "low", "high", "p")),
      told.get("p_holm"), *(folds.get(k) for k in ("low", "high", "p")),
    ]  # fmt: skip
    values += [
      row.get(k)
      for k in (
        "parameters", "trained_parameters", "macs", "images_per_second", "peak_memory",
        "minutes", "total_minutes", "epochs", "epochs_on",
      )
    ]  # fmt: skip
    rows.append(["" if v is None or v != v else str(v) for v in values])
  return list(RAW), rows


def notes(content: dict, reports: list[dict]) -> list[str]:
  """How the numbers were made, and what they are not."""
  unit, rows = content["unit"], content["rows"]
  on = {row.get("epochs_on", "") for row in rows} - {""}
  said = [
    f"Differences: paired bootstrap over {unit}s on the images both were tested on,"
    " folds pooled and seeds averaged; p from exchanging whole"
    f" {unit}s, Holm-corrected over all comparisons of the table.",
    "Mean and sd are over trainings. Folds share training images, so the sd is not the"
    " error of the mean.",
    "GMAC: multiply-accumulates of one image, forward, counted from shapes. Images/s,"
    " memory and minutes are measured in these very trainings, with whatever else ran"
    " beside them (another variant's compilation, say).",
  ]
  for whose in sorted({row.get("peak_memory_whose", "") for row in rows} - {""}):
    said.append(f"Peak memory is that of the whole {whose}, images included.")
  if any(row.get("peak_memory_bound") for row in rows):
    said.append("≤: the process had held that much before this variant began.")
  for part in sorted(on):
    said.append(
      f"Epochs to 1 %: until training came to within 1 % of its {PARTS[part]}."
    )
  if resumed := sum(row.get("resumed", 0) for row in rows):
    said.append(
      f"{counted(resumed, 'training')} went on after a stop: minutes are of the last"
      " session only."
    )
  if beside := sum(row.get("on_features", 0) for row in rows):
    said.append(
      f"{counted(beside, 'training')} trained a head beside others on features that a"
      " frozen backbone had said before: images/s are of all these heads together,"
      " minutes are each one's share, and the backbone's own pass is in neither."
    )
  places = dict.fromkeys(_place(report.get("environment", {})) for report in reports)
  if names := [*filter(None, places)]:
    said.append(f"Measured on {' and '.join(names)}.")
  said += [f"{row['name']}: {row['why']}" for row in rows if row.get("why")]
  for row in rows:
    if (told := row.get("difference") or {}).get("why") and row["finished"]:
      said.append(f"{row['name']} against {told['baseline']}: {told['why']}")
  return said


def _place(environment: dict) -> str:
  """'1 x cpu (cpu), 2 cores of AMD EPYC'."""
  cores, name = environment.get("cores"), environment.get("processor")
  where = f", {cores} cores of {name}" if cores and name else ""
  return environment.get("devices", "") + where
