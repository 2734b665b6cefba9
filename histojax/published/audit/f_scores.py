"""F1 against the precision and recall beside it, and numbers printed in two tables.

F1 = 2 P R / (P + R) grows with both, so rounded P and R leave an interval of F1.
"""

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import WORDS, Cell, Paper, Scores, named
from histojax.published.audit.printed import Printed, counts, like, number, parse

NEED = ("precision", "recall", "f1")


class Suspect(NamedTuple):
  """A cell that may be wrong, and a value that mends it; `sure` where nothing else
  would, or another table prints that value. Without any, `right` is None."""

  model: str
  name: str
  metric: str
  cell: Cell
  right: Printed | None
  sure: bool = False


def f1(precision, recall) -> Fraction:
  both = precision + recall
  return 2 * precision * recall / both if both else Fraction(0)


def meet(precision: Printed, recall: Printed, f: Printed) -> bool:
  """Whether numbers that round (or are cut off) to these can be one P, R and F1."""
  nearest = f1(precision.low, recall.low) <= f.high and f.low <= f1(
    precision.high, recall.high
  )
  ends = f1(precision.value + precision.step, recall.value + recall.step)
  cut = f1(precision.value, recall.value) < f.value + f.step and f.value < ends
  return nearest or cut


def rule(paper: Paper) -> Iterator[Finding]:
  """Each printed F1; a number that a second table prints otherwise."""
  for scores in paper.scores.values():
    held, furthest = 0, Fraction(0)
    wrong = suspects(scores)
    for model, name, trio in trios(scores):
      values = [cell.printed for cell in trio]
      if meet(*values):
        held += 1
        far = abs(f1(values[0].value, values[1].value) - values[2].value)
        furthest = max(furthest, far)
      else:
        yield _mended(paper, scores, model, name, trio, wrong)
    if held:
      places = dict.fromkeys(c.place for *_, trio in trios(scores) for c in trio)
      yield Finding(
        "holds", listed(places),
        f"{held} F1 scores{scores.said} follow from the precision and recall beside"
        f" them; recomputed from the rounded two they differ by at most"
        f" {number(furthest * 100, 3)} points.",
        "f_scores", numbers={"held": held, "furthest": float(furthest)},
      )  # fmt: skip
    yield from _twice(scores, wrong)


def trios(scores: Scores) -> Iterator[tuple[str, str, tuple[Cell, Cell, Cell]]]:
  """Precision, recall and F1 that stand in one table; of one class, not of averages."""
  for model in scores.models:
    for name in scores.classes:
      found = [{c.place: c for c in scores.get(model, name, m)} for m in NEED]
      for place in found[0]:
        if all(place in cells for cells in found):
          yield model, name, tuple(cells[place] for cells in found)


@functools.lru_cache(64)
def suspects(scores: Scores) -> list[Suspect]:
  """The cells that stand between a trio and agreement, with what would mend them."""
  found = []
  for model, name, trio in trios(scores):
    values = [cell.printed for cell in trio]
    if meet(*values) or scores.means:
      continue
    ways = []
    for i, metric in enumerate(NEED):
      others = [c.printed for c in scores.get(model, name, metric) if c != trio[i]]
      n = scores.n.get(name) if metric == "recall" else None
      ways += [
        (Suspect(model, name, metric, trio[i], option), option in others)
        for option in dict.fromkeys((*others, *_one_digit_away(values[i])))
        if meet(*values[:i], option, *values[i + 1 :])
        and (not n or counts(option, n))
      ]  # fmt: skip
    told = [way for way, printed in ways if printed] or [way for way, _ in ways]
    found += [way._replace(sure=len(told) == 1) for way in told]
    if not ways:
      both = zip(NEED, trio, strict=True)
      found += [Suspect(model, name, metric, cell, None) for metric, cell in both]
  return found


def _one_digit_away(value: Printed) -> Iterator[Printed]:
  """Every number that one wrong digit turns into `value`."""
  percents = value.text.endswith("%")
  text = value.text.removesuffix(" %")
  for i, digit in enumerate(text):
    for other in "0123456789" if digit.isdecimal() else "":
      if other != digit:
        yield parse(text[:i] + other + text[i + 1 :], percents)


def _mended(paper: Paper, scores: Scores, model, name, trio, wrong) -> Finding:
  precision, recall, f = (cell.printed for cell in trio)
  gives = like(f1(precision.value, recall.value), f)
  text = (
    f"{model}, {name}: precision {precision.text} and recall {recall.text} give F1"
    f" {gives}, not {f.text}."
  )
  numbers = {"f1_from_p_r": gives, "f1_printed": f.text}
  mine = [s for s in wrong if (s.model, s.name) == (model, name) and s.right]
  mine = [s for s in mine if s.cell in trio]
  if scores.means:
    pass
  elif not mine:
    text += " No single digit mends it."
  elif not mine[0].sure:
    ways = [f"{WORDS[s.metric]} {s.right.text}" for s in mine]
    text += f" One digit mends it: {' or '.join(ways)}."
  else:
    text += _sure(paper, scores, mine[0])
    numbers |= {"metric": mine[0].metric, "needs": mine[0].right.text}
  return scores.disagreement(trio[0], text, "f_scores", numbers)


def _sure(paper: Paper, scores: Scores, suspect: Suspect) -> str:
  model, name, metric, cell, right, _ = suspect
  why, n = [], scores.n.get(name)
  if cell.printed.value in [v.value for v in _one_digit_away(right)]:
    why.append("one digit away")
  if n and metric == "recall" and (k := counts(right, n)):
    why.append(f"{listed(f'{c:,}' for c in k)} of {n:,} {paper.units['images']}")
  also = [c.place for c in scores.get(model, name, metric) if c.printed == right]
  why += [f"as {listed(also)} prints"] * bool(also)
  if n and metric == "recall" and not counts(cell.printed, n):
    why.append(f"while no count of {n:,} prints {cell.printed.text}")
  return (
    f" With {WORDS[metric]} {right.text} they agree ({', '.join(why)}):"
    f" {cell.printed.text} looks like a typing error."
  )


def _twice(scores: Scores, wrong: list[Suspect]) -> Iterator[Finding]:
  """The same score in two tables."""
  same, places = 0, {}
  known = [suspect.cell for suspect in wrong]
  for (model, name, metric), cells in scores.cells.items():
    for other in cells[1:]:
      places |= {cells[0].place: 0, other.place: 0}
      if agree(cells[0].printed, other.printed):
        same += 1
      else:
        tail = " (see above)" if {cells[0], other} & {*known} else ""
        yield Finding(
          "inconsistent", f"{cells[0].place} and {other.place}",
          f"{named(model, name, metric)}{scores.said}: {cells[0].printed.text} in"
          f" {cells[0].place}, {other.printed.text} in {other.place}{tail}.",
          "f_scores", model,
        )  # fmt: skip
  if same:
    text = f"{same} numbers printed in both agree."
    yield Finding("holds", listed(places), text, "f_scores", numbers={"same": same})


def agree(first: Printed, second: Printed) -> bool:
  """Whether one number can have been rounded to both."""
  return (
    first.low <= second.high
    and second.low <= first.high
    and (first.step != second.step or first.value == second.value)
  )
