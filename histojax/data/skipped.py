"""Images that are left out: unreadable ones and copies, named and counted."""

from collections.abc import Sequence
from typing import NamedTuple

FIRST = 5  # names given per kind; a data set can hold thousands


class Skipped(NamedTuple):
  """An image that cannot be read: which, its kind for counting, and the reason."""

  image_id: str
  kind: str
  why: str


class Duplicate(NamedTuple):
  """An image left out, and the one whose pixels it repeats."""

  image_id: str
  of: str


def copies(rows: Sequence[Duplicate], kept: int) -> str:
  """'123 of 7,909 images are left out: they repeat ..., as a.png repeats b.png.'"""
  return (
    f"{len(rows):,} of {len(rows) + kept:,} images are left out (data.duplicates=drop):"
    f" they repeat another pixel by pixel, as {rows[0].image_id} repeats {rows[0].of}."
  )


def refusal(rows: Sequence[Skipped]) -> str:
  """The sentence that names the first of them and says what to do."""
  more = f" (and {len(rows) - 1:,} more cannot)" if len(rows) > 1 else ""
  return (
    f"cannot read image {rows[0].image_id}: {rows[0].why}{more}; repair it, remove it,"
    " or set --config.data.on_error=skip"
  )


def by_kind(rows: Sequence[Skipped]) -> dict[str, dict]:
  """{kind: {images, first: [{image_id, why}]}}, the most frequent kind first."""
  kinds = sorted({row.kind for row in rows}, key=lambda k: (-_count(rows, k), k))
  return {
    kind: {
      "images": _count(rows, kind),
      "first": [
        {"image_id": row.image_id, "why": row.why} for row in rows if row.kind == kind
      ][:FIRST],
    }
    for kind in kinds
  }


def sentence(rows: Sequence[Skipped], kept: int) -> str:
  """'2 of 62 images cannot be read and are left out ...: 1 empty (a.png), 1 ...'."""
  parts = []
  for kind, found in by_kind(rows).items():
    names = [row["image_id"] for row in found["first"]]
    names += ["..."] * (found["images"] > len(names))
    parts.append(f"{found['images']:,} {kind} ({', '.join(names)})")
  return (
    f"{len(rows):,} of {len(rows) + kept:,} images cannot be read and are left out"
    f" (data.on_error=skip): {', '.join(parts)}."
  )


def _count(rows: Sequence[Skipped], kind: str) -> int:
  return sum(row.kind == kind for row in rows)
