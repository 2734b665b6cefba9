"""Two configs side by side: what does this attention block cost?"""

from histojax.profiling import page, trace
from histojax.profiling.result import Result

# the ceilings and the process are the same for both
SHARED = {"peak", "large copy", "large product"}


def compare(profile: dict, ours: Result, theirs: Result, names: list[str]) -> None:
  """Puts tables of difference and ratio before those of `ours` in its profile."""
  profile["title"] += f", against {names[1]}"
  for table in profile["tables"]:
    table["brief"] = 0

  def table(title, word, rows):
    columns = [word, *names, "difference", "ratio"]
    made = {"title": title, "columns": columns, "rows": rows, "kind": "measured"}
    return made | {"brief": len(rows)}

  other = {fact["name"]: fact["value"] for fact in theirs.facts()}
  figures = []
  for fact in ours.facts():
    if fact["name"] in other.keys() - SHARED:
      label = f"{page.KINDS[fact['kind']]} {fact['name']}, {fact['unit']}"
      figures.append(_row(label, fact["value"], other[fact["name"]]))
  figures.append(_row("○ parameters", ours.parameters, theirs.parameters))
  kinds = ours.kinds(), theirs.kinds()
  by_kind = [_row(k, *(t[k] * 1e3 for t in kinds)) for k in trace.KINDS]
  by_kind.append(_row("step, p50", ours.step * 1e3, theirs.step * 1e3))
  stages = ours.stages(), theirs.stages()
  by_stage = [
    _row(k, *(t.get(k, 0.0) * 1e3 for t in stages)) for k in stages[0] | stages[1]
  ]
  profile["against"] = {"title": names[1], "facts": theirs.facts()}
  profile["tables"][:0] = [
    table("Time by kind, ms per step", "kind", [r for r in by_kind if r[1] or r[2]]),
    table("Time by stage, ms per step", "stage", by_stage),
    table("Side by side", "figure", figures),
  ]
  profile["notes"].append(
    f"The two were measured in turns. Figures of {names[0]} alone stand first."
  )


def _row(name: str, ours: float, theirs: float) -> list:
  return [name, ours, theirs, ours - theirs, ours / theirs if theirs else None]
