"""The audit of printed tables: every number that follows from others, recomputed.

Nothing that is found is stored: a paper's file holds what it prints, where, and how its
tables belong together; the rules here are the same for every paper and for a table of
one's own.
"""

from collections.abc import Callable

from histojax.published.audit import (
  averages,
  claims,
  exact,
  f_scores,
  folds,
  fractions,
  matrices,
  rankings,
  shares,
  splits,
  sums,
)
from histojax.published.audit.finding import GRAVITIES, Finding, ordered
from histojax.published.audit.paper import read
from histojax.published.audit.printed import NEAREST, TWICE

__all__ = ["GRAVITIES", "METHOD", "Finding", "caveats", "findings"]

RULES = (
  sums.totals, sums.same, sums.patients, sums.averages, splits.rule, fractions.rule,
  averages.rule, exact.rule, f_scores.rule, matrices.rule, folds.rule, folds.means,
  shares.rule, claims.rule, claims.trained_on, rankings.errors,
  rankings.drops,
)  # fmt: skip

DOUBTS = ("impossible", "inconsistent", "leak", "only if", "within one photograph")
BESIDE = ("sums", "means")  # what these find stands beside a row as well
METHOD = (
  "Arithmetic is exact. A printed number stands for all that it can be rounded from,"
  f" {' or '.join(NEAREST)}, or cut off; where no count fits, numbers {TWICE} (first to"
  " one digit more), means of folds as equal as can be and flipped copies are tried"
  " before anything is called impossible. The tolerance is the rounding itself: half a"
  " unit of the last printed digit, or a whole one where digits were cut off.",
  "What is printed is read from the text of each paper; figures are not.",
)


def findings(held, interval: Callable | None = None) -> list[Finding]:
  """Everything that is found in one paper (a stored file, or `own_table.read`).

  Args:
    held: what it prints: the stored dict, or a `paper.Paper`.
    interval: (share, trials) -> (low, high) of independent trials at 95 %; without it
      nothing is said of chance.
  """
  paper = read(held) if isinstance(held, dict) else held
  found = [each for rule in RULES for each in rule(paper)]
  found += rankings.rule(paper, interval)
  found += [
    Finding("note", note["place"], note["text"], "")
    for note in paper.held.get("notes", ())
  ]
  return ordered(found)


def caveats(held: dict, model: str) -> list[str]:
  """What is to be doubted of one row, or of all: sentences, the gravest first."""
  return [
    f"{found.place}: {found.text}"
    for found in findings(held)
    if found.gravity in DOUBTS or found.rule in BESIDE
    if found.gravity != "holds" and found.model in ("", model)
  ]
