"""What can, and what cannot, be concluded from a study, in plain sentences."""

from histojax.evaluation.comparison import WORDS, points, probability
from histojax.evaluation.verdict import counted

LEVEL = 0.05
_LISTED = 6  # differences that a sentence may list


def sentences(study: dict, rows: list[dict], about: dict) -> list[str]:
  """The conclusion first, then what limits it.

  Args:
    rows: of `gather.row` with `difference`.
    about: unit (what a group is called), synthetic, quick, doubts.
  """
  told = {r["name"]: r["difference"] for r in rows if "p" in r.get("difference", {})}
  said = [*_conclusion(study, told, about["unit"])] or [
    "Nothing is compared: there is one variant."
    if len(rows) == 1
    else "Nothing can be concluded: no variant shares a finished member with its"
    f" baseline ({study['baseline']})."
  ]
  said[1:1] = _against_baselines(rows)
  said += _lacking(rows)
  if about["synthetic"]:
    said.append("SYNTHETIC images: this says nothing about patients.")
  if about["quick"]:
    said.append(
      "A quick study (small images, few epochs): it shows that the study runs, not"
      " which variant is better."
    )
  if told and max(len({m["seed"] for m in row["members"]}) for row in rows) == 1:
    said.append(
      "One seed each: what another seed would change is not part of these intervals."
    )
  return said + about["doubts"]


def _conclusion(study, told: dict, unit: str):
  if not told:
    return
  metric, groups = metric_words(study["metric"]), _range(told, "groups")
  noun = f"{unit}s" if groups != "1" else unit
  where = f"with {groups} {noun}"
  sure = {name: d for name, d in told.items() if d["p_holm"] < LEVEL}
  open_ = {name: d for name, d in told.items() if name not in sure}
  for better, word in ((True, "better"), (False, "worse")):
    found = {k: d for k, d in sure.items() if (d["value"] > 0) == better}
    if found:
      listed = "; ".join(_listed(found, study))
      yield f"Distinguishable {where}, {word} in {metric}: {listed}."
  against = {d["baseline"] for d in told.values()}
  baseline = against.pop() if len(against) == 1 else "their baselines"
  if open_:
    listed = "; ".join(_listed(open_, study))
    if len(told) == 1:
      (name,) = open_
      first = f"{where.capitalize()} {name} is not distinguishable from {baseline}"
      yield f"{first} in {metric}: {listed}."
    elif sure:
      yield f"Not distinguishable from {baseline} {where}: {listed}."
    else:
      count = f"none of these {len(open_)} is distinguishable from {baseline}"
      yield f"{where.capitalize()} {count} in {metric}: {listed}."
  seen = [d["detectable"] for d in told.values() if d["detectable"] > 0]  # no NaN
  if seen:
    low, high = (points(f(seen)) for f in (min, max))
    span = low if low == high else f"{low} to {high}"
    alone = ", each comparison by itself" * (len(told) > 1)
    yield (
      f"{where.capitalize()}, differences of {span} points are seen four times in five"
      f" (80 % power{alone}), smaller ones less often."
    )
  for name, difference in sure.items():
    again = difference["repeated"] or {}
    if again.get("p", 0) >= LEVEL:
      yield (
        f"Over folds alone {name} is not distinguishable (corrected resampled t test,"
        f" {probability(again['p'])})."
      )


def _listed(told: dict, study):
  """'SENet – ResNet50 +0.4 points, -1.1 to 1.9, p = 0.58'; of many, the two ends."""
  order = sorted(told, key=lambda name: -told[name]["value"])
  shown = order if len(order) <= _LISTED else [order[0], order[-1]]
  for name in shown:
    d = told[name]
    if not d["images_differing"]:
      yield f"{name} predicts the same as {d['baseline']} everywhere"
      continue
    said = f"{name} – {d['baseline']} {signed(d['value'])} points"
    if d["low"] == d["low"]:
      said += f" (95 % CI {points(d['low'])} to {points(d['high'])},"
      said += f" {probability(d['p_holm'])})"
    yield said
  if len(order) > len(shown):
    yield f"and {len(order) - 2} in between"


def _against_baselines(rows: list[dict]):
  """How many trainings a colour histogram and its like cannot do as well."""
  each = {row["name"]: row["beats"] for row in rows if row.get("beats")}
  told = [beats for found in each.values() for beats in found]
  if not told or {*told} == {None}:  # no test could tell
    return
  trainings, better = counted(len(told), "training"), told.count(True)
  without = "the baselines without a network (colour histogram and others, p < 0.05)"
  if better == len(told):
    yield f"Each of {trainings} beats {without}."
  elif not better:
    yield (
      f"None of {trainings} beats {without}: differences between such networks say"
      " little."
    )
  else:
    short = [
      f"{name} ({found.count(True)} of {len(found)})"
      for name, found in each.items()
      if found.count(True) < len(found)
    ]
    shown = ", ".join(short[:_LISTED]) + ", ..." * (len(short) > _LISTED)
    yield f"{better} of {trainings} beat {without}; not always {shown}."


def metric_words(metric: str) -> str:
  """'balanced accuracy', 'G-mean'."""
  return WORDS.get(metric, metric.replace("_", " "))


def signed(ratio: float) -> str:
  """A difference in percentage points: '+0.4', '-1.1', and 0.0 without a sign."""
  return f"{'+' * (round(100 * ratio, 1) > 0)}{points(ratio)}"


def _range(told: dict, key: str) -> str:
  values = [d[key] for d in told.values()]
  low, high = min(values), max(values)
  return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _lacking(rows):
  every = [member for row in rows for member in row["members"]]
  for state, words in (("failed", "failed"), ("missing", "not finished yet")):
    lost = [member for member in every if member["state"] == state]
    if lost:
      names = dict.fromkeys(member["name"] for member in lost)
      shown = ", ".join([*names][:_LISTED]) + ", ..." * (len(names) > _LISTED)
      verb = "have" if len(lost) > 1 else "has"
      verb = f" {verb} " if state == "failed" else " are " if len(lost) > 1 else " is "
      yield f"{len(lost)} of {counted(len(every), 'member')}{verb}{words}: {shown}."
