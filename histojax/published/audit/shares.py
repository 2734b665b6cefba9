"""Which share of the images can have been tested, where a paper does not say.

Accuracies of several data sets, each printed to a digit, must all be counts of one
share of them.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, count
from histojax.published.audit.printed import NEAREST, TWICE, counts

ROUND = (10, 15, 20, 25, 30, 40)  # per cent
ALL = range(10, 41)


def rule(paper: Paper) -> Iterator[Finding]:
  """Every whole percentage from 10 to 40, the test sets rounded down or up."""
  found = fitting(paper)
  if found is None:
    return
  place = (
    next(iter(paper.scores.values()))
    .get(next(iter(paper.scores.values())).models[0], "", "accuracy")[0]
    .place
  )
  strict, twice = found[NEAREST], found[(*NEAREST, TWICE)]
  numbers = {"strict": sorted(strict), "twice": sorted(twice)}
  round_ones = [share for share in ROUND if share in twice]
  if not round_ones:
    others = f" Of whole percentages {listed(sorted(twice))} can." * bool(twice)
    text = (
      f"No share of {listed(ROUND)} % of the images prints all {len(paper.scores)}"
      f" accuracies.{others}"
    )
    yield Finding("inconsistent" if not twice else "only if", place, text, "shares",
                  numbers=numbers)  # fmt: skip
    return
  share = round_ones[0]
  sizes = twice[share]
  told = ", ".join(f"{part} {k} of {n}" for part, (n, k, _) in sizes.items())
  doubled = [part for part, (*_, once) in sizes.items() if not once]
  also = [s for s in twice if s not in ROUND]
  text = (
    f"Of {listed(ROUND)} % of the images only {listed(round_ones)} % can print all"
    f" {len(paper.scores)} accuracies: {told}"
  )
  text += f"; {listed(doubled)} only if rounded twice" * bool(doubled) + "."
  if also:
    text += f" Of other whole percentages {listed(also)} can too: weak evidence."
  numbers |= {"n": {p: v[0] for p, v in sizes.items()}, "share": share}
  numbers |= {"correct": {p: v[1] for p, v in sizes.items()}}
  yield Finding("only if", place, text, "shares", numbers=numbers)


def fitting(paper: Paper) -> dict | None:
  """{rules: {share in %: {part: (tested, right, whether rounded once)}}}."""
  about = paper.text("test_share")
  if not about:
    return None
  table = paper.held["tables"][about["of"]]
  totals = {part: sum(map(count, row)) for part, row in table["rows"].items()}
  values = {
    part: scores.get(scores.models[0], "", "accuracy")[0].printed
    for part, scores in paper.scores.items()
    if part in totals
  }
  found = {}
  for rules in (NEAREST, (*NEAREST, TWICE)):
    found[rules] = {}
    for share in ALL:
      fit = {p: _tested(values[p], totals[p], share, rules) for p in values}
      if all(fit.values()):
        found[rules][share] = fit
  return found


def _tested(value, total: int, share: int, rules) -> tuple[int, int, bool] | None:
  exact = Fraction(share * total, 100)
  for n in dict.fromkeys((math.floor(exact), math.ceil(exact))):
    for tried in (NEAREST, rules) if rules != NEAREST else (rules,):
      if fit := counts(value, n, tried):
        return n, fit[0], tried == NEAREST
  return None
