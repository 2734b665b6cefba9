"""`herlev`: Pap smears of Herlev University Hospital, single cells of seven classes.

917 cells: normal superficial 74, intermediate 70, columnar 98; light dysplasia 182,
moderate 146, severe 197; carcinoma in situ 150. RGB pictures of any size.

Download: http://mde-lab.aegean.gr/index.php/downloads (smear2005.zip), for research.
The folders are read as they come, `<class>/149146837-149146854-001.BMP`; the contours
beside the cells (`...-001-d.bmp`) are not read, but counted. The first number of a name
is that of the picture which the cell was cut out of: the group, as slides are not told.
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
  "normal_superficiel": 74,
  "normal_intermediate": 70,
  "normal_columnar": 98,
  "light_dysplastic": 182,
  "moderate_dysplastic": 146,
  "severe_dysplastic": 197,
  "carcinoma_in_situ": 150,
}
CLASSES = tuple(COUNTS)
LICENCE = "research use"
CITATION = (
  "Jantzen J, Norup J, Dounias G, Bjerregaard B. Pap-smear benchmark data for pattern"
  " classification. NiSIS 2005"
)
_CELL = re.compile(r"(\d+)-(\d+)-(\d+)(-d)?", re.ASCII)


class Herlev(Folder):
  """Herlev, single cells of seven classes."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, **kwargs):
    super().__init__(classes=CLASSES, **kwargs)


def read(listed: list[Item]) -> tuple[list[Item], tuple[str, ...]]:
  """The cells of what `listing.files` found, grouped by the picture they are cut from.

  Returns also how they compare with what was published.

  Raises:
    InputError: another class, a class without cells, a name that is none of Herlev, or
      a cell twice.
  """
  items, contours, seen = [], 0, {}
  for item in listed:
    path = PurePosixPath(item.image_id)
    cell, label = _CELL.fullmatch(path.stem), path.parent.name
    if label not in CLASSES:
      raise InputError(
        f"{shown(item.image_id)} is of class {label!r}; {nearest(label, CLASSES)}"
      )
    if not cell:
      raise InputError(
        f"{shown(item.image_id)} has no name of Herlev, such as"
        " 149146837-149146854-001.BMP; other cells are read with"
        " --config.data.name=folder"
      )
    if cell[4]:
      contours += 1
      continue
    other = seen.setdefault(path.stem, item.image_id)
    if other != item.image_id:
      raise InputError(
        f"the same cell is there twice, as {shown(other)} and {shown(item.image_id)}"
      )
    items.append(item._replace(label=label, group=cell[1]))
  counts = collections.Counter(item.label for item in items)
  if missing := [name for name in CLASSES if not counts[name]]:
    raise InputError(f"data.source has no cells of {', '.join(missing)}")
  return items, tuple(_notes(items, counts, contours))


def _notes(items: list[Item], counts, contours: int) -> Iterator[str]:
  pictures = len({item.group for item in items})
  if counts == COUNTS:
    yield f"Herlev: all {len(items):,} published cells, of {pictures:,} pictures."
  else:
    per_class = ", ".join(f"{name} {counts[name]:,}" for name in CLASSES)
    yield (
      f"Herlev is here in part: {len(items):,} of {sum(COUNTS.values()):,} cells"
      f" ({per_class}) of {pictures:,} pictures; published scores do not compare."
    )
  if contours:
    yield f"{contours:,} pictures of contours (-d) are left aside."
