"""Splits: which images train, choose and test; and what stands on both sides.

`paper`       image-level, floor(0.2 n) test images per class, no validation part;
              slides cross it: the published protocol, reproduced and flagged.
`grouped`     no group (slide, patient) on two sides, stratified; validation is cut from
              the training groups.
`kfold`       as `grouped`, every fold in turn; with grouped=False groups cross, as in
              some papers: flagged.
`random`      image-level, a stratified `test_fraction`; slides cross it: flagged.
`predefined`  train and test as the data set says; validation likewise, or cut as above.
"""

import copy
import dataclasses
import hashlib

import numpy as np

from histojax.data import stratified
from histojax.data.tiles import Tiles
from histojax.errors import InputError, nearest

PARTS = ("train", "validation", "test")
WITH_FOLDS = ("grouped", "kfold")  # protocols that `split.fold` means something to


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
  _check(tiles, result, split)
  return result


def asked(tiles: Tiles, split) -> list[Split]:
  """`make` of every fold, where `config.split` asks for all in turn; else of the one.

  Raises:
    InputError: as `make`; of folds, any that cannot be used.
  """
  if not in_turn(split):
    return [make(tiles, split)]
  return [make(tiles, _with_fold(split, i)) for i in range(split.folds)]


def in_turn(split) -> bool:
  """Whether `config.split` asks for all folds, one after the other."""
  return split.protocol == "kfold" and split.fold == -1


def across(split) -> bool:
  """Whether the protocol lets groups cross: then the report must say so."""
  by_image = split.protocol == "kfold" and not getattr(split, "grouped", True)
  return by_image or split.protocol in ("paper", "random")


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


def kfold(tiles: Tiles, split) -> Split:
  """Fold `split.fold`, as `grouped`; with split.grouped=False image by image."""
  alone = dataclasses.replace(tiles, group=tiles.image_id)
  return grouped(alone if across(split) else tiles, split)


def random(tiles: Tiles, split) -> Split:
  """ceil(`split.test_fraction` n) images test, classes in proportion; groups cross."""
  from sklearn.model_selection import StratifiedShuffleSplit

  fraction = getattr(split, "test_fraction", 0.3)
  alone = dataclasses.replace(tiles, group=tiles.image_id)
  _enough(alone, np.arange(len(tiles)), 2)
  splitter = StratifiedShuffleSplit(1, test_size=fraction, random_state=split.seed)
  try:
    ((rest, test),) = splitter.split(tiles.label, tiles.label)
  except ValueError as error:  # fewer test or training images than classes
    raise InputError(
      f"split.test_fraction={fraction:g} of {len(tiles)} images leaves a part fewer"
      f" images than there are classes, {len(tiles.classes)}: change it, or add images"
    ) from error
  return Split(*_cut_validation(alone, np.sort(rest), split), np.sort(test))


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


PROTOCOLS = {
  "paper": paper,
  "grouped": grouped,
  "kfold": kfold,
  "random": random,
  "predefined": predefined,
}


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
  return found | {k: len(v) for k, v in shared(tiles, split).items()}


def shared(tiles: Tiles, *folds: Split) -> dict[str, set]:
  """`shared_groups`, `shared_identical`: names on both sides of test, in any fold."""
  found = {}
  for key, values in (("groups", tiles.group), ("identical", tiles.digest)):
    found[f"shared_{key}"] = set()
    for split in folds:
      seen = np.concatenate([split.train, split.validation])
      found[f"shared_{key}"] |= set(values[seen]) & set(values[split.test])
  return found


def record(tiles: Tiles, split: Split) -> dict:
  """What split.json holds: the image ids of each part, and `describe`."""
  ids = {part: tiles.image_id[rows].tolist() for part, rows in split.parts().items()}
  return {"pixels": _pixels(tiles), "summary": describe(tiles, split), **ids}


def record_all(tiles: Tiles, folds: list[Split]) -> dict:
  """What split.json of all folds holds: the image ids that each one tests."""
  tested = [tiles.image_id[split.test].tolist() for split in folds]
  return {"pixels": _pixels(tiles), "folds": tested}


def _pixels(tiles: Tiles) -> str:
  return hashlib.sha256("".join(tiles.digest).encode()).hexdigest()


def _cut_validation(tiles: Tiles, rows: np.ndarray, split):
  if split.validation_fraction <= 0:
    return rows, np.array([], int)
  smallest = min(_groups_per_class(tiles, rows))  # a small set gives a larger share
  folds = max(2, min(round(1 / split.validation_fraction), smallest))
  return _fold(tiles, rows, folds, 0, split.seed + 1)


def _fold(tiles: Tiles, rows: np.ndarray, folds: int, fold: int, seed: int):
  """(the rest, fold `fold`) of `rows`, groups kept whole, classes in proportion."""
  _enough(tiles, rows, folds)
  label, group = tiles.label[rows], tiles.group[rows]
  if len(set(group)) < len(rows):
    chosen = stratified.group_folds(label, group, folds, seed) == fold
    return np.sort(rows[~chosen]), np.sort(rows[chosen])
  # without groups the plain splitter does the same, and stays fast on many images
  from sklearn.model_selection import StratifiedKFold

  parts = StratifiedKFold(folds, shuffle=True, random_state=seed).split(rows, label)
  rest, chosen = list(parts)[fold]
  return np.sort(rows[rest]), np.sort(rows[chosen])


def _enough(tiles: Tiles, rows: np.ndarray, folds: int) -> None:
  """InputError where a class of `rows` has fewer groups than parts are made of it."""
  unit = "image" if len(set(tiles.group)) == len(tiles) else "group"
  where, way = "to train and test", f"add another {unit}, or merge the class"
  if len(rows) < len(tiles):
    where = "left to train and validate"
    way = "set split.validation_fraction=0 and select_on=last, or fewer split.folds"
  for name, found in zip(tiles.classes, _groups_per_class(tiles, rows), strict=True):
    if found < 2:
      raise InputError(
        f"class {name!r} has one {unit} only {where}: it cannot be on both sides; {way}"
      )
    if found < folds:
      raise InputError(
        f"class {name!r} has {found} {unit}s, too few for split.folds={folds}: set"
        f" --config.split.folds={found} or less, or merge the class"
      )


def _groups_per_class(tiles: Tiles, rows: np.ndarray) -> list[int]:
  label, group = tiles.label[rows], tiles.group[rows]
  return [len(set(group[label == k])) for k in range(len(tiles.classes))]


def _check(tiles: Tiles, result: Split, split) -> None:
  """scikit-learn can return folds without a class (scikit-learn#34828): look."""
  found = describe(tiles, result)
  which = f" (fold {split.fold} of {split.folds})" if split.protocol == "kfold" else ""
  for part in PARTS:
    counts = zip(tiles.classes, found[part]["per_class"], strict=True)
    missing = ", ".join(name for name, count in counts if not count)
    if missing and (found[part]["images"] or part != "validation"):
      raise InputError(
        f"the {part} part of the {split.protocol} split{which} has no image of"
        f" {missing}: try another split.seed, fewer split.folds, or merge the class"
      )
  rows = np.concatenate(list(result.parts().values()))
  whole = split.protocol in ("grouped", "kfold") and not across(split)
  if len(set(rows)) < len(rows) or (whole and found["shared_groups"]):
    raise AssertionError("an image or a group stands in two parts of the split")


def _with_fold(split, fold: int):
  """A copy of `config.split`, of one fold."""
  split = copy.deepcopy(split)
  split.fold = fold
  return split
