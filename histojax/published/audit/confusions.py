"""Confusion matrices from what is printed of them, up to the integers left free.

With n_i items of class i, recall gives the hits h_i, precision the predictions c_i, and
F1 = 2 h_i / (n_i + c_i) narrows both; the hits sum to the accuracy and the predictions
to all items. The errors between three classes then have one degree of freedom: six
cells off the diagonal, five independent sums.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from histojax.published.audit import f_scores
from histojax.published.audit.paper import Scores
from histojax.published.audit.printed import (
  NEAREST,
  ROUNDINGS,
  TWICE,
  Printed,
  counts,
  prints,
)

# how the numbers of one row may have been rounded, the likeliest first
WAYS = {
  NEAREST: "",
  ("cut off",): "digits were cut off",
  (*ROUNDINGS, TWICE): "its numbers were rounded in different ways",
}
MANY = 10**9  # stands for more solutions than are counted
TRIO = ("recall", "precision", "f1")
_SHOWN = 200  # solutions that are looked at one by one
_WIDE = 2_000  # counts of one class that are tried
_STATES = 20_000  # combinations of counts, likewise


class Solution(NamedTuple):
  """Hits and predictions of each class."""

  hits: tuple[int, ...]
  predicted: tuple[int, ...]


class Solved(NamedTuple):
  """How many solutions there are, the first of them, and how they must be rounded."""

  count: int
  first: list[Solution]
  rounding: str = ""


@functools.lru_cache(256)
def solve(scores: Scores, model: str, accuracy: bool = True) -> Solved | None:
  """The pairs of hits and predictions that print everything, rounded in one way.

  Rounding to the nearest is tried first, then digits cut off, then each number in a way
  of its own. Without `accuracy` that one is left open. A sure typing error is read as
  what it should be; doubtful cells are passed over. None: recall or the number of items
  is not known of every class, or they are means of folds.
  """
  names = scores.known_classes()
  if scores.means or not names:
    return None
  if not all(_trusted(scores, model, name, "recall") for name in names):
    return None
  for rules, rounding in WAYS.items():
    columns = [_candidates(scores, model, name, rules) for name in names]
    if None in columns:
      return Solved(MANY, [])
    overall = _trusted(scores, model, "", "accuracy") * accuracy
    found = _combined(scores, model, columns, overall, rules)
    if found.count:
      return found._replace(rounding=rounding)
  return found


def _trusted(scores: Scores, model: str, name: str, metric: str) -> list[Printed]:
  doubtful = {suspect.cell: suspect for suspect in f_scores.suspects(scores)}
  found = []
  for cell in scores.get(model, name, metric):
    if cell not in doubtful:
      found.append(cell.printed)
    elif doubtful[cell].sure:
      found.append(doubtful[cell].right)
  return found


def _candidates(scores: Scores, model: str, name: str, rules) -> list | None:
  """(hits, predictions) of one class; None of the latter without a precision.

  None: more than are tried.
  """
  n, given = scores.n[name], scores.exact.get
  recall, precision, f1 = (_trusted(scores, model, name, m) for m in TRIO)
  if n * recall[0].step > _WIDE:
    return None
  hits = [k for k in counts(recall[0], n, rules) if _all(k, n, recall, rules)]
  hits = [k for k in hits if given((model, name, "tp")) in (None, k)]
  if not precision:
    return [(k, None) for k in hits]
  pairs = []
  for k in hits:
    near = _predictions(k, precision[0], scores.n[""])
    if len(near) * len(hits) > _STATES:
      return None
    pairs += [
      (k, c) for c in near
      if _all(k, c, precision, rules) and _all(2 * k, n + c, f1, rules)
    ]  # fmt: skip
  said = given((model, name, "predicted"))
  return [pair for pair in pairs if said in (None, pair[1])]


def _all(above: int, below: int, values, rules) -> bool:
  """Whether a share prints as every one of `values`; nothing of nothing is 0."""
  share = Fraction(above, below) if below else Fraction(0)
  return all(prints(share, value, rules) for value in values)


def _predictions(hits: int, p: Printed, total: int) -> range:
  """The c for which hits / c lies within a step of a printed precision."""
  if not hits:
    return range(total + 1 if not p.value else 0)
  most = total if p.value <= 2 * p.step else math.ceil(hits / (p.value - p.step))
  least = math.floor(hits / (p.value + 2 * p.step))
  return range(max(least, hits), min(most, total) + 1)


def _combined(scores: Scores, model: str, columns: list, overall, rules) -> Solved:
  """Chooses one candidate of each class so that the sums come out."""
  total = scores.n[""]
  with_columns = all(c is not None for column in columns for _, c in column)
  ways = {(0, 0): 1}  # (hits, predictions so far) -> in how many ways
  before = [ways]
  for column in columns:
    if len(before[-1]) * len(column) > 50 * _STATES:
      return Solved(MANY, [])
    new = {}
    for (h, c), many in before[-1].items():
      for hits, predicted in column:
        key = h + hits, c + (predicted or 0)
        if key[1] <= total:
          new[key] = new.get(key, 0) + many
    before.append(new)
  correct = scores.exact.get((model, "", "correct"))
  ends = [
    key for key in before[-1]
    if _all(key[0], total, overall, rules)
    and correct in (None, key[0])
    and (not with_columns or key[1] == total)
  ]  # fmt: skip
  count = sum(before[-1][key] for key in ends)
  found = (s for key in ends for s in _traced(columns, before, key, with_columns))
  found = [*itertools.islice(found, _SHOWN)]
  if with_columns and count <= _SHOWN:
    n = [scores.n[name] for name in scores.classes]
    found = [s for s in found if feasible(n, s)]
    count = len(found)
  return Solved(count, found)


def _traced(columns, before, key, with_columns) -> Iterator[Solution]:
  if not columns:
    yield Solution((), ())
    return
  for hits, predicted in columns[-1]:
    rest = key[0] - hits, key[1] - (predicted or 0)
    if rest in before[len(columns) - 1]:
      for s in _traced(columns[:-1], before, rest, with_columns):
        columns_of = (*s.predicted, predicted) if with_columns else ()
        yield Solution((*s.hits, hits), columns_of)


def feasible(n, solution: Solution) -> bool:
  """Whether errors can be dealt out: none on the diagonal, so that no class may have
  more errors of both kinds than there are errors (Gale's condition)."""
  misses = [a - h for a, h in zip(n, solution.hits, strict=True)]
  alarms = [c - h for c, h in zip(solution.predicted, solution.hits, strict=True)]
  return (
    sum(misses) == sum(alarms)
    and min(alarms) >= 0
    and all(m + a <= sum(misses) for m, a in zip(misses, alarms, strict=True))
  )


def three(n, solution: Solution) -> tuple[list[list[tuple[int, int]]], range]:
  """The 3x3 matrix as (constant, factor of t) cells, and the t that may be.

  t is the cell (0, 1): items of the first class that were called the second.
  """
  (r0, r1, r2), (h0, h1, h2), (c0, c1, _) = n, *solution
  r0, r1, r2, c0, c1 = r0 - h0, r1 - h1, r2 - h2, c0 - h0, c1 - h1
  cells = [
    [(h0, 0), (0, 1), (r0, -1)],
    [(c0 - r2 + c1, -1), (h1, 0), (r1 - c0 + r2 - c1, 1)],
    [(r2 - c1, 1), (c1, -1), (h2, 0)],
  ]
  free = [cell for row in cells for cell in row if cell[1]]
  least = max(-constant for constant, factor in free if factor > 0)
  most = min(constant for constant, factor in free if factor < 0)
  return cells, range(least, most + 1)


def agreement(n, solution: Solution) -> tuple[Fraction, Fraction]:
  """Cohen's kappa and macro F1: both follow from hits and sums alone."""
  total, hits, predicted = sum(n), *solution
  chance = Fraction(sum(a * b for a, b in zip(n, predicted, strict=True)), total**2)
  seen = Fraction(sum(hits), total)
  each = [Fraction(2 * h, max(a + c, 1)) for a, h, c in zip(n, *solution, strict=True)]
  return (seen - chance) / (1 - chance) if chance < 1 else seen, sum(each) / len(n)
