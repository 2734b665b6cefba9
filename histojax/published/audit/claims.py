"""What the text says of its own tables."""

from collections.abc import Iterator

from histojax.published.audit import confusions, f_scores
from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, named
from histojax.published.audit.printed import parse, percent, rounded


def rule(paper: Paper) -> Iterator[Finding]:
  """Numbers restated, order and equality claimed, and bounds on classes."""
  held = {}
  for claim in paper.held.get("claims", ()):
    check = _KINDS.get(claim["kind"])
    if not check:
      continue
    found = check(paper, claim, paper.scores.get(claim.get("part", "")))
    if found is None:
      held.setdefault(claim["place"], []).append(claim["kind"])
    else:
      yield found
  if held:
    count = sum(map(len, held.values()))
    text = f"Statements about the tables that agree with them: {count}."
    yield Finding("holds", listed(held), text, "claims", numbers={"held": count})


def trained_on(paper: Paper) -> Iterator[Finding]:
  """A score printed as a test's, on the images that the text trains on."""
  found = paper.text("trained_on")
  if not found or found["part"] not in found["said"]:
    return
  if "train" not in found["said"].lower() or "test" not in found["headed"].lower():
    return
  cells = paper.scores[found["part"]].get(found["model"], "", "accuracy")
  value = cells[0].printed.text
  yield Finding(
    "inconsistent", f"{found['table']} and {found['place']}",
    f"{found['model']}: {value} on {found['part']} is headed '{found['headed']}', but"
    f" the text says '{found['said']}'.",
    "claims", found["model"],
  )  # fmt: skip


def _value(scores, model: str, claim: dict):
  """What the table prints; where two tables differ, what both F1 and one allow."""
  wrong = {s.cell: s.right for s in f_scores.suspects(scores)}
  cells = scores.get(model, claim["class"], claim["metric"])
  return next((c.printed for c in cells if c not in wrong), cells and cells[0].printed)


def _restated(paper: Paper, claim: dict, scores) -> Finding | None:
  said = parse(claim["printed"])
  what = named(claim["model"], claim["class"], claim["metric"]) + scores.said
  for cell in scores.get(claim["model"], claim["class"], claim["metric"]):
    value = cell.printed
    about = claim.get("about")  # 'close to 99 %': to that many digits
    if about and rounded(value.value, said.step, "half up") == said.value:
      continue
    if f_scores.agree(value, said) and not about:
      continue
    if cell in [s.cell for s in f_scores.suspects(scores)]:
      continue  # told once, where it is found
    quoted = f"'{claim['said']}'" if "said" in claim else f"{said.text}"
    near = ""
    if about:
      near = (
        f", which is {percent(rounded(value.value, said.step, 'half up'), 0)} rounded"
      )
    text = f"{what}: {value.text} in {cell.place}{near}, {quoted} in the text."
    both = f"{cell.place} and {claim['place']}"
    return Finding("inconsistent", both, text, "claims", claim["model"])
  return None


def _ranked(paper: Paper, claim: dict, scores) -> Finding | None:
  at = {"best": 0, "second": 1}[claim["kind"]]
  values = {m: _value(scores, m, claim) for m in scores.models}
  values = {m: v.value for m, v in values.items() if v}
  above = [m for m in values if values[m] > values[claim["model"]]]
  if len(above) == at:
    return None
  what = named("", claim["class"], claim["metric"]).removeprefix(", ") + scores.said
  text = (
    f"{claim['model']} is said to be {claim['kind']} in {what}, but"
    f" {listed(above) or 'none'} {'is' if len(above) < 2 else 'are'} above it."
  )
  return Finding("inconsistent", claim["place"], text, "claims", claim["model"])


def _order(paper: Paper, claim: dict, scores) -> Finding | None:
  first, second = claim["models"]
  values = [_value(scores, m, claim) for m in claim["models"]]
  right = values[0].value > values[1].value
  if claim["kind"] == "equal":
    right = values[0].value == values[1].value
  if right:
    return None
  words = "equal to" if claim["kind"] == "equal" else "above"
  what = named("", claim["class"], claim["metric"]).removeprefix(", ") + scores.said
  text = (
    f"{first} is said to be {words} {second} in {what}: {values[0].text} and"
    f" {values[1].text}."
  )
  return Finding("inconsistent", claim["place"], text, "claims")


def _above(paper: Paper, claim: dict, scores) -> Finding | None:
  """Least recalls of some classes against the accuracy of all."""
  n, least = scores.n, {k: parse(v).value for k, v in claim["least"].items()}
  total = n[""]
  low = sum(n[name] * share for name, share in least.items()) / total
  known = _value(scores, claim["model"], {"class": "", "metric": "accuracy"})
  if low <= known.high:
    return None
  each = ", ".join(f"{k} {v} %" for k, v in claim["least"].items())
  text = (
    f"{claim['model']}: {each} or more make an accuracy of {percent(low)} or more, not"
    f" {known.text}."
  )
  return Finding("inconsistent", claim["place"], text, "claims", claim["model"])


def _misjudged(paper: Paper, claim: dict, scores) -> Finding | None:
  """More items of a class are said to be called one class than another."""
  found = confusions.solve(scores, claim["model"])
  names = scores.classes
  if not found or found.count != 1 or len(names) != 3 or not found.first[0].predicted:
    return None  # the matrix is not known well enough to contradict it
  cells, free = confusions.three([scores.n[k] for k in names], found.first[0])
  row = cells[names.index(claim["class"])]
  more, less = (row[names.index(claim[key])] for key in ("more", "less"))

  def at(cell, t):
    return cell[0] + cell[1] * t

  wrong = [t for t in free if at(more, t) <= at(less, t)]
  if not wrong:
    return None
  ends = (
    f"{min(at(cell, free[0]), at(cell, free[-1]))} to"
    f" {max(at(cell, free[0]), at(cell, free[-1]))}"
    for cell in (more, less)
  )
  grave = "inconsistent" if len(wrong) == len(free) else "only if"
  text = (
    f"{claim['model']}: more of {claim['class']} are said to be called {claim['more']}"
    f" than {claim['less']}; the tables allow {next(ends)} and {next(ends)}."
  )
  return Finding(grave, claim["place"], text, "claims", claim["model"])


_KINDS = {
  "restated": _restated,
  "best": _ranked,
  "second": _ranked,
  "order": _order,
  "equal": _order,
  "above": _above,
  "misjudged": _misjudged,
}
