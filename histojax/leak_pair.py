"""The two splits of `--mode=leak_gap`: by image, as published, and by group, alike."""

import copy

from histojax.data import splits
from histojax.data.tiles import Tiles
from histojax.errors import InputError

PAPER_FOLDS = 5  # `paper` tests 1/5 of the images
NO_GROUPS = (
  "--mode=leak_gap needs to know which images belong together, and here every image is"
  " its own {}: give a manifest.csv with a column group (patient, slide)"
)
OWN_TEST = (
  "--mode=leak_gap splits data.source in two ways, and data.test_source brings a test"
  " part of its own: leave that out"
)
PREDEFINED = (
  "--mode=leak_gap makes both splits itself, and split.protocol=predefined is yours:"
  " use grouped, or paper or random"
)


def pair(config, published, tiles: Tiles, unit: str = "group") -> tuple:
  """(leaky, clean): `config` with a split by image and one by group.

  Both train on as many images, as nearly as groups allow, since less training would be
  taken for leak; both choose their checkpoint in the same way.

  Args:
    config: of one run; kfold makes folds of both kinds over the same images.
    published: `config.split` of the file's published variant: its protocol is taken
      where it deals out images.
    unit: what a group is called.

  Raises:
    InputError: no groups are known, or the test images are given already.
  """
  if len(set(tiles.group)) == len(tiles):
    raise InputError(NO_GROUPS.format(unit))
  if config.data.get("test_source"):
    raise InputError(OWN_TEST)
  split = config.split
  if split.protocol == "predefined":
    raise InputError(PREDEFINED)
  if split.protocol == "kfold":
    return _with(config, grouped=False), _with(config, grouped=True)
  folds, kind = split.folds, _by_image(split, published)
  if split.protocol != "grouped":  # as large a test part as the published one
    fraction = published.get("test_fraction", split.get("test_fraction", 0.3))
    folds = PAPER_FOLDS if kind == "paper" else max(2, round(1 / fraction))
  if kind == "paper" and folds == PAPER_FOLDS:
    leaky = _with(config, protocol="paper", validation_fraction=0.0)
    clean = _with(config, protocol="grouped", folds=folds, validation_fraction=0.0)
    _nearest_fold(clean, splits.make(tiles, leaky.split), tiles)
    for each in (leaky, clean):  # nothing to choose on
      each.select_on = "last" if each.select_on == "validation" else each.select_on
    return leaky, clean
  fold = max(0, split.fold if split.protocol == "grouped" else 0)
  clean = _with(config, protocol="grouped", folds=folds, fold=fold)
  made = splits.make(tiles, clean.split)
  rest = len(tiles) - len(made.test)
  alike = {
    "protocol": "random",
    "test_fraction": (len(made.test) - 0.5) / len(tiles),  # rounded up to so many
    "validation_fraction": min(0.5, len(made.validation) / rest),
  }
  return _with(config, **alike), clean


def dealt(config, tiles: Tiles) -> dict[str, float]:
  """Images of each part; of folds, their mean."""
  made = [split.parts() for split in splits.asked(tiles, config.split)]
  return {p: sum(len(parts[p]) for parts in made) / len(made) for p in splits.PARTS}


def published_kind(leaky, published) -> str:
  """What the split by image is called: 'the published split', where it is one.

  Args:
    leaky: `split` of the first of a `pair`.
    published: as there.
  """
  same = splits.across(published) and leaky.protocol == published.protocol
  if same and leaky.protocol == "random":  # a fold's worth stands for its test part
    same = round(1 / leaky.test_fraction) == round(1 / published.test_fraction)
  return "the published split" if same else "a split"


def _by_image(*given) -> str:
  """The protocol of the first of these splits that deals out images."""
  named = [s.protocol for s in given if splits.across(s) and s.protocol != "kfold"]
  return named[0] if named else "random"


def _nearest_fold(config, wanted: splits.Split, tiles: Tiles) -> None:
  """Sets the fold whose training part is nearest in size to that of `wanted`."""
  sizes = []
  for fold in range(config.split.folds):
    config.split.fold = fold
    sizes.append(len(splits.make(tiles, config.split).train))
  off = [abs(size - len(wanted.train)) for size in sizes]
  config.split.fold = off.index(min(off))


def _with(config, **changes):
  """A copy of `config` with other keys of its split; `grouped` may be a new one."""
  config = copy.deepcopy(config)
  with config.unlocked():
    config.split.update(changes)
  return config
