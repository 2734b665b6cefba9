"""Lists your own images: a tree `<class>/...` or a CSV manifest (path,label,group).

A manifest may have a column `split` (train, validation, test); other columns are not
read, paths are relative to it. Without a group (patient, slide) an image is its own.
"""

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

from histojax.errors import InputError, nearest

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
SPLITS = ("train", "validation", "test")


class Item(NamedTuple):
  """One image file; image_id is its path below the source, with forward slashes."""

  image_id: str
  path: str
  label: str
  group: str
  split: str = ""


def scan(source: str, test_source: str = "") -> list[Item]:
  """The images of a folder or manifest, sorted by image_id.

  With `test_source`, the first source is marked train, the second test.

  Raises:
    InputError: nothing there, no images, one class only, or a broken manifest.
  """
  items = _read(source)
  if test_source:
    sides = {"train": items, "test": _read(test_source)}
    items = [
      item._replace(split=side, image_id=f"{side}/{item.image_id}")
      for side, found in sides.items()
      for item in found
    ]
    train, test = ({item.label for item in found} for found in sides.values())
    if test - train:
      unknown = ", ".join(sorted(test - train))
      raise InputError(f"{test_source} has classes that {source} lacks: {unknown}")
  labels = {item.label for item in items}
  if len(labels) < 2:
    raise InputError(
      f"{source} holds one class only ({labels.pop()!r}): put the images of each class"
      f" into a folder of its own, <class>/...{_manifest_hint(source)}"
    )
  return sorted(items)


def fingerprint(items: list[Item]) -> str:
  """Changes whenever a file is added, removed, replaced, relabelled or regrouped."""
  digest = hashlib.sha256()
  for item in items:
    stat = Path(item.path).stat()
    digest.update(repr((item, stat.st_size, stat.st_mtime_ns)).encode())
  return digest.hexdigest()[:16]


def _read(source: str) -> list[Item]:
  if not source:
    raise InputError(
      "data.source is empty: set --config.data.source to a folder <class>/... or to a"
      " CSV file with the columns path,label,group"
    )
  path = Path(source).expanduser()
  if not path.exists():
    raise InputError(f"data.source: no such file or folder: {path}")
  items = list(_tree(path) if path.is_dir() else _manifest(path))
  if not items:
    raise InputError(
      f"no images in {path}: expected <class>/... with files ending in"
      f" {', '.join(EXTENSIONS)}{_manifest_hint(source)}"
    )
  return items


def _tree(root: Path):
  for path in root.glob("*/**/*"):
    name = path.relative_to(root)
    hidden = any(part.startswith(".") for part in name.parts)
    if path.suffix.lower() in EXTENSIONS and not hidden and path.is_file():
      yield Item(name.as_posix(), str(path), name.parts[0], name.as_posix())


def _manifest(path: Path):
  if path.suffix.lower() != ".csv":
    raise InputError(f"data.source: {path} is neither a folder nor a .csv manifest")
  with path.open(newline="", encoding="utf-8-sig") as file:
    reader = csv.DictReader(file)
    columns, rows = reader.fieldnames or [], list(reader)
  for needed in {"path", "label"} - set(columns):
    raise InputError(f"{path} has no column {needed!r}: {nearest(needed, columns)}")
  lines = {}
  for number, row in enumerate(rows, start=2):
    where = f"{path}, line {number}"
    name, label, group, split = (
      (row.get(k) or "").strip() for k in ("path", "label", "group", "split")
    )
    if not name or not label:
      raise InputError(f"{where}: path and label must not be empty")
    if lines.setdefault(name, number) != number:
      raise InputError(f"{where}: {name} is listed twice (first on line {lines[name]})")
    if split and split not in SPLITS:
      raise InputError(f"{where}: split is {split!r}; {nearest(split, SPLITS)}")
    if not (path.parent / name).is_file():
      raise InputError(f"{where}: no such image: {path.parent / name}")
    yield Item(
      Path(name).as_posix(), str(path.parent / name), label, group or name, split
    )


def _manifest_hint(source: str) -> str:
  manifest = Path(source).expanduser() / "manifest.csv"
  return (
    f"; or did you mean --config.data.source={manifest}?" if manifest.exists() else ""
  )
