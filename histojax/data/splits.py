"""Splits: which images train, choose and test; and what stands on both sides.

`paper`       image-level, floor(0.2 n) test images per class, no validation part;
              slides cross it: the published protocol, reproduced and flagged.
`grouped`     no group (slide, patient) on two sides, stratified; validation is cut from
              the training groups.
`predefined`  train and test as the data set says; validation likewise, or cut as above.
"""

import dataclasses
import hashlib

import numpy as np

from histojax.data.tiles import Tiles
from histojax.errors import InputError, nearest

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Split:
  """Sorted row numbers of the tiles; validation may be empty."""

  train: np.ndarray
  validation: np.ndarray
  test: np.ndarray

  def parts(self) -> dict[str, np.ndarray]:
    return {part: getattr(self, part) for part in PARTS}


def make(tiles: Tiles, split) -> Split:
  """The split that `config.split` names.

  Raises:
    InputError: an unknown protocol, or a design that leaves a part without a class.
  """
  if split.protocol not in PROTOCOLS:
    known = nearest(split.protocol, PROTOCOLS)
    raise InputError(f"split.protocol={split.protocol!r}: {known}")
  result = PROTOCOLS[split.protocol](tiles, split)
  _check(tiles, result, split.protocol)
  return result


def paper(tiles: Tiles, split) -> Split:
  """floor(0.2 n) test images of each class, drawn by `split.seed` (liver, Table 3)."""
  rng = np.random.default_rng(split.seed)
  of_class = [np.flatnonzero(tiles.label == k) for k in range(len(tiles.classes))]
  test = np.concatenate([rng.permutation(r)[: len(r) // 5] for r in of_class])
  train = np.setdiff1d(np.arange(len(tiles)), test)
  return Split(train, np.array([], int), np.sort(test))


def grouped(tiles: Tiles, split) -> Split:
  """Fold `split.fold` of `split.folds` tests; the others train and validate."""
  if not 0 <= split.fold < split.folds:
    raise InputError(f"split.fold={split.fold}: must be 0..{split.folds - 1}")
  rows = np.arange(len(tiles))
  rest, test = _fold(tiles, rows, split.folds, split.fold, split.seed)
  return Split(*_cut_validation(tiles, rest, split), test)


def predefined(tiles: Tiles, split) -> Split:
  """What the `split` column of the data set (or its two folders) says."""
  train, validation, test = (np.flatnonzero(tiles.split == part) for part in PARTS)
  unmarked = int(np.sum(tiles.split == ""))
  if unmarked or not len(train) or not len(test):
    raise InputError(
      "split.protocol=predefined needs every image marked train or test"
      f" ({unmarked} of {len(tiles)} are not): give the manifest a column split, or set"
      " data.test_source"
    )
  if not len(validation):
    train, validation = _cut_validation(tiles, train, split)
  return Split(train, validation, test)


PROTOCOLS = {"paper": paper, "grouped": grouped, "predefined": predefined}


def describe(tiles: Tiles, split: Split) -> dict:
  """Per part `images`, `groups` and `per_class` counts; and `shared_groups` and
  `shared_identical`: groups, pixel-identical images on both sides of test."""
  found = {
    part: {
      "images": len(rows),
      "groups": len(set(tiles.group[rows])),
      "per_class": np.bincount(
        tiles.label[rows], minlength=len(tiles.classes)
      ).tolist(),
    }
    for part, rows in split.parts().items()
  }
  seen = np.concatenate([split.train, split.validation])
  for key, values in (("groups", tiles.group), ("identical", tiles.digest)):
    found[f"shared_{key}"] = len(set(values[seen]) & set(values[split.test]))
  return found


def record(tiles: Tiles, split: Split) -> dict:
  """What split.json holds: the image ids of each part, and `describe`."""
  ids = {part: tiles.image_id[rows].tolist() for part, rows in split.parts().items()}
  pixels = hashlib.sha256("".join(tiles.digest).encode()).hexdigest()
  return {"pixels": pixels, "summary": describe(tiles, split), **ids}


def _cut_validation(tiles: Tiles, rows: np.ndarray, split):
  if split.validation_fraction <= 0:
    return rows, np.array([], int)
  smallest = min(_groups_per_class(tiles, rows))  # a small set gives a larger share
  folds = max(2, min(round(1 / split.validation_fraction), smallest))
  return _fold(tiles, rows, folds, 0, split.seed + 1)


def _fold(tiles: Tiles, rows: np.ndarray, folds: int, fold: int, seed: int):
  """(the rest, fold `fold`) of `rows`, groups kept whole, classes in proportion."""
  from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

  where, way = "to train and test", "add images of another group, or merge the class"
  if len(rows) < len(tiles):
    where = "left to train and validate"
    way = "set split.validation_fraction=0 and select_on=last, or fewer split.folds"
  for name, found in zip(tiles.classes, _groups_per_class(tiles, rows), strict=True):
    if found < 2:
      raise InputError(
        f"class {name!r} has one group only {where}: it cannot be on both sides; {way}"
      )
    if found < folds:
      raise InputError(
        f"class {name!r} has {found} groups, too few for split.folds={folds}: set"
        f" --config.split.folds={found} or less, or merge the class"
      )
  label, group = tiles.label[rows], tiles.group[rows]
  # without groups the plain splitter does the same, and stays fast on many images
  single = len(set(group)) == len(rows)
  splitter = StratifiedKFold if single else StratifiedGroupKFold
  splitter = splitter(folds, shuffle=True, random_state=seed)
  parts = splitter.split(rows, label, None if single else group)
  rest, chosen = list(parts)[fold]
  return np.sort(rows[rest]), np.sort(rows[chosen])


def _groups_per_class(tiles: Tiles, rows: np.ndarray) -> list[int]:
  label, group = tiles.label[rows], tiles.group[rows]
  return [len(set(group[label == k])) for k in range(len(tiles.classes))]


def _check(tiles: Tiles, split: Split, protocol: str) -> None:
  """scikit-learn can return folds without a class (scikit-learn#34828): look."""
  found = describe(tiles, split)
  for part in PARTS:
    counts = zip(tiles.classes, found[part]["per_class"], strict=True)
    missing = ", ".join(name for name, count in counts if not count)
    if missing and (found[part]["images"] or part != "validation"):
      raise InputError(
        f"the {part} part of the {protocol} split has no image of {missing}: try"
        " another split.seed, fewer split.folds, or merge the class"
      )
  rows = np.concatenate(list(split.parts().values()))
  if len(set(rows)) < len(rows) or (protocol == "grouped" and found["shared_groups"]):
    raise AssertionError("an image or a group stands in two parts of the split")
