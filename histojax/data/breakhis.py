"""`breakhis`: BreaKHis_v1, breast tumours at four magnifications, benign or malignant.

7,909 images, 2,480 benign and 5,429 malignant, of 82 slides (biopsies of the P&D
laboratory, Brazil), RGB, 700 x 460 pixels, some 700 x 456. 40X to 400X are total
magnifications: objectives 4x, 10x, 20x, 40x.

Download: http://www.inf.ufpr.br/vri/databases/BreaKHis_v1.tar.gz (4 GB), to be read as
it comes, or its folder, or a zip of that. The licence is on the page of the data set;
CC BY 4.0 is what one benchmark took it for, research only what others did.

    BreaKHis_v1/histology_slides/breast/{benign|malignant}/SOB/<subtype>/
      SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png

Two defects of the data. The slide 13412 is there twice, as ductal and as lobular
carcinoma: `data.duplicates=drop` keeps one copy of equal pixels. And what was counted
as 82 patients are slides: letters behind a number denote, as far as we can tell, blocks
of one case, so images are grouped by accession number, of which there are 70
(`data.group_by=slide` follows the publication: 81 numbers with their letters).
"""

import collections
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

import tensorflow_datasets as tfds

from histojax.data import breakhis_folds
from histojax.data.breakhis_slides import MAGNIFICATIONS, SLIDES
from histojax.data.folder import Folder
from histojax.data.listing import Item
from histojax.data.names import shown
from histojax.errors import InputError, nearest

SUBTYPES = {
  "A": "adenosis", "F": "fibroadenoma", "PT": "phyllodes_tumor",
  "TA": "tubular_adenoma", "DC": "ductal_carcinoma", "LC": "lobular_carcinoma",
  "MC": "mucinous_carcinoma", "PC": "papillary_carcinoma",
}  # fmt: skip
SIDES = {"B": "benign", "M": "malignant"}
TASKS = {"binary": tuple(SIDES.values()), "subtype": tuple(SUBTYPES.values())}
GROUPS = ("accession", "slide")
LICENCE = "see the page of the data set (CC BY 4.0, or research only)"
CITATION = (
  "Spanhol FA, Oliveira LS, Petitjean C, Heutte L. A Dataset for Breast Cancer"
  " Histopathological Image Classification. IEEE TBME 2016; 63(7):1455-1462"
)
_TYPES = r"(?:B_(?:A|F|PT|TA)|M_(?:DC|LC|MC|PC))"
_NAME = re.compile(
  rf"SOB_({_TYPES})-(\d\d-\d+)([A-Z]*)-(40|100|200|400)-(\d{{3}})", re.ASCII
)
_COPY = re.compile(rf"SOB_({_TYPES})_(\d\d-\d+)([A-Z]*)_(\d+)", re.ASCII)  # resized


class Named(NamedTuple):
  """What the name of a file says; magnification 0 where it says none."""

  side: str
  subtype: str  # DC
  accession: str  # 14-13412
  letters: str
  magnification: int

  @property
  def slide(self) -> str:
    return self.accession + self.letters


class Breakhis(Folder):
  """BreaKHis_v1, of one magnification or of all."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, task: str, **kwargs):
    super().__init__(classes=TASKS[task], **kwargs)


def read(
  listed: list[Item], magnification: str, task: str, group_by: str, fold_list="",
  trial=1,
) -> tuple[list[Item], tuple[str, ...]]:  # fmt: skip
  """The images of a magnification ('40', ..., or 'all'), and how many were published.

  Args:
    listed: what `listing.files` found: of folders only their names are used.
    task: binary or subtype (8 classes).
    group_by: accession or slide: what must not cross a split.
    fold_list: an official list, `dsfold1.txt` or the folder mkfold, which marks train
      and test; of a folder the `trial` from 1 to 5 is taken.

  Raises:
    InputError: an unknown choice, a name that is none of BreakHis, a file in the folder
      of another class or magnification, a file twice, a class without images.
  """
  wanted = parse_magnification(magnification)
  for key, value, known in (("task", task, TASKS), ("group_by", group_by, GROUPS)):
    if value not in known:
      raise InputError(f"data.{key}={value!r}: {nearest(value, known)}")
  held = [(item, named(item)) for item in listed]
  _check_once(held)
  if wanted and (lost := [item for item, name in held if not name.magnification]):
    raise InputError(
      f"{shown(lost[0].image_id)} does not tell its magnification: such copies are read"
      " with --config.data.magnification=all"
    )
  held = [pair for pair in held if wanted in (0, pair[1].magnification)]
  items = [
    item._replace(
      label=name.side if task == "binary" else SUBTYPES[name.subtype],
      group=name.slide if group_by == "slide" else name.accession,
    )
    for item, name in held
  ]
  if missing := set(TASKS[task]) - {item.label for item in items}:
    at = f" at {wanted}X" * bool(wanted)
    raise InputError(
      f"data.source has no images of {', '.join(sorted(missing))}{at}: each of"
      f" {', '.join(TASKS[task])} needs some"
    )
  notes = [*_compared([name for _, name in held], wanted)]
  if fold_list:
    items, note = breakhis_folds.mark(items, fold_list, trial, magnification)
    notes.append(note)
  return items, (*notes, _grouping([name for _, name in held], group_by))


def parse_magnification(text: str) -> int:
  """'40' -> 40; 'all' -> 0."""
  known = [str(m) for m in MAGNIFICATIONS]
  if text not in ("all", *known):
    raise InputError(
      f"data.magnification={text!r}: {nearest(text, ('all', *known))}; of 40X, 100X,"
      " 200X and 400X"
    )
  return 0 if text == "all" else int(text)


def named(item: Item) -> Named:
  """What the name says, once folders say nothing else.

  Raises:
    InputError: no name of BreakHis, or one in the folder of another.
  """
  path = PurePosixPath(item.image_id)
  found = _NAME.fullmatch(path.stem) or _COPY.fullmatch(path.stem)
  if not found:
    raise InputError(
      f"{shown(item.image_id)} has no name of BreakHis, such as"
      " SOB_B_A-14-22549AB-40-001.png; other images are read with"
      " --config.data.name=folder"
    )
  side, subtype = found[1].split("_")
  magnification = int(found[4]) if found.re is _NAME else 0
  name = Named(SIDES[side], subtype, found[2], found[3], magnification)
  for part in path.parts[:-1]:
    wrong = part in SIDES.values() and part != name.side
    wrong |= part in SUBTYPES.values() and part != SUBTYPES[subtype]
    wrong |= bool(re.fullmatch(r"\d+X", part)) and part != f"{magnification}X"
    if wrong:
      raise InputError(
        f"{shown(item.image_id)} lies in {part}, but its name says {name.side},"
        f" {SUBTYPES[subtype]}, {magnification}X: put it where it belongs"
      )
  return name


def _check_once(held: list[tuple[Item, Named]]) -> None:
  seen = {}
  for item, _ in held:
    stem = PurePosixPath(item.image_id).stem
    other = seen.setdefault(stem, item.image_id)
    if other != item.image_id:
      raise InputError(
        f"the same image is there twice, as {shown(other)} and {shown(item.image_id)}"
      )


def _compared(names: list[Named], wanted: int) -> Iterator[str]:
  """What is here beside what was published, slide by slide."""
  counts = collections.Counter(
    (f"{n.subtype}_{n.slide}", n.magnification) for n in names if n.magnification
  )
  published = {
    (slide, magnification): n
    for slide, row in SLIDES.items()
    for magnification, n in zip(MAGNIFICATIONS, row, strict=True)
    if wanted in (0, magnification)
  }
  sides = collections.Counter(name.side for name in names)
  here = ", ".join(f"{n:,} {side}" for side, n in sorted(sides.items()))
  at = f" at {wanted}X" * bool(wanted)
  if counts == published:
    yield (
      f"BreakHis{at}: all {len(names):,} published images ({here}), as many of each"
      " slide."
    )
  else:
    yield (
      f"BreakHis{at} is here in part: {len(names):,} of"
      f" {sum(published.values()):,} images ({here}); published scores do not compare."
    )
  if more := sorted(k for k, n in counts.items() if n > published.get(k, 0)):
    slide, magnification = more[0]
    yield (
      f"{len(more)} slides have more images than were published, such as {slide} at"
      f" {magnification}X."
    )
  if copies := sum(not name.magnification for name in names):
    yield (
      f"{copies:,} images are copies of BreakHis, resized, and do not tell their"
      " magnification."
    )


def _grouping(names: list[Named], group_by: str) -> str:
  accessions = {(n.side, n.accession) for n in names}
  slides = len({n.slide for n in names})
  if group_by == "slide":
    return (
      f"Grouped by {slides} slides, as published: slides of one accession number, such"
      " as 14-22549AB and 14-22549CD, may stand on both sides (data.group_by=accession"
      " keeps them together)."
    )
  per_side = [sum(side == s for s, _ in accessions) for side in SIDES.values()]
  return (
    f"Grouped by accession number: {len(accessions)} groups ({per_side[0]} benign,"
    f" {per_side[1]} malignant) of {slides} slides."
  )
