"""Tables of a split: copies, ratio, how it was rounded, and groups on both sides."""

import math
from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, count
from histojax.published.audit.printed import number

_ROUND = {
  "rounded down": math.floor,
  "rounded up": math.ceil,
  "rounded to the nearest": round,
}


def rule(paper: Paper) -> Iterator[Finding]:
  """Every table of sources, copies, training and test items by class."""
  for place, table in paper.tables("split"):
    names = [*table["rows"]]
    columns = {
      key: [count(row[i]) for row in table["rows"].values()]
      for i, key in enumerate(table["columns"])
    }
    yield from _sums(paper, place, names, columns)
    if copies := paper.told("copies"):
      yield from _copies(paper, place, names, columns, copies)


def _sums(paper: Paper, place, names, columns) -> Iterator[Finding]:
  rows = zip(names, *(columns[k] for k in ("augmented", "train", "test")), strict=True)
  for name, augmented, train, test in rows:
    if train + test != augmented:
      yield Finding(
        "inconsistent", place,
        f"{name}: {train:,} in training and {test:,} in test make {train + test:,}, not"
        f" {augmented:,}.",
        "splits",
      )  # fmt: skip
  for what, key in (("images", "raw"), ("augmented", "augmented")):
    printed = paper.text(what).get("printed", {})
    for name in printed:
      here = sum(columns[key]) if not name else columns[key][names.index(name)]
      said, where = paper.told(what, name), paper.text(what)["place"]
      about = f"{name or 'in all'}, {'images' if key == 'raw' else 'after rotation'}"
      if said != here:
        yield Finding(
          "inconsistent", f"{place} and {where}",
          f"{about}: {here:,} in {place}, {said:,} in the text.", "splits",
        )  # fmt: skip


def _copies(paper: Paper, place, names, columns, copies) -> Iterator[Finding]:
  source, item = paper.units["source"], paper.units["images"]
  bad = False
  for name, raw, augmented in zip(
    names, columns["raw"], columns["augmented"], strict=True
  ):
    if raw * copies != augmented:
      bad = True
      text = (
        f"{name}: {raw:,} x {copies} copies are {raw * copies:,}, not {augmented:,}."
      )
      yield Finding("inconsistent", place, text, "splits")
  for key in ("train", "test"):
    for name, value in zip(names, columns[key], strict=True):
      if value % copies:
        bad = True
        yield Finding(
          "leak", place,
          f"{name}: {value:,} {item} in {key} are no multiple of {copies}: copies of"
          f" one {source} stand on both sides.",
          "splits",
        )  # fmt: skip
  if bad:
    return
  train, test = ([v // copies for v in columns[k]] for k in ("train", "test"))
  yield Finding(
    "holds", place,
    f"Every count is a multiple of {copies}, so the copies of a {source} can all be on"
    f" one side: {'/'.join(map(str, train))} {source}s to train on,"
    f" {'/'.join(map(str, test))} to test on ({listed(names)}).",
    "splits", numbers={"train": train, "test": test},
  )  # fmt: skip
  yield Finding(
    "only if", place,
    f"The {sum(test) * copies:,} {item} tested are {sum(test)} {source}s, {copies}"
    f" times each: so many observations only if copies of one {source} were"
    " independent.",
    "splits", numbers={"sources": sum(test), "items": sum(test) * copies},
  )  # fmt: skip
  yield from _ratio(paper, place, columns, train, test)
  yield from _groups(paper, place, names, columns["raw"], test)


def _ratio(paper: Paper, place, columns, train, test) -> Iterator[Finding]:
  said = paper.text("share").get("printed", {}).get("")
  if not said:
    return
  left, right = map(int, said.split(":"))
  share = Fraction(right, left + right)
  true = Fraction(sum(test), sum(train) + sum(test))
  ways = [
    word for word, way in _ROUND.items()
    if [way(share * raw) for raw in columns["raw"]] == test
  ]  # fmt: skip
  words = f"{number(100 * (1 - true), 2)}:{number(100 * true, 2)}"
  counts = f"{sum(columns['train']):,} : {sum(columns['test']):,}"
  how = f"{float(share):g} of the images of each class, {listed(ways[:1])}"
  numbers = {"share": float(true), "ways": ways}
  if ways:
    text = f"The split printed as {said} is {words} ({counts}): {how}."
    yield Finding("follows", place, text, "splits", numbers=numbers)
  else:
    text = f"The split printed as {said} is {words} ({counts}), and no rounding of it."
    yield Finding("inconsistent", place, text, "splits", numbers=numbers)


def _groups(paper: Paper, place, names, raw, test) -> Iterator[Finding]:
  """Fields of one slide: equally many each, so whole slides make whole multiples."""
  each, group, source = (
    paper.told("per_group"),
    *(paper.units[k] for k in ("group", "source")),
  )
  if not each:
    return
  groups = [paper.told("samples", name) for name in names]
  where = paper.text("samples").get("place", "")
  if None not in groups:
    product = [g * each for g in groups]
    shown = ", ".join(
      f"{g} x {each} = {p}" for g, p in zip(groups, product, strict=True)
    )
    if product == raw:
      yield Finding(
        "holds", f"{place} and {where}",
        f"{shown}: every {group} gives its {each} {source}s, none is missing.",
        "splits", numbers={"product": product},
      )  # fmt: skip
      if excluded := paper.text("excluded"):
        yield Finding(
          "only if", excluded["place"],
          f"'{excluded['said']}' describes an exclusion, yet {sum(groups)} {group}s"
          f" with {each} {source}s are all {sum(raw)} of them: possible only if it"
          " excluded none.",
          "splits", numbers={"excluded": sum(product) - sum(raw)},
        )  # fmt: skip
    else:
      text = f"{shown}, but the table has {listed(raw)} images."
      yield Finding("inconsistent", f"{place} and {where}", text, "splits")
  over = {n: t % each for n, t in zip(names, test, strict=True) if t % each}
  if over:
    shown = ", ".join(f"{t} mod {each} = {t % each}" for t in test)
    yield Finding(
      "leak", place,
      f"{each} {source}s per {group}, but {listed(test)} of them are tested ({shown}):"
      f" in {len(over)} of {len(names)} classes ({listed(over)}) at least one {group}"
      " stands on both sides.",
      "splits", numbers={"remainders": over},
    )  # fmt: skip
