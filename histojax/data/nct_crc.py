"""`nct_crc`: NCT-CRC-HE-100K and CRC-VAL-HE-7K, colorectal tissue of nine classes.

ADI adipose, BACK background, DEB debris, LYM lymphocytes, MUC mucus, MUS smooth muscle,
NORM normal mucosa, STR stroma of the cancer, TUM tumour epithelium: 100,000 images to
train and 7,180 of other patients to test, 224 x 224 RGB at 0.5 um per pixel,
normalised by Macenko's method.

Download: https://zenodo.org/records/1214456, NCT-CRC-HE-100K.zip (11.7 GB) and
CRC-VAL-HE-7K.zip (0.8 GB), licence CC BY 4.0. Either the zip files as they come or the
folders inside them (`<class>/<class>-AAAAAAAA.tif`) are read, and so is
NCT-CRC-HE-100K-NONORM, the same images in the colours of the scanner. One file instead
of both, `pathmnist_224.npz`, is read by `pathmnist`.

With the 7,180 as data.test_source and split.protocol=predefined they test and do
nothing else: what chooses a network is split.validation_fraction of the 100,000. Those
are of 86 slides, but no file name tells which patient it is of, so that this hold-out
shares patients with the training part and scores too well. The 7,180 are of 50
patients, as Zenodo says.
"""

import collections
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import tensorflow_datasets as tfds

from histojax.data import listing
from histojax.data.folder import Folder
from histojax.data.listing import Item
from histojax.data.names import shown
from histojax.errors import InputError

CLASSES = ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM")
LICENCE = "CC BY 4.0"
CITATION = (
  "Kather JN, Halama N, Marx A. 100,000 histological images of human colorectal cancer"
  " and healthy tissue. Zenodo 2018, 10.5281/zenodo.1214456"
)
_NAME = re.compile(rf"({'|'.join(CLASSES)})-(TCGA-)?[A-Z]{{8}}")


class Published(NamedTuple):
  """What Zenodo holds."""

  name: str
  counts: tuple[int, ...]  # per class
  md5: str  # of the zip file


TRAIN = Published(
  "NCT-CRC-HE-100K",
  (10407, 10566, 11512, 11557, 8896, 13536, 8763, 10446, 14317),
  "6fd702d11df6292bc054397ae038a464",
)
NONORM = Published(
  "NCT-CRC-HE-100K-NONORM", TRAIN.counts, "035777cf327776a71a05c95da6d6325f"
)
TEST = Published(
  "CRC-VAL-HE-7K",
  (1338, 847, 339, 634, 1035, 592, 741, 421, 1233),
  "2fd1651b4f94ebd818ebf90ad2b6ce06",
)


class NctCrc(Folder):
  """NCT-CRC-HE-100K and CRC-VAL-HE-7K."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, **kwargs):
    super().__init__(classes=CLASSES, **kwargs)


def read(
  source: str, test_source: str, listed: list[Item] | None = None
) -> tuple[list[Item], tuple[str, ...]]:
  """The images, `listed` or those of the sources, and how they compare with Zenodo's.

  Raises:
    InputError: other classes, a class without images, an image of one class in the
      folder of another, the same image twice, or CRC-VAL-HE-7K beside a test source.
  """
  items = listing.scan(source, test_source, CLASSES) if listed is None else listed
  found, seen, foreign = collections.defaultdict(list), {}, 0
  train = NONORM if "NONORM" in Path(source).expanduser().resolve().name else TRAIN
  for item in items:
    stem = PurePosixPath(item.image_id).stem
    name = _NAME.fullmatch(stem)
    if not name:
      foreign += 1
      continue
    if name[1] != item.label:
      raise InputError(
        f"{shown(item.path)} is labelled {item.label}, but its name says {name[1]}: put"
        " it where it belongs"
      )
    other = seen.setdefault(stem, item.image_id)
    if other != item.image_id:
      raise InputError(
        f"the same image is there twice, as {shown(other)} and {shown(item.image_id)}"
      )
    found[TEST if name[2] else train].append(item)
  wrong = [item for item in found[TEST] if item.split == "train"]
  if wrong:
    raise InputError(
      f"{shown(wrong[0].image_id)} is of {TEST.name}, which only tests where there is a"
      f" data.test_source: give {TRAIN.name} as data.source"
    )
  notes = [note for held in (train, TEST) for note in _compared(held, found[held])]
  if train is NONORM:
    notes.append(
      f"{NONORM.name} keeps the colours of the scanner; that it is this set, only the"
      " name of data.source says."
    )
  if foreign:
    notes.append(f"{foreign:,} files do not carry a name of the published sets.")
  return items, (*notes, *_checksums(source, test_source))


def _compared(held: Published, items: list[Item]) -> Iterator[str]:
  if not items:
    return
  counts = collections.Counter(item.label for item in items)
  published = dict(zip(CLASSES, held.counts, strict=True))
  if counts == published:
    yield f"{held.name}: all {len(items):,} published images, as many of each class."
  else:
    per_class = ", ".join(f"{name} {counts[name]:,}" for name in CLASSES)
    yield (
      f"{held.name} is here in part: {len(items):,} of {sum(held.counts):,} images"
      f" ({per_class}); published scores do not compare."
    )
  if copies := sum(not item.path.lower().endswith(".tif") for item in items):
    yield (
      f"{copies:,} images of {held.name} are copies, not the published .tif files: JPEG"
      " leaves traces that a network can learn."
    )


def _checksums(*sources: str) -> Iterator[str]:
  for source in sources:
    known = {held.name + ".zip": held.md5 for held in (TRAIN, NONORM, TEST)}
    expected = known.get(Path(source).name)
    if expected and (found := listing.archive_md5(source)):
      same = f"is {expected}, as published"
      other = f"is {found}, not {expected}: this is not the published file"
      yield f"md5 of {Path(source).name} {same if found == expected else other}."
