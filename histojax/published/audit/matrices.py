"""What is said of the confusion matrices behind printed scores."""

from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit import averages
from histojax.published.audit.confusions import (
  MANY,
  TRIO,
  Solution,
  agreement,
  solve,
  three,
)
from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, Scores
from histojax.published.audit.printed import like, number, percent, prints


def rule(paper: Paper) -> Iterator[Finding]:
  """The integers behind each row, and the matrix as far as they determine it."""
  for scores in paper.scores.values():
    alone = []
    for model in scores.models:
      found = solve(scores, model)
      if found is None:
        continue
      places = (
        c.place for m in TRIO for n in scores.classes for c in scores.get(model, n, m)
      )
      place = listed(dict.fromkeys(places))
      if not found.count and averages.is_macro(scores, model):
        found = solve(scores, model, False)
      if not found.count:
        yield _none(scores, model, place)
      elif found.rounding:
        text = (
          f"{model}{scores.said}: its scores fit together only if {found.rounding}."
        )
        yield Finding("only if", place, text, "matrices", model)
      if found.count == 1:
        alone.append((model, found.first[0]))
        yield _matrix(scores, model, found.first[0], place)
      elif found.count:
        many = "More than" if found.count >= MANY else ""
        count = f"{MANY:,}" if many else f"{found.count:,}"
        text = f"{count} sets of hits and predictions print all of its scores."
        text = f"{model}{scores.said}: {f'{many} ' * bool(many)}{text}"
        yield Finding("follows", place, text, "matrices", model)
    if alone:
      yield _integers(paper, scores, alone)


def _none(scores: Scores, model: str, place: str) -> Finding:
  """Where no counts print everything: the accuracy alone may be the reason."""
  rest, overall = solve(scores, model, False), scores.get(model, "", "accuracy")
  if overall and rest.count == 1:
    hits, n = sum(rest.first[0].hits), scores.n[""]
    text = (
      f"{model}{scores.said}: the classes' scores need {hits:,} of {n:,} right,"
      f" accuracy {like(Fraction(hits, n), overall[0].printed)}, not"
      f" {overall[0].printed.text}."
    )
    return Finding("inconsistent", overall[0].place, text, "matrices", model)
  reason = " with its accuracy" if rest.count else ""
  text = (
    f"{model}{scores.said}: no whole numbers of hits and predictions print its scores"
    f" together{reason}, each rounded to the nearest, cut off or rounded twice."
  )
  return Finding("impossible", place, text, "matrices", model)


def _integers(paper: Paper, scores: Scores, alone: list) -> Finding:
  told = [f"{m} {'/'.join(f'{h}' for h in s.hits)}" for m, s in alone]
  sums = [f"{sum(s.hits):,}" for _, s in alone]
  mean = {
    model: sum(
      Fraction(h, scores.n[c]) for h, c in zip(s.hits, scores.classes, strict=True)
    )
    / len(s.hits)
    for model, s in alone
  }
  best = max(alone, key=lambda pair: sum(pair[1].hits))[0]
  micro = [
    m for m, s in alone if (a := scores.get(m, "", "accuracy"))
    and prints(Fraction(sum(s.hits), scores.n[""]), a[0].printed)
    and not prints(mean[m], a[0].printed)
  ]  # fmt: skip
  text = (
    f"Hits of {listed(scores.classes)}{scores.said}, the only ones that print every"
    f" score: {'; '.join(told)}. Sums {', '.join(sums)} of {scores.n['']:,}."
  )
  if micro:
    text += (
      f" Accuracy counts all {paper.units['images']} alike in {len(micro)} rows of"
      f" {len(alone)}; it is not the mean of the classes ({best}:"
      f" {percent(mean[best])})."
    )
  numbers = {"hits": {m: s.hits for m, s in alone}, "n": scores.n[""]}
  numbers |= {"mean_recall": {m: float(v) for m, v in mean.items()}, "micro": micro}
  return Finding("follows", "all scores", text, "matrices", "", numbers)


def _matrix(scores: Scores, model: str, solution: Solution, place: str) -> Finding:
  n = [scores.n[name] for name in scores.classes]
  numbers = {"hits": solution.hits, "predicted": solution.predicted}
  if not solution.predicted:
    text = f"{model}{scores.said}: hits {listed(solution.hits)} of {listed(n)}."
    return Finding("follows", place, text, "matrices", model, numbers)
  kappa, macro = agreement(n, solution)
  numbers |= {"kappa": float(kappa), "macro_f1": float(macro)}
  k = len(n)
  tail = f"kappa {number(kappa, 4)} and macro F1 {percent(macro)} whatever they are"
  if k == 3:
    cells, free = three(n, solution)
    shown = [[_term(*cell) for cell in row] for row in cells]
    matrix = "[" + ",".join(f"[{','.join(row)}]" for row in shown) + "]"
    numbers |= {"matrix": matrix, "t": [free[0], free[-1]]}
    text = (
      f"{model}{scores.said}: the confusion matrix (rows true, columns predicted) is"
      f" {matrix} with one free integer t from {free[0]} to {free[-1]}; kappa"
      f" {number(kappa, 4)} and macro F1 {percent(macro)} for every t."
    )
  elif k == 2:
    misses = n[0] - solution.hits[0], n[1] - solution.hits[1]
    matrix = f"[[{solution.hits[0]},{misses[0]}],[{misses[1]},{solution.hits[1]}]]"
    numbers |= {"matrix": matrix}
    text = (
      f"{model}{scores.said}: the confusion matrix (rows true, columns predicted) is"
      f" {matrix}; kappa {number(kappa, 4)}, macro F1 {percent(macro)}."
    )
  else:
    left = k * k - 3 * k + 1
    numbers |= {"free": left}
    text = (
      f"{model}{scores.said}: hits {listed(solution.hits)}, predictions"
      f" {listed(solution.predicted)}; the errors have {left} free integers; {tail}."
    )
  return Finding("follows", place, text, "matrices", model, numbers)


def _term(constant: int, factor: int) -> str:
  """'786', 't', '222-t', 't-102', '26+t'."""
  if not factor:
    return str(constant)
  if factor < 0:
    return f"{constant}-t"
  if not constant:
    return "t"
  return f"t{constant}" if constant < 0 else f"{constant}+t"
