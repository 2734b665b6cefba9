"""A CSV manifest of images: path,label and, where known, group and split."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path

from histojax.data.names import problem, shown
from histojax.errors import InputError, nearest

SPLITS = ("train", "validation", "test")


def read(path: Path) -> Iterator[tuple[str, str, str, str]]:
  """Yields (path, label, group, split) of each row; the path is relative to the file.

  Raises:
    InputError: not UTF-8, a column missing, or a row that names no image of its own.
  """
  reader = csv.DictReader(io.StringIO(_text(path), newline=""))
  try:
    columns, rows = reader.fieldnames or [], []
    for row in reader:
      rows.append((reader.line_num, row))
  except csv.Error as error:
    raise InputError(f"{path}, line {reader.line_num + 1}: {error}") from error
  for needed in ("path", "label"):
    if needed not in columns:
      raise InputError(f"{path} has no column {needed!r}: {nearest(needed, columns)}")
  lines = {}
  for number, row in rows:
    where = f"{path}, line {number}"
    name, label, group, split = (
      (row.get(k) or "").strip() for k in ("path", "label", "group", "split")
    )
    if not name or not label:
      raise InputError(f"{where}: path and label must not be empty")
    for column, text in (("path", name), ("label", label), ("group", group)):
      if wrong := problem(text):
        raise InputError(f"{where}: the {column} {shown(text)} {wrong}")
    if split and split not in SPLITS:
      raise InputError(f"{where}: split is {split!r}; {nearest(split, SPLITS)}")
    name = os.path.normpath(name)  # ./a.png is a.png
    if lines.setdefault(name, number) != number:
      raise InputError(f"{where}: {name} is listed twice (first on line {lines[name]})")
    if not (path.parent / name).is_file():
      folder = (path.parent / name).is_dir()
      what = "this is a folder, not an image" if folder else "no such image"
      raise InputError(f"{where}: {what}: {path.parent / name}")
    yield name, label, group, split


def _text(path: Path) -> str:
  try:
    raw = path.read_bytes()
  except OSError as error:
    raise InputError(f"cannot read {path}: {error.strerror}") from error
  try:
    return raw.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    line = raw.count(b"\n", 0, error.start) + 1
    raise InputError(
      f"{path}, line {line} is not UTF-8: save it anew with that encoding (Excel: save"
      " as 'CSV UTF-8'; LibreOffice: character set 'Unicode (UTF-8)')"
    ) from error
