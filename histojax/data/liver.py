"""`liver`: your own slides of liver cancer, in the three grades of the paper.

Classes: poor, moderate, well (differentiated). The paper's own images (BMC Medical
Informatics and Decision Making 2022; 22:176, Cancer Hospital of Xinjiang Medical
University, ethics K-2021050) are private and cannot be downloaded: 144, 168 and 132
fields of 1665 x 1393 pixels, six from each of 24, 28 and 22 slides, cut 2 x 3 out of
one marked region. Yours are under your own licence, and lie as

    <class>/<slide>_<field>.png         fields, of any size; the slide is the group
    <class>/<slide>.png                 one marked region per slide, with data.grid=2x3

or in a zip or tar of that, or in a manifest whose column `group` then names the slide.
"""

import collections
import io
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import tensorflow_datasets as tfds

from histojax.data import decode, listing
from histojax.data.folder import Folder
from histojax.data.listing import Item
from histojax.data.names import shown
from histojax.errors import InputError

CLASSES = ("poor", "moderate", "well")
SLIDES = {"poor": 24, "moderate": 28, "well": 22}  # of the paper
FIELDS = 6
LICENCE = "your own"
CITATION = "classes: BMC Med Inform Decis Mak 2022; 22:176, 10.1186/s12911-022-01919-1"


def read(
  source: str, test_source: str, grid: tuple[int, int]
) -> tuple[list[Item], tuple[str, ...]]:
  """The files, each with its slide as group, and what a report should say of them.

  Raises:
    InputError: other classes, a class without images, a name without slide and field.
  """
  items = listing.scan(source, test_source, CLASSES)
  items = [i if i.grouped else i._replace(group=_slide(i, grid)) for i in items]
  return items, tuple(_notes(items, grid))


def parse_grid(text: str) -> tuple[int, int]:
  """'2x3' -> (2, 3), rows and columns; '' -> (0, 0), files that are fields already."""
  if not text:
    return 0, 0
  found = re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text)
  if not found:
    raise InputError(
      f"data.grid={text!r}: expected rows x columns, such as 2x3 (of 1 to 99 each), or"
      " nothing where every file is one field"
    )
  return int(found[1]), int(found[2])


def cut(height: int, width: int, grid: tuple[int, int]) -> Iterator[tuple[str, tuple]]:
  """Yields ('r1c1', (left, upper, right, lower)), row by row; every pixel once.

  Sizes that do not divide give fields that differ by one pixel.
  """
  rows, columns = grid
  for r in range(rows):
    for c in range(columns):
      box = width * c // columns, height * r // rows
      box += width * (c + 1) // columns, height * (r + 1) // rows
      yield f"r{r + 1}c{c + 1}", box


class Liver(Folder):
  """Slides of liver cancer in three grades, as fields or cut into them."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, grid: tuple[int, int], **kwargs):
    self._grid = grid
    super().__init__(classes=CLASSES, **kwargs)

  def _generate_examples(self):
    for name, example in super()._generate_examples():
      if not any(self._grid):
        yield name, example
        continue
      found = fields(name, example["image"].read(), self._grid)
      for number, (place, encoded) in enumerate(found):
        if number:  # the whole file is counted after this
          self._progress()
        field = f"{name}#{place}"
        yield field, example | {"image_id": field, "image": io.BytesIO(encoded)}


def fields(name: str, encoded: bytes, grid: tuple[int, int]):
  """Yields (place, PNG bytes) of every field of an encoded region; lossless.

  A region that cannot be read is passed on as it is: as any damaged image, it is named
  or skipped where images are decoded.
  """
  try:
    region = decode.rgb(encoded)
  except decode.Unreadable:
    yield from ((place, encoded) for place, _ in cut(0, 0, grid))
    return
  if region.height < grid[0] or region.width < grid[1]:
    raise InputError(
      f"{shown(name)} has {region.height} x {region.width} pixels, too few for"
      f" data.grid={grid[0]}x{grid[1]}"
    )
  for place, box in cut(region.height, region.width, grid):
    buffer = io.BytesIO()
    region.crop(box).save(buffer, "PNG", compress_level=1)
    yield place, buffer.getvalue()


def _slide(item: Item, grid: tuple[int, int]) -> str:
  stem = PurePosixPath(item.image_id).stem
  slide, _, field = stem.rpartition("_")
  if not any(grid) and not (slide and field):
    raise InputError(
      f"{shown(item.image_id)}: expected <slide>_<field>, such as"
      f" S12_3{Path(item.path).suffix}; one region per slide is cut into fields with"
      " --config.data.grid=2x3"
    )
  return stem if any(grid) else slide


def _notes(items: list[Item], grid: tuple[int, int]) -> Iterator[str]:
  per_file = grid[0] * grid[1] or 1
  images = [per_file * sum(i.label == name for i in items) for name in CLASSES]
  grades = collections.defaultdict(set)
  for item in items:
    grades[item.group].add(item.label)
  slides = [sum(name in found for found in grades.values()) for name in CLASSES]
  theirs = [n * FIELDS for n in SLIDES.values()], [*SLIDES.values()]
  if (images, slides) == theirs:
    yield f"As many images and slides of each class as in the paper: {_list(images)}."
  else:
    yield (
      f"{_list(images)} images of {_list(slides)} slides ({', '.join(CLASSES)}); the"
      f" paper has {_list(theirs[0])} of {_list(theirs[1])}, so the counts of its"
      " Table 3 do not apply."
    )
  if several := sorted(name for name, found in grades.items() if len(found) > 1):
    yield (
      f"{len(several)} slide names, such as {shown(several[0])}, stand in more than one"
      " class, each taken for one slide: if they are not, name the slides apart."
    )
  if any(grid):
    heads = collections.Counter(name.rpartition("_")[0] for name in grades)
    heads.pop("", None)
    twice = [name for name, n in heads.items() if n > 1]
    if twice and len(heads) > len(CLASSES):  # HCC_1, HCC_2, ... are only numbered
      yield (
        f"Files such as {shown(twice[0] + '_...')} each count as a slide of their own:"
        " if they are of one slide or patient, name it in a manifest's column `group`."
      )


def _list(numbers: list[int]) -> str:
  return ", ".join(f"{n:,}" for n in numbers)
