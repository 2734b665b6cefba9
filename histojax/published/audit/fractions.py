"""Printed shares of a known number: is there a count that prints so?

A share of n items is k / n for a whole k (Brown & Heathers' GRIM test, doi
10.1177/1948550616673876). Means of folds are tried in their two forms before a number
is called impossible.
"""

from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit import averages, f_scores, folds
from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, Scores, named
from histojax.published.audit.printed import (
  NEAREST,
  ROUNDINGS,
  TWICE,
  Printed,
  always,
  around,
  counts,
  like,
  parse,
)

COUNTED = {"recall", "accuracy"}  # shares whose denominator is a printed count


def _sizes(scores: Scores, model: str, name: str, metric: str) -> list[int]:
  """Of how many items a score may be the share; none where it may be a mean."""
  n, total = scores.n.get(name), scores.n.get("")
  if metric not in COUNTED or not n:
    return []
  if metric == "recall":
    return [n] * bool(name)  # of all classes it is as often their mean
  if name:  # hits of a class, or all that is said rightly of it
    return [n, total] if total else [n]
  return [] if averages.is_macro(scores, model) else [n]


def rule(paper: Paper) -> Iterator[Finding]:
  """Recall of each class and accuracy of all, against the items they are shares of."""
  for scores in paper.scores.values():
    right, untested, fits = 0, 0, dict.fromkeys(ROUNDINGS, 0)
    wrong = [suspect.cell for suspect in f_scores.suspects(scores) if suspect.sure]
    for (model, name, metric), cells in scores.cells.items():
      sizes = _sizes(scores, model, name, metric)
      if not sizes:
        continue
      for cell in cells:
        if cell in wrong:
          continue  # told where it is found
        what, exact = named(model, name, metric) + scores.said, cell.printed
        if any(always(exact, n) for n in sizes):
          untested += 1
        elif any(counts(exact, n) for n in sizes):
          right += 1
          for each in ROUNDINGS:
            fits[each] += any(counts(exact, n, (each,)) for n in sizes)
        else:
          yield judged(paper, scores, cell.place, what, exact, sizes[0], model)
    yield from _held(paper, scores, right, untested, fits)
  yield from _shares(paper)


def judged(
  paper: Paper, scores: Scores, place: str, what: str, exact: Printed, n: int, model=""
) -> Finding:
  """A share of `n` that no count prints to the nearest: what else may stand behind."""
  unit = paper.units["images"]
  near = [f"{k:,} print {like(Fraction(k, n), exact)}" for k in around(exact, n)]
  said = f"{what}: no count of {n:,} {unit} prints {exact.text} ({', '.join(near)})"
  ways, tried = [], [*ROUNDINGS]
  if counts(exact, n, ("cut off",)):
    ways.append("digits were cut off")
  if counts(exact, n, (TWICE,)):
    ways.append("it was rounded twice")
  flips = paper.told("copies") if paper.text("copies").get("maybe") else 0
  if scores.folds > 1:
    tried += [f"means of {scores.folds} folds as equal as can be"]
    whole = n == scores.n.get("")
    sd = next(iter(scores.get(model, "", "sd")), None) if whole else None
    if folds.unrounded(exact, n, scores.folds, sd and sd.printed):
      ways.append(f"it is the mean of {scores.folds} folds of unequal size")
    if folds.rounded_first(exact, n, scores.folds):
      ways.append(
        f"it is the mean of {scores.folds} folds that were rounded before they were"
        " averaged"
      )
    if not whole:
      ways.append(
        f"shares of {scores.folds} folds with unequal numbers of them were averaged"
      )
  elif scores.means:
    ways.append(f"it is a mean over {scores.means}")
  if flips and counts(exact, n * flips):
    free = ", where every number of so many digits exists" * always(exact, n * flips)
    ways.append(f"{flips} flipped copies of each were counted ({n * flips:,}{free})")
  numbers = {"printed": exact.text, "n": n, "neighbours": around(exact, n)}
  numbers |= {"tried": [*tried, TWICE], "ways": ways}
  if not ways:
    return Finding("impossible", place, f"{said}.", "fractions", model, numbers)
  said += f": possible only if {', or if '.join(ways)}."
  return Finding("only if", place, said, "fractions", model, numbers)


def _held(paper: Paper, scores: Scores, right: int, untested: int, fits: dict):
  unit = paper.units["images"]
  if right:
    others = [f"{rule}: {fits[rule]}" for rule in fits]
    yield Finding(
      "holds", listed(_places(scores)),
      f"{right} shares{scores.said} are counts of their {unit} ({', '.join(others)}).",
      "fractions", numbers={"fit": fits, "right": right},
    )  # fmt: skip
  if untested:
    yield Finding(
      "holds", listed(_places(scores)),
      f"{untested} shares{scores.said} have too few digits to be tested: every such"
      f" number is some count of the {unit}.",
      "fractions", numbers={"untested": untested},
    )  # fmt: skip


def _places(scores: Scores) -> list[str]:
  cells = [
    cell for key in scores.cells if key[2] in COUNTED for cell in scores.cells[key]
  ]
  return [*dict.fromkeys(cell.place for cell in cells)]


def _shares(paper: Paper) -> Iterator[Finding]:
  """Shares that the text states of named classes; any of them may be meant."""
  for claim in paper.held.get("claims", ()):
    if claim["kind"] != "share":
      continue
    scores = paper.scores[claim.get("part", "")]
    digits = max(len(text.partition(".")[2]) for text in claim["printed"])
    for text in claim["printed"]:
      # beside '96.64 %' in one sentence, '93 %' is as good as '93.00 %'
      point = "" if "." in text or not digits else "."
      padded = text + point + "0" * (digits - len(text.partition(".")[2]))
      which = f" ({' or '.join(claim['of'])})" if claim["of"][1:] else ""
      what = f"{claim['model']}, {claim['said']}{which}"
      found = [
        judged(
          paper, scores, claim["place"], what, parse(padded), scores.n[name],
          claim["model"],
        )
        for name in claim["of"]
        if not counts(parse(padded), scores.n[name], NEAREST)
      ]  # fmt: skip
      if len(found) < len(claim["of"]):
        continue
      first = found[0]
      loose = any(counts(parse(text), scores.n[name]) for name in claim["of"])
      if padded != text and loose:
        also = f" {text} % was printed: as a whole percentage it is possible."
        first = first._replace(gravity="only if", text=first.text + also)
      if len(found) > 1:
        names = [f"{n:,}" for n in (scores.n[name] for name in claim["of"])]
        also = f" Nor does one of {listed(names[1:])}."
        first = first._replace(text=first.text + also)
      yield first
