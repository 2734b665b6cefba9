"""Who leads by how many items: less than one photograph, or less than chance."""

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

from histojax.published.audit import confusions
from histojax.published.audit.finding import Finding
from histojax.published.audit.paper import Paper, Scores
from histojax.published.audit.printed import ROUNDINGS, counts, number, percent


def rule(paper: Paper, interval: Callable | None) -> Iterator[Finding]:
  """Accuracies as counts.

  Args:
    interval: (share, trials) -> (low, high), of independent trials, or None.
  """
  for scores in paper.scores.values():
    n = scores.n.get("")
    rows = {m: scores.get(m, "", "accuracy") for m in scores.models}
    rows = {m: cells[0] for m, cells in rows.items() if cells}
    if not n or not rows:
      continue
    hits = {m: _hits(scores, m, cell, n) for m, cell in rows.items()}
    place = next(iter(rows.values())).place
    order = sorted(rows, key=lambda m: -rows[m].printed.value)
    yield from _close(paper, scores, place, order, hits)
    if interval:
      yield from _intervals(paper, scores, place, order, rows, hits, interval)


def _hits(scores: Scores, model: str, cell, n: int) -> tuple[int, int]:
  """The least and the most items that were right."""
  found = confusions.solve(scores, model)
  if found and found.count == 1:
    return (sum(found.first[0].hits),) * 2
  fit = counts(cell.printed, n) or counts(cell.printed, n, ROUNDINGS)
  if fit:
    return fit[0], fit[-1]
  return (round(cell.printed.value * n),) * 2  # no count prints it: the nearest


def _close(paper, scores: Scores, place, order, hits) -> Iterator[Finding]:
  """The leader's lead over each other row, in items."""
  best, copies = order[0], scores.copies
  leads = {
    m: (hits[best][0] - hits[m][1], hits[best][1] - hits[m][0]) for m in order[1:]
  }
  near = {m: lead for m, lead in leads.items() if lead[1] <= copies}
  if not near:
    return
  unit, source = paper.units["images"], paper.units["source"]
  told = ", ".join(
    f"{m} by {low if low == high else f'{max(low, 0)} to {high}'}"
    for m, (low, high) in near.items()
  )
  each = f": no more than the {copies} of one {source}" if copies > 1 else ""
  yield Finding(
    "within one photograph", place,
    f"{best} leads{scores.said} {told} of {scores.n['']:,} {unit}{each}.",
    "rankings", numbers={"best": best, "leads": near, "copies": copies},
  )  # fmt: skip


def _intervals(paper, scores, place, order, rows, hits, interval) -> Iterator[Finding]:
  """Wilson's intervals over items, and over sources where items are copies."""
  n, copies, unit = scores.n[""], scores.copies, paper.units["images"]
  middle = {}
  for m, (low, high) in hits.items():
    right = low if low == high else round(rows[m].printed.value * n)
    middle[m] = float(Fraction(right, n))
  span = {m: [float(x) for x in interval(middle[m], n)] for m in order}
  told = "; ".join(
    f"{m} {rows[m].printed.text} {_span(span[m], rows[m])}" for m in rows
  )
  naive = f"Taken as {n:,} independent {unit}{scores.said}, 95 %: {told}."
  numbers = {"intervals": span}
  if copies > 1:
    sources, best = n // copies, order[0]
    whole = round(middle[best] * sources)
    low, high = (float(x) for x in interval(whole / sources, sources))
    naive += (
      f" As {whole} of {sources} {paper.units['source']}s {best} has"
      f" [{percent(low, 1)[:-2]}, {percent(high, 1)[:-2]}]."
    )
    numbers |= {"sources": sources, "over_sources": [low, high]}
  yield Finding("follows", place, naive, "rankings", numbers=numbers)
  close = [
    (a, b) for a, b in itertools.pairwise(order)
    if _least(middle[a], span[a], middle[b], span[b]) <= 0
  ]  # fmt: skip
  if close:
    pairs = ", ".join(f"{a} and {b}" for a, b in close)
    yield Finding(
      "within chance", place,
      f"{len(close)} of {len(order) - 1} neighbours in rank{scores.said} differ by no"
      f" more than chance, even if every one of {n:,} {unit} is independent (95 %,"
      f" unpaired): {pairs}.",
      "rankings", numbers={"pairs": close},
    )  # fmt: skip


def _least(first: float, of_first, second: float, of_second) -> float:
  """The lower end of the interval of a difference (Newcombe 1998, method 10, doi
  10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I)."""
  below, above = first - of_first[0], of_second[1] - second
  return first - second - math.hypot(below, above)


def errors(paper: Paper) -> Iterator[Finding]:
  """Accuracies of one test set as numbers of errors."""
  for scores in paper.scores.values():
    n = scores.n.get("")
    if not n or scores.known_classes():
      continue
    unit, told, numbers, places = paper.units["images"], [], {}, []
    for model in scores.models:
      for cell in scores.get(model, "", "accuracy"):
        places.append(cell.place)
        fit = counts(cell.printed, n)
        wrong = (
          [n - fit[-1], n - fit[0]]
          if fit
          else [round((1 - cell.printed.value) * n)] * 2
        )
        numbers[model] = {"errors": wrong, "right": [n - wrong[1], n - wrong[0]]}
        few = f"{wrong[0]}" if wrong[0] == wrong[1] else f"{wrong[0]} to {wrong[1]}"
        right = (
          ""
          if wrong[0] == wrong[1]
          else f" ({n - wrong[1]:,} to {n - wrong[0]:,} right)"
        )
        told.append(f"{model} {'' if fit else 'about '}{few}{right}")
    if told:
      text = f"Errors in {n:,} {unit}{scores.said}: {', '.join(told)}."
      yield Finding("follows", places[0], text, "rankings", numbers=numbers)


def _span(found, cell) -> str:
  """In the unit of the printed number, to the hundredth of a per cent."""
  if cell.printed.text.endswith("%"):
    return f"[{', '.join(number(100 * Fraction(x), 2) for x in found)}]"
  return f"[{', '.join(number(x, 4) for x in found)}]"


def drops(paper: Paper) -> Iterator[Finding]:
  """What each row loses from one test set to another, in points."""
  rows = {
    part: {m: cells[0] for m in s.models if (cells := s.get(m, "", "accuracy"))}
    for part, s in paper.scores.items()
  }
  if len(rows) != 2:
    return
  (first, ours), (second, theirs) = rows.items()
  lost = {
    m: ours[m].printed.value - theirs[m].printed.value for m in ours if m in theirs
  }
  if len(lost) < 2:
    return
  told = ", ".join(f"{m} {number(100 * lost[m], 1)}" for m in lost)
  yield Finding(
    "follows", next(iter(ours.values())).place,
    f"Points lost from {first} to {second}: {told}.",
    "rankings", numbers={"lost": {m: float(x) for m, x in lost.items()}},
  )  # fmt: skip
