"""`sipakmed`: SIPaKMeD, cells of Pap smears in five classes.

4,049 cells cut out of 966 pictures of cell clusters: superficial-intermediate 831,
parabasal 787, koilocytotic 825, dyskeratotic 813, metaplastic 793. RGB bitmaps of any
size, one cell each.

Download: https://www.cs.uoi.gr/~marina/sipakmed.html, five archives im_<Class>.7z, to
be unpacked side by side. There is no licence: the page asks to cite the paper, so
nothing of it may be passed on. The folders are read as they come:

    im_<Class>/im_<Class>/NNN.bmp             a cluster: not read, but counted
    im_<Class>/im_<Class>/CROPPED/NNN_MM.bmp  cell MM of cluster NNN

Every cell of a cluster has the same class, background and staining, so the cluster is
the group. Slides and patients are not told: groups are a lower bound on what leaks.
"""

import collections
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import tensorflow_datasets as tfds

from histojax.data.folder import Folder
from histojax.data.listing import Item
from histojax.data.names import shown
from histojax.errors import InputError, nearest

COUNTS = {
  "Superficial-Intermediate": 831,
  "Parabasal": 787,
  "Koilocytotic": 825,
  "Dyskeratotic": 813,
  "Metaplastic": 793,
}
CLASSES = tuple(COUNTS)
CLUSTERS = 966
LICENCE = "none stated: cite the paper, and do not redistribute"
CITATION = (
  "Plissiti ME, Dimitrakopoulos P, Sfikas G, Nikou C, Krikoni O, Charchanti A."
  " SIPaKMeD: a new dataset for feature and image based classification of normal and"
  " pathological cervical cells in Pap smear images. ICIP 2018"
)
LAYOUT = "im_<Class>/im_<Class>/CROPPED/NNN_MM.bmp"
_CELL = re.compile(r"(\d+)_(\d+)", re.ASCII)


class Sipakmed(Folder):
  """SIPaKMeD, its single cells."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, **kwargs):
    super().__init__(classes=CLASSES, **kwargs)


def read(listed: list[Item]) -> tuple[list[Item], tuple[str, ...]]:
  """The cells of what `listing.files` found, each with its cluster as group.

  Returns also how they compare with what was published.

  Raises:
    InputError: another class, a class without cells, a cell whose name does not tell
      its cluster, or a cell twice.
  """
  items, clusters, seen = [], 0, {}
  for item in listed:
    label, path = _label(item), PurePosixPath(item.image_id)
    if path.parent.name.upper() != "CROPPED":
      clusters += 1
      continue
    cell = _CELL.fullmatch(path.stem)
    if not cell:
      raise InputError(
        f"{shown(item.image_id)} does not tell its cluster: expected {LAYOUT}"
      )
    other = seen.setdefault((label, path.stem), item.image_id)
    if other != item.image_id:
      raise InputError(
        f"the same cell is there twice, as {shown(other)} and {shown(item.image_id)}"
      )
    items.append(item._replace(label=label, group=f"{label}/{cell[1]}"))
  counts = collections.Counter(item.label for item in items)
  if missing := [name for name in CLASSES if not counts[name]]:
    raise InputError(
      f"data.source has no cells of {', '.join(missing)}: expected {LAYOUT} of each of"
      f" {', '.join(CLASSES)}"
    )
  return items, tuple(_notes(items, counts, clusters))


def _label(item: Item) -> str:
  folders = [part[3:] for part in PurePosixPath(item.image_id).parts if _marked(part)]
  if not folders:
    raise InputError(f"{shown(item.image_id)} is in no folder of a class: {LAYOUT}")
  for name in folders:
    if name not in CLASSES:
      raise InputError(
        f"{shown(item.image_id)} is of class {name!r}; {nearest(name, CLASSES)}"
      )
  if len(set(folders)) > 1:
    raise InputError(
      f"{shown(item.image_id)} lies in folders of two classes: put it where it belongs"
    )
  return folders[0]


def _marked(part: str) -> bool:
  return part.startswith("im_")


def _notes(items: list[Item], counts, clusters: int) -> Iterator[str]:
  groups = len({item.group for item in items})
  if counts == COUNTS:
    yield (
      f"SIPaKMeD: all {len(items):,} published cells, as many of each class, of"
      f" {groups:,} clusters."
    )
  else:
    per_class = ", ".join(f"{name} {counts[name]:,}" for name in CLASSES)
    yield (
      f"SIPaKMeD is here in part: {len(items):,} of {sum(COUNTS.values()):,} cells"
      f" ({per_class}) of {groups:,} clusters; published scores do not compare."
    )
  if clusters:
    yield (
      f"{clusters:,} pictures of whole clusters are left aside: cells are classified."
    )
  if copies := sum(not item.path.lower().endswith(".bmp") for item in items):
    yield f"{copies:,} cells are copies, not the published .bmp files."
