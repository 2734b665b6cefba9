"""Means over folds: which of them rounding allows, and whether a deviation can be.

Deviations: Brown & Heathers' GRIM carried over to them (Anaya's GRIMMER, doi
10.7287/peerj.preprints.2400v1): squares of whole counts sum to a whole number.
"""

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, Scores, named
from histojax.published.audit.printed import (
  ROUNDINGS,
  TWICE,
  Printed,
  counts,
  parse,
  percent,
  prints,
  rounded,
)

_REACH = 12  # counts of a fold tried around the mean


def sizes(n: int, folds: int) -> list[int]:
  """Folds of n items, as equal as can be; the larger ones first."""
  return [n // folds + (i < n % folds) for i in range(folds)]


def rounded_first(printed: Printed, n: int, folds: int) -> bool:
  """Whether a mean of folds, each rounded before, can come out as printed."""
  sums = {0}
  for size in sizes(n, folds):
    middle = round(printed.value * size)
    near = range(max(middle - _REACH, 0), min(middle + _REACH, size) + 1)
    values = {rounded(Fraction(k, size), printed.step, "half up") for k in near}
    values = {int(value / printed.step) for value in values}
    sums = {total + value for total in sums for value in values}
  middle = printed.value / printed.step * folds
  close = (total for total in sums if abs(total - middle) <= folds)
  return any(prints(total * printed.step / folds, printed) for total in close)


def unrounded(printed: Printed, n: int, folds: int, sd: Printed | None) -> bool:
  """Whether a plain mean of fold shares k / size can come out as printed.

  Folds as equal as can be have two sizes, and with a printed deviation no fold lies
  further from the mean than sd (f - 1) / sqrt(f).
  """
  each = sizes(n, folds)
  large, few = each[0], each.count(each[-1]) % folds  # folds of the smaller size
  far = float(sd.high) * (folds - 1) / math.sqrt(folds) if sd else 1.0
  small = large - 1
  low = max(math.floor(float(printed.low) * few * small - far * small * few), 0)
  high = min(
    math.ceil(float(printed.high) * few * small + far * small * few), few * small
  )
  for k in range(low, high + 1) if few else (0,):
    rest = printed.value * folds - (Fraction(k, small) if few else 0)
    for other in {math.floor(rest * large), math.ceil(rest * large)}:
      share = (Fraction(other, large) + (Fraction(k, small) if few else 0)) / folds
      if 0 <= other <= (folds - few) * large and prints(share, printed):
        return True
  return False


def rule(paper: Paper) -> Iterator[Finding]:
  """Standard deviations over folds: possible at all, and as large as chance makes them.

  Random folds of m items differ by sqrt(p (1 - p) / m) even under a perfect method.
  """
  for scores in paper.scores.values():
    small, all_of_them = [], []
    for model in scores.models:
      cells = scores.get(model, "", "sd")
      means = scores.get(model, "", "accuracy")
      if not (cells and means and scores.folds > 1):
        continue
      mean, sd = means[0].printed, cells[0].printed
      if said := impossible(mean, sd, scores):
        what = named(model, "", "sd")
        yield Finding("impossible", cells[0].place, f"{what}: {said}", "folds", model)
        continue
      if n := scores.n.get(""):
        chance = math.sqrt(mean.value * (1 - mean.value) / (n / scores.folds))
        all_of_them.append((model, sd, chance))
        place = cells[0].place
        small += [model] * (sd.value < chance)
    if all_of_them:
      each = ", ".join(
        f"{model} {float(100 * sd.value):g} of {percent(chance)}"
        for model, sd, chance in all_of_them
      )
      unit, size = paper.units["images"], round(scores.n[""] / scores.folds)
      yield Finding(
        "follows", place,
        f"{len(small)} of {len(all_of_them)} standard deviations are smaller than the"
        f" sqrt(p (1 - p) / m) that random folds of m = {size:,} {unit} give on"
        f" average: {each}.",
        "folds", numbers={"below_chance": small},
      )  # fmt: skip


def impossible(mean: Printed, sd: Printed, scores: Scores) -> str:
  """Why no folds have this mean and deviation, or "".

  The deviation may be that of a sample (over f - 1) or of these folds (over f).
  """
  f = scores.folds
  inside = mean.low <= Fraction(1, 2) <= mean.high
  most = max(Fraction(inside, 4), *(x * (1 - x) for x in (mean.low, mean.high)))
  if sd.low > 0 and sd.low**2 > most * f / (f - 1):
    largest = math.sqrt(most * f / (f - 1))
    return (
      f"with a mean of {mean.text} {f} folds deviate by {percent(largest)} at most, not"
      f" {sd.text}."
    )
  n = scores.n.get("")
  if not n or n % f:
    return ""
  size = n // f
  # rounded, rounded twice or cut off
  ends = max(sd.value - Fraction(11, 20) * sd.step, 0), sd.value + sd.step
  totals = [k for k in counts(mean, n, (*ROUNDINGS, TWICE)) if k]
  for total, below in itertools.product(totals, (f - 1, f)):
    flat = Fraction(total**2, f)
    least = sum((total // f + (i < total % f)) ** 2 for i in range(f))
    squares = [below * (x * size) ** 2 + flat for x in ends]
    first = max(math.ceil(squares[0]), least)
    if any((q - total) % 2 == 0 for q in range(first, math.floor(squares[1]) + 1)):
      return ""
  return bool(totals) * (
    f"no {f} counts of {size:,} each have the mean {mean.text} and the deviation"
    f" {sd.text}."
  )


def means(paper: Paper) -> Iterator[Finding]:
  """A mean over test sets, printed or not, and what it leaves for one not printed."""
  found = paper.text("mean")
  if not found:
    return
  parts, place = found["of"], found["place"]
  values = {}
  for part in parts:
    scores = paper.scores.get(part)
    if scores:
      values[part] = scores.get(scores.models[0], "", "accuracy")[0].printed
  whole = paper.scores.get("mean")
  if len(values) == len(parts):
    mean = sum(value.value for value in values.values()) / len(parts)
    listing = listed(value.text for value in values.values())
    if whole is None:
      text = f"The mean of {listing} is {percent(mean)}; it is not printed."
      yield Finding("follows", place, text, "means", numbers={"mean": float(mean)})
    return
  for _, table in paper.tables("bounds"):
    yield from _bound(paper, place, parts, table, whole)


def _bound(paper: Paper, place: str, parts: list, table: dict, whole: Scores):
  row = next(iter(table["rows"].values()))
  least = {
    column[2]: parse(text) for column, text in zip(table["columns"], row, strict=True)
  }
  rest = [part for part in parts if part not in least]
  mean = whole.get(whole.models[0], "", "accuracy")[0].printed
  if len(rest) != 1:
    return
  sum_of_bounds = sum(bound.value for bound in least.values())
  most = len(parts) * mean.value - sum_of_bounds
  loose = len(parts) * mean.high - sum_of_bounds
  told = f"{listed(least)} at {listed(dict.fromkeys(b.text for b in least.values()))}"
  numbers = {"part": rest[0], "at_most": float(most), "at_most_unrounded": float(loose)}
  if loose < 0:
    text = f"A mean of {mean.text} cannot be with {told} or more."
    yield Finding("inconsistent", place, text, "means", "", numbers)
    return
  if most >= 1:
    text = f"A mean of {mean.text} with {told} or more says nothing of {rest[0]}."
    yield Finding("holds", place, text, "means", "", numbers)
    return
  yield Finding(
    "follows", place,
    f"A mean of {mean.text} over {listed(parts)} with {told} or more leaves at"
    f" most {percent(most)} for {rest[0]} ({percent(loose)} where the mean was rounded"
    " down).",
    "means", "", numbers,
  )  # fmt: skip
