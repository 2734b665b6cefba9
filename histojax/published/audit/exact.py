"""Scores against the counts that are printed beside them."""

from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit.finding import Finding
from histojax.published.audit.paper import Paper, Scores, named
from histojax.published.audit.printed import ROUNDINGS, TWICE, like, prints


def rule(paper: Paper) -> Iterator[Finding]:
  """tp / n is recall, tp / predicted precision, correct / n accuracy, F1 likewise."""
  for scores in paper.scores.values():
    held = 0
    for (model, name, metric), cells in scores.cells.items():
      share = _share(scores, model, name, metric)
      if share is None:
        continue
      above, below = share
      value = Fraction(above, below) if below else Fraction(0)  # of none, by convention
      for cell in cells:
        if prints(value, cell.printed, (*ROUNDINGS, TWICE)):
          held += 1
          continue
        gives = f"{above:,} of {below:,}"
        if below:
          gives += f" is {like(value, cell.printed)}"
        what = named(model, name, metric)
        text = f"{what}: {gives}, not {cell.printed.text}."
        yield scores.disagreement(cell, text, "exact")
    if held:
      text = f"Scores that are the share of the counts beside them: {held}."
      yield Finding("holds", "all scores", text, "exact", numbers={"held": held})


def _share(scores: Scores, model: str, name: str, metric: str) -> tuple | None:
  n, given = scores.n.get(name), scores.exact.get
  hits, said = given((model, name, "tp")), given((model, name, "predicted"))
  right = given((model, name, "correct"))
  shares = {
    "recall": (hits, n),
    "precision": (hits, said),
    "accuracy": (right, n),
    "f1": (hits and 2 * hits, n and said and n + said),
  }
  above, below = shares.get(metric, (None, None))
  return None if above is None or below is None else (above, below)
