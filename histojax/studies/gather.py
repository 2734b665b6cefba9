"""What the members of a study have left: scores, differences and cost by variant."""

import collections
import dataclasses
import re

import numpy as np

from histojax import drawings, runs, trainings
from histojax.errors import InputError
from histojax.evaluation import comparison, convergence, paired, pooled
from histojax.evaluation.confusion import SCALARS, confusion_matrix, metrics
from histojax.studies import cost

FINISHED, FAILED, MISSING = "finished", "failed", "missing"
_COUNT = re.compile(r"\d{1,3}(?:,\d{3})+|\d+")
CURVES = {  # what training is seen by: the first that was recorded
  "validation": "balanced_accuracy", "test": "balanced_accuracy", "train": "accuracy",
}  # fmt: skip


@dataclasses.dataclass
class Variant:
  """One variant's members, and of the finished ones what they left."""

  name: str
  members: list[dict]
  held: dict[tuple[int, int], pooled.Training]  # by (fold, seed)
  reports: list[dict]
  histories: list[dict]  # `drawings.history`

  def pool(self, cells=None) -> dict | None:
    """Of the trainings of `cells`, those that make whole folds; None where none do."""
    cells = whole(cells if cells is not None else self.held)
    held = [self.held[cell] for cell in cells]
    return pooled.pool(self.name, held) if held else None


def whole(cells) -> list[tuple[int, int]]:
  """The (fold, seed) of a set of which every seed has every fold.

  Folds that some seed lacks are left out; where that leaves nothing, the seed with the
  most folds stands alone.
  """
  cells = sorted(set(cells))
  seeds = sorted({seed for _, seed in cells})
  full = [c for c in cells if all((c[0], seed) in cells for seed in seeds)]
  if full or not cells:
    return full
  most = max(seeds, key=lambda seed: sum(seed == s for _, s in cells))
  return [cell for cell in cells if cell[1] == most]


def variants(study: dict, members: list[dict]) -> dict[str, Variant]:
  """All variants of a study by name, in its order; members that cannot be read failed.

  Args:
    members: dicts of name, fold (or None), seed, path, state and error.
  """
  names = dict.fromkeys([*study["variants"], *(m["name"] for m in members)])
  found = {name: Variant(name, [], {}, [], []) for name in names}
  for member in members:
    variant = found[member["name"]]
    told = {k: member.get(k) for k in ("name", "fold", "seed")}
    told |= {"path": str(member["path"]), "state": FINISHED, "error": ""}
    fold, seed = member.get("fold") or 0, member["seed"]
    folder = runs.RunFolder(member["path"])
    try:
      report = trainings.report(folder.path)
      training = trainings.read(folder.path, report, seed, fold)
    except InputError as error:
      failed = member.get("state") == FAILED or folder.report.exists()
      told["state"] = FAILED if failed else MISSING
      told["error"] = member.get("error") or (str(error) if failed else "")
    else:
      variant.held[fold, seed] = training
      variant.reports.append(report)
      variant.histories.append(_history(folder, report))
    variant.members.append(told)
  return found


def _history(folder, report) -> dict:
  told, rows = report["training"], folder.metric_rows()
  if not any("loss" in row for row in rows):
    return {}
  return drawings.history(rows, max(1, round(told["steps"] / told["epochs"])))


def row(variant: Variant, metric: str) -> dict:
  """What one variant came to, JSON-ready; scores are absent where nothing finished."""
  states = [member["state"] for member in variant.members]
  found = {"name": variant.name, "members": variant.members}
  found |= {state: states.count(state) for state in (FINISHED, FAILED, MISSING)}
  if not variant.held:
    return found
  each = [_metrics(training.rows) for training in variant.held.values()]
  found["means"] = {
    name: {
      "mean": float(np.mean([one[name] for one in each])),
      "sd": float(np.std([one[name] for one in each], ddof=1)) if each[1:] else None,
    }
    for name in SCALARS
  }
  try:
    pool = variant.pool()
    found["scores"] = pooled.score(pool)
    found["repeated"] = pooled.repeated_score(pool, metric)
  except InputError as error:  # folds that overlap: no image may count twice
    found["why"] = str(error)
  found["parts"] = _parts(variant.reports)
  # whether each training is better than every baseline without a network
  verdicts = [report.get("verdict", {}) for report in variant.reports]
  found["beats"] = [told.get("beats_baselines") for told in verdicts]
  found |= cost.of(variant.reports) | _soon(variant.histories)
  return found


def _metrics(rows: dict) -> dict:
  matrix = confusion_matrix(rows["label"], rows["prediction"], len(rows["classes"]))
  return {name: float(metrics(matrix)[name]) for name in SCALARS}


def _parts(reports: list[dict]) -> dict[str, float]:
  """Mean accuracy of further parts: {'train': 0.99, ...}."""
  parts = {part for report in reports for part in report.get("parts") or {}}
  return {
    part: float(np.mean([r["parts"][part]["accuracy"]["value"] for r in reports]))
    for part in sorted(parts)
    if all(part in (r.get("parts") or {}) for r in reports)
  }


def _soon(histories: list[dict]) -> dict:
  """Epochs until within 1 % of the final score: mean, and the part that tells."""
  told = [history for history in histories if history]
  for part, metric in CURVES.items():
    curves = [history[part] for history in told if metric in history.get(part, ())]
    if curves and len(curves) == len(told):
      found = [convergence.epochs_to_within(c["x"], c[metric]) for c in curves]
      if None not in found:
        return {"epochs": float(np.mean(found)), "epochs_on": part}
  return {"epochs": None, "epochs_on": ""}


def compare(found: dict[str, Variant], pairs: dict[str, str], metric: str) -> dict:
  """{variant: its difference to its baseline}, on the members that both have.

  Args:
    pairs: {variant: baseline}.

  Returns:
    of each value, low, high (paired bootstrap over groups), p, p_holm (over all pairs
    here), groups, images, detectable, groups_needed, members; repeated (over folds or
    seeds, or None); or only baseline and `why`, where there is none.
  """
  differences = {}
  for name, baseline in pairs.items():
    told = {"baseline": baseline}
    ours, theirs = found[name], found.get(baseline)
    try:
      told |= _difference(ours, theirs, metric)
    except InputError as error:
      told["why"] = str(error)
    differences[name] = told
  tested = [told for told in differences.values() if "p" in told]
  for told, p in zip(tested, paired.holm([t["p"] for t in tested]), strict=True):
    told |= {"p_holm": float(p), "comparisons": len(tested)}
  return differences


def _difference(ours: Variant, theirs: Variant | None, metric: str) -> dict:
  common = whole(ours.held.keys() & (theirs.held if theirs else {}).keys())
  if not common:
    raise InputError("no member of both is finished")
  pools = {v.name: v.pool(common) for v in (ours, theirs)}
  found = comparison.compare(comparison.align(pools), metric)
  (pair,) = found["pairs"]
  ends = pair["low"], pair["high"]
  if pair["first"] != ours.name:
    pair["value"], ends = -pair["value"], (-pair["high"], -pair["low"])
  keys = ("value", "p", "detectable", "groups_needed", "images_differing")
  return {k: pair[k] for k in keys} | {
    "low": ends[0],
    "high": ends[1],
    "groups": found["groups"],
    "images": found["images"],
    "members": len(common),
    "repeated": pooled.repeated_difference(*pools.values(), metric),
  }


def images(reports: list[dict]) -> list[int] | None:
  """How many of each class the data set holds; None where nothing is finished."""
  for report in reports:
    return [row["images"] for row in report["dataset"]["per_class"]]
  return None


def doubts(found: dict[str, Variant]) -> list[str]:
  """What the members' own reports warn of, each kind once, and of which variants."""
  told, names = collections.defaultdict(list), collections.defaultdict(dict)
  for variant in found.values():
    for report in variant.reports:
      for doubt in report.get("verdict", {}).get("doubts", ()):
        kind = _COUNT.sub("#", doubt)
        told[kind].append(doubt)
        names[kind][variant.name] = None
  every = {variant.name for variant in found.values() if variant.reports}
  return [
    f"{', '.join(names[kind])}: " * ({*names[kind]} != every) + _as_one(said)
    for kind, said in told.items()
  ]


def _as_one(said: list[str]) -> str:
  """Sentences that differ in their counts alone: '6 to 8 slides cross.'"""
  columns = zip(*(_COUNT.findall(one) for one in said), strict=True)
  ends = ([f(c, key=_count) for f in (min, max)] for c in columns)
  return _COUNT.sub(lambda _: " to ".join(dict.fromkeys(next(ends))), said[0])


def _count(text: str) -> int:
  return int(text.replace(",", ""))
