"""Tables of counts: totals, sub-columns that share out the same people, majorities."""

from collections.abc import Iterator
from fractions import Fraction

from histojax.published.audit.finding import Finding, listed
from histojax.published.audit.paper import Paper, count, literal
from histojax.published.audit.printed import percent


def patients(paper: Paper) -> Iterator[Finding]:
  """Sub-columns of a table of patients each share out the patients of a row."""
  for place, table in paper.tables("patients"):
    totals, agree = {}, True
    for row, cells in table["rows"].items():
      sums, at = {}, 0
      for part, width in table["parts"].items():
        sums[part] = sum(map(count, cells[at : at + width]))
        at += width
      name = row.partition(",")[0]
      totals.setdefault(name, []).append(sums)
      if len({*sums.values()}) > 1:
        agree = False
        told = ", ".join(f"{part} {total}" for part, total in sums.items())
        text = f"{row}: the sub-columns count different numbers of patients ({told})."
        yield Finding("inconsistent", place, text, "sums", numbers={"sums": sums})
    by_class = {
      name: {part: sum(row[part] for row in rows) for part in rows[0]}
      for name, rows in totals.items()
    }
    if agree:
      total = {name: next(iter(sums.values())) for name, sums in by_class.items()}
      told = ", ".join(f"{name} {value}" for name, value in total.items())
      yield Finding(
        "holds", place,
        f"All {len(table['parts'])} groups of sub-columns have the same sum in every"
        f" row ({told}; {sum(total.values())} patients).",
        "sums", numbers={"patients": total},
      )  # fmt: skip
      yield from _samples(paper, place, total)


def _samples(paper: Paper, place: str, total: dict) -> Iterator[Finding]:
  samples = {name: paper.told("samples", name) for name in total}
  if None in samples.values():
    return
  group, where = paper.units["group"], paper.text("samples")["place"]
  told = ", ".join(f"{n}: {total[n]} patients, {samples[n]} samples" for n in total)
  all_of_them = f"{sum(total.values())} patients, {sum(samples.values())} samples"
  both = f"{place} and {where}"
  numbers = {"patients": total, "samples": samples}
  if whole := paper.told("samples"):
    if whole != sum(samples.values()):
      text = f"{listed(samples.values())} samples are not {whole}."
      yield Finding("inconsistent", where, text, "sums")
  if any(total[n] > samples[n] for n in total):
    text = f"More patients than samples: {told}; {all_of_them}."
    yield Finding("inconsistent", both, text, "sums", numbers=numbers)
  elif total != samples:
    off = [n for n in total if total[n] != samples[n]]
    yield Finding(
      "only if", both,
      f"{all_of_them} ({told}): possible only if some patients of {listed(off)} gave"
      f" more than one, so that a {group} is not a patient.",
      "sums", numbers=numbers,
    )  # fmt: skip


def totals(paper: Paper) -> Iterator[Finding]:
  """Rows of counts against their printed total, and how thousands are set off."""
  for place, table in paper.tables("counts"):
    given, rows = table.get("total", {}), table["rows"]
    grand = 0
    for row, cells in rows.items():
      total, odd = sum(map(count, cells)), [c for c in cells if "." in c]
      grand += total
      if row not in given:
        continue
      right = total == count(given[row])
      if odd:
        exactly = sum(map(literal, cells))
        shown = f"{float(exactly):,.3f}".rstrip("0").rstrip(".")
        yield Finding(
          "only if" if right else "inconsistent", place,
          f"{row}: {listed(odd)} are no whole counts and the row sums to {shown};"
          f" read as {listed(f'{count(c):,}' for c in odd)} it sums to"
          f" {'exactly ' * right}{total:,}"
          + ("." if right else f", not {count(given[row]):,}."),
          "sums", numbers={"sum": total},
        )  # fmt: skip
      elif right:
        text = f"{row}: the classes sum to {total:,}, as printed."
        yield Finding("holds", place, text, "sums", numbers={"sum": total})
      else:
        text = f"{row}: the classes sum to {total:,}, not {count(given[row]):,}."
        yield Finding("inconsistent", place, text, "sums", numbers={"sum": total})
    if "" in given and grand != count(given[""]):
      text = f"All rows sum to {grand:,}, not {count(given['']):,}."
      yield Finding("inconsistent", place, text, "sums", numbers={"sum": grand})
    yield from _stated(paper, place, table)
    if table.get("majority"):
      yield _majority(place, table)


def _stated(paper: Paper, place: str, table: dict) -> Iterator[Finding]:
  """A number of images in the text, against the table's."""
  stated = paper.told("images")
  if stated is None or len(table["rows"]) != 1:
    return
  total = sum(map(count, next(iter(table["rows"].values()))))
  if total != stated:
    where = f"{place} and {paper.text('images')['place']}"
    text = f"The classes sum to {total:,}, the text has {stated:,}."
    yield Finding("inconsistent", where, text, "sums")


def _majority(place: str, table: dict) -> Finding:
  """What always saying the most frequent class scores."""
  shares, largest = {}, set()
  for row, cells in table["rows"].items():
    values = [*map(count, cells)]
    shares[row] = Fraction(max(values), sum(values))
    largest.add(table["columns"][values.index(max(values))])
  told = ", ".join(f"{row} {percent(share)}" for row, share in shares.items())
  return Finding(
    "follows", place,
    f"Always saying {listed(sorted(largest))} is right for {told} of the images.",
    "sums", numbers={"majority": {row: float(s) for row, s in shares.items()}},
  )  # fmt: skip


def averages(paper: Paper) -> Iterator[Finding]:
  """An accuracy that is "the average across the classes" of uneven classes."""
  found = paper.text("averaged")
  if not found:
    return
  table = paper.held["tables"][found["table"]]
  n = [*map(count, table["rows"][found["of"]])]
  shares = [Fraction(value, sum(n)) for value in n]
  if min(n) < max(n):
    yield Finding(
      "only if", found["place"],
      f"'{found['said']}' is one number only if images or classes are said to count"
      f" alike: classes hold from {percent(min(shares), 1)} to"
      f" {percent(max(shares), 1)} of the {sum(n):,} images.",
      "sums", numbers={"least": float(min(shares)), "most": float(max(shares))},
    )  # fmt: skip


def same(paper: Paper) -> Iterator[Finding]:
  """Rows that a paper shares with the data set's own table."""
  for claim in paper.held.get("claims", ()):
    if claim["kind"] != "same counts":
      continue
    first, second = claim["tables"]
    ours, theirs = (paper.held["tables"][name]["rows"] for name in (first, second))
    for row, cells in ours.items():
      if [*map(count, cells)] != [*map(count, theirs[row])]:
        text = f"{row}: {listed(cells)} here, {listed(theirs[row])} in {second}."
        yield Finding("inconsistent", first, text, "sums")
