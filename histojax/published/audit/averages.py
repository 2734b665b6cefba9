"""Averages over classes: which of the usual ones a printed number can be."""

from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit import f_scores
from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, Scores, named
from histojax.published.audit.printed import Printed, percent

# metric of all classes -> (metric of each, ways that its name allows)
OF = {
  "accuracy": ("recall", ("weighted",)),
  "balanced_accuracy": ("recall", ("macro",)),
  "macro_f1": ("f1", ("macro", "harmonic")),
  "precision": ("precision", ("macro", "weighted", "micro")),
  "recall": ("recall", ("macro", "weighted")),
  "f1": ("f1", ("macro", "weighted", "micro", "harmonic")),
}
MEANS = {
  "macro": "the macro mean",
  "weighted": "the weighted mean",
  "micro": "the micro mean",  # of any score, where an item has one class: the accuracy
  "harmonic": "F1 of the macro precision and recall",
}


def rule(paper: Paper) -> Iterator[Finding]:
  """Each overall score against the classes beside it, within their rounding."""
  for scores in paper.scores.values():
    wrong = [s.cell for s in f_scores.suspects(scores)]
    held = {}
    for (model, name, metric), cells in scores.cells.items():
      if name or metric not in OF:
        continue
      each, ways = OF[metric]
      tried = dict.fromkeys(("macro", "weighted", *ways))
      spans = {way: span(scores, model, each, way, wrong) for way in tried}
      if not all(spans[way] for way in ways):
        continue  # it may be one that cannot be told
      for cell in cells:
        fits = [way for way, s in spans.items() if s and _meets(s, cell.printed)]
        if {*fits} & {*ways}:
          held.setdefault((metric, next(w for w in ways if w in fits)), []).append(
            model
          )
          continue
        yield _off(scores, cell, model, metric, fits, spans)
    for (metric, way), models in held.items():
      words = named("", "", metric).removeprefix(", ")
      text = (
        f"{words} is {MEANS[way]} of the classes in {len(models)} rows{scores.said}."
      )
      yield Finding(
        "holds", "all scores", text, "averages", numbers={"models": models, "way": way}
      )


def is_macro(scores: Scores, model: str) -> bool:
  """Whether an accuracy is the mean of the classes, and not that of all items."""
  each = {way: span(scores, model, "recall", way) for way in ("macro", "weighted")}
  return any(
    all(each.values()) and _meets(each["macro"], cell.printed)
    and not _meets(each["weighted"], cell.printed)
    for cell in scores.get(model, "", "accuracy")
  )  # fmt: skip


def span(scores: Scores, model: str, metric: str, way: str, wrong=()) -> tuple | None:
  """The least and most that an average of the rounded scores of all classes can be."""
  if way == "micro":
    return span(scores, model, "recall", "weighted", wrong)
  if way == "harmonic":
    both = [span(scores, model, m, "macro", wrong) for m in ("precision", "recall")]
    return tuple(map(f_scores.f1, *both)) if all(both) else None
  low, high, weights = Fraction(0), Fraction(0), Fraction(0)
  if not scores.complete:
    return None
  for name in scores.classes:
    cells = [c for c in scores.get(model, name, metric) if c not in wrong]
    n = scores.n.get(name)
    if not cells or (way == "weighted" and not n):
      return None
    weight = n if way == "weighted" else 1
    low += weight * cells[0].printed.low
    high += weight * (cells[0].printed.value + cells[0].printed.step)  # cut off, too
    weights += weight
  return (low / weights, high / weights) if weights else None


def _meets(found: tuple, printed: Printed) -> bool:
  return found[0] <= printed.value + printed.step and printed.low <= found[1]


def _off(scores: Scores, cell, model, metric, fits, spans) -> Finding:
  what = named(model, "", metric) + scores.said
  told = listed(
    f"{MEANS[way]} is {percent(s[0])} to {percent(s[1])}"
    for way, s in spans.items()
    if s
  )
  numbers = {w: [float(x) for x in s] for w, s in spans.items() if s}
  if fits:
    text = f"{what}: {cell.printed.text} is {MEANS[fits[0]]} of the classes ({told})."
    return Finding("only if", cell.place, text, "averages", model, numbers)
  text = f"{what}: {cell.printed.text} is no mean of the classes ({told})."
  return scores.disagreement(cell, text, "averages", numbers)
