"""Lists images: a tree `<class>/...`, an archive of one, or a CSV (path,label,group).

A manifest may have a column `split` (train, validation, test); other columns are not
read, paths are relative to it. Without a group (patient, slide) an image is its own.
A folder or an archive with a `manifest.csv` at its top is read by that: folders alone
would forget the groups. An archive is unpacked into the cache.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from histojax.data import archive, manifest
from histojax.data.names import problem, shown
from histojax.errors import InputError, nearest

EXTENSIONS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
MANIFEST = "manifest.csv"
OTHERS = "; other classes are read with --config.data.name=folder"


class Item(NamedTuple):
  """One image file; image_id is its path below the source, with forward slashes."""

  image_id: str
  path: str
  label: str
  group: str
  split: str = ""

  @property
  def grouped(self) -> bool:
    """Whether a patient or slide is known."""
    return self.group != self.image_id


def scan(
  source: str, test_source: str = "", classes: tuple[str, ...] = ()
) -> list[Item]:
  """The images of a folder, archive or manifest, sorted by image_id.

  With `test_source`, the first source is marked train, the second test. Where `classes`
  are given, there may be no others, and each needs an image to learn from.

  Raises:
    InputError: nothing there, no images, one class only, or something broken.
  """
  items = _read(source, "data.source")
  _check(items, source, classes, OTHERS)
  if missing := ", ".join(sorted(set(classes) - {item.label for item in items})):
    raise InputError(
      f"{source} has no images of {missing}: each of {', '.join(classes)} needs some"
      f"{OTHERS}"
    )
  if test_source:
    tests = _read(test_source, "data.test_source")
    _check(tests, test_source, classes or tuple(sorted({i.label for i in items})))
    sides = {"train": items, "test": tests}
    items = [on_side(item, side) for side, found in sides.items() for item in found]
  return sorted(items)


def files(source: str, key: str = "data.source") -> list[Item]:
  """The images of a folder, archive or manifest, sorted; any classes, or none.

  For data sets whose names of files say what a folder cannot: labels are checked there.
  """
  return sorted(_read(source, key))


def fingerprint(items: list[Item], *more: str) -> str:
  """Changes whenever a file is added, removed, replaced, relabelled or regrouped.

  `more` says what else is made of the files.
  """
  digest = hashlib.sha256("".join(more).encode())
  for item in items:
    try:
      stat = Path(item.path).stat()
    except OSError as error:
      raise InputError(f"cannot read {item.path}: {error.strerror}") from error
    digest.update(repr((tuple(item), stat.st_size, stat.st_mtime_ns)).encode())
  return digest.hexdigest()[:16]


def archive_md5(source: str) -> str:
  """The md5 of a source that is an archive, '' of others; `scan` must have read it."""
  path = Path(source).expanduser()
  return archive.md5(path) if path.is_file() and archive.is_archive(path) else ""


def on_side(item: Item, side: str) -> Item:
  """The item as one of the `side` train or test, of two sources."""
  name = f"{side}/{item.image_id}"  # both sources may have a 1.png; a patient is one
  group = item.group if item.grouped else name
  return item._replace(split=side, image_id=name, group=group)


def _read(source: str, key: str) -> list[Item]:
  if not source:
    raise InputError(
      f"{key} is empty: set --config.{key} to a folder <class>/..., to a zip or tar of"
      " one, or to a CSV file with the columns path,label,group"
    )
  if wrong := problem(source):
    raise InputError(f"{key}: {shown(source)} {wrong}")
  try:
    path = Path(source).expanduser()
    if not path.exists():
      raise InputError(f"{key}: no such file or folder: {path}")
  except (OSError, RuntimeError) as error:  # no permission; no such user's home
    raise InputError(f"{key}: cannot read {source}: {error}") from error
  folder = path
  if path.is_file() and archive.is_archive(path):
    folder = _top(archive.unpack(path, (*EXTENSIONS, ".csv")))
  if (folder / MANIFEST).is_file():
    folder = folder / MANIFEST
  if folder.is_dir():
    items = list(_tree(folder, path))
  elif folder.is_file() and folder.suffix.lower() == ".csv":
    items = [
      Item(
        Path(name).as_posix(), str(folder.parent / name), label, group or name, split
      )
      for name, label, group, split in manifest.read(folder)
    ]
  else:
    raise InputError(
      f"{key}: {path} is neither a folder, an archive ({', '.join(archive.SUFFIXES)})"
      " nor a .csv manifest"
    )
  if not items:
    raise InputError(
      f"no images in {path}: expected <class>/... with files ending in"
      f" {', '.join(EXTENSIONS)}{_hint(path)}"
    )
  return items


def _top(folder: Path) -> Path:
  """Below the folders that only wrap another one, as archives like to have them."""
  while True:
    inside = [p for p in _listed(folder) if p.is_dir() or _known(p.name)]
    if len(inside) != 1 or not inside[0].is_dir():
      return folder
    if any(_known(p.name) and p.name != MANIFEST for p in _listed(inside[0])):
      return folder  # this one is a class
    folder = inside[0]


def _known(name: str) -> bool:
  return name.lower().endswith(EXTENSIONS) or name == MANIFEST


def _tree(root: Path, source: Path) -> Iterator[Item]:
  """`source` is what the user knows `root` as."""
  for top in sorted(_listed(root)):
    if not top.is_dir():
      continue
    found = False
    for where, name in _walk(top):
      image_id = (where / name).relative_to(root).as_posix()
      if wrong := problem(image_id):
        raise InputError(f"the name of {shown(source / image_id)} {wrong}: rename it")
      found = True
      yield Item(image_id, str(where / name), top.name, image_id)
    if not found:
      raise InputError(
        f"the class folder {source / top.name} holds no images (files ending in"
        f" {', '.join(EXTENSIONS)}): fill it or remove it{_hint(source)}"
      )


def _listed(folder: Path) -> list[Path]:
  try:
    return [path for path in folder.iterdir() if not path.name.startswith(".")]
  except OSError as error:
    raise InputError(f"cannot read {shown(folder)}: {error.strerror}") from error


def _walk(top: Path) -> Iterator[tuple[Path, str]]:
  """(folder, name) of every image below `top`; linked folders are followed once."""

  def refuse(error):
    raise InputError(f"cannot read {shown(error.filename)}: {error.strerror}")

  seen = set()
  for where, folders, names in os.walk(top, onerror=refuse, followlinks=True):
    real = os.path.realpath(where)
    if real in seen:
      folders.clear()
      continue
    seen.add(real)
    folders[:] = [name for name in folders if not name.startswith(".")]
    for name in names:
      image = name.lower().endswith(EXTENSIONS) and not name.startswith(".")
      if image and os.path.isfile(os.path.join(where, name)):
        yield Path(where), name


def _check(
  items: list[Item], source: str, classes: tuple[str, ...], way: str = ""
) -> None:
  """Refuses labels other than `classes`, or, of free ones, a single label."""
  labels = {item.label: item for item in items}
  for label in sorted(set(labels) - set(classes)) if classes else ():
    raise InputError(
      f"{source}: {shown(labels[label].image_id)} is of class {shown(label)};"
      f" {nearest(label, classes)}{way}"
    )
  if len(labels) < 2 and not classes:
    raise InputError(
      f"{source} holds one class only ({shown(*labels)}): put the images of each class"
      f" into a folder of its own, <class>/...{_hint(Path(source).expanduser())}"
    )


def _hint(path: Path) -> str:
  """The folder inside that was probably meant."""
  inside = _top(path) if path.is_dir() else path
  if inside == path or sum(p.is_dir() for p in _listed(inside)) < 2:
    return ""
  return f"; or did you mean --config.data.source={inside}?"
