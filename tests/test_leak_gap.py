"""--mode=leak_gap: two runs that differ in their split alone, and what lies between."""

import numpy as np
import pytest
from conftest import ROOT

from histojax import config_files, leak_pair
from histojax.data import splits
from histojax.data.tiles import Tiles
from histojax.errors import InputError
from histojax.evaluation import leak_words

LIVER = str(ROOT / "configs" / "liver_senet.py")


def cohort(slides=(24, 28, 22), fields=6):
  """Tiles of three classes with so many slides each, without pixels."""
  label = np.repeat(np.repeat(np.arange(3), slides), fields)
  n, ids = len(label), np.array([f"{i:04d}" for i in range(len(label))])
  return Tiles(
    image=np.zeros((n, 1, 1, 3), np.uint8), extent=np.ones((n, 2), np.int32),
    label=label.astype(np.int32), group=np.array([f"s{i // fields}" for i in range(n)]),
    image_id=ids, split=np.full(n, ""), digest=ids, classes=("a", "b", "c"),
  )  # fmt: skip


def liver(variant="", **changes):
  config = config_files.load_config(f"{LIVER}:{variant}" if variant else LIVER)
  config.split.update(changes)
  return config


def sizes(tiles, config):
  made = splits.make(tiles, config.split)
  return [len(rows) for rows in made.parts().values()], splits.describe(tiles, made)


def other_than_the_split(config):
  plain = config.to_dict()
  del plain["split"]
  return plain


def test_the_papers_split_meets_the_fold_nearest_in_size():
  tiles = cohort()
  for variant in ("", "quick"):
    leaky, clean = leak_pair.pair(liver(variant), liver().split, tiles, "slide")
    ours, told = sizes(tiles, leaky)
    theirs, apart = sizes(tiles, clean)
    assert leaky.split.protocol == "paper" and clean.split.protocol == "grouped"
    assert ours == [444 - 87, 0, 87] and theirs[1] == 0
    assert abs(ours[0] - theirs[0]) <= 6  # one slide
    assert told["shared_groups"] > 40 and apart["shared_groups"] == 0
    assert other_than_the_split(leaky) == other_than_the_split(clean)
    assert leaky.select_on == "last"  # neither has images to choose on


@pytest.mark.parametrize("fraction", [0.2, 0.3, 0.5])
def test_a_random_split_is_cut_as_the_groups_allow(fraction):
  tiles = cohort((9, 14, 11), fields=7)
  given = liver("quick", protocol="random")
  with given.unlocked():
    given.split.test_fraction = fraction
  leaky, clean = leak_pair.pair(given, given.split, tiles)
  (ours, _), (theirs, apart) = sizes(tiles, leaky), sizes(tiles, clean)
  assert clean.split.folds == round(1 / fraction) and apart["shared_groups"] == 0
  assert ours[2] == theirs[2]
  assert abs(ours[0] - theirs[0]) <= 0.05 * theirs[0] and ours[1] > 0
  assert leaky.select_on == clean.select_on == "validation"


def test_folds_stay_folds_and_test_the_same_images():
  config = config_files.load_config(str(ROOT / "configs" / "sipakmed_sam.py"))
  leaky, clean = leak_pair.pair(config, config.split, cohort())
  assert leaky.split.fold == clean.split.fold == -1
  assert not leaky.split.grouped and clean.split.grouped
  assert splits.across(leaky.split) and not splits.across(clean.split)


def test_images_that_choose_do_not_train():
  """Of folds, too, whose report counts test images alone."""
  config = liver("quick", protocol="kfold", fold=-1)
  for side in leak_pair.pair(config, liver().split, cohort()):
    found = leak_pair.dealt(side, cohort())
    assert sum(found.values()) == 444 and found["test"] == 444 / 5
    assert found["validation"] == pytest.approx(0.15 * 444 * 4 / 5, rel=0.1)


def test_what_cannot_be_paired_is_told():
  alone = cohort(fields=1)
  with pytest.raises(InputError, match="every image is its own slide"):
    leak_pair.pair(liver(), liver().split, alone, "slide")
  config = liver()
  config.data.test_source = "/x"
  with pytest.raises(InputError, match="leave that out"):
    leak_pair.pair(config, config.split, cohort())
  config.data.test_source, config.split.protocol = "", "predefined"
  with pytest.raises(InputError, match="predefined is yours"):
    leak_pair.pair(config, config.split, cohort())


def between(value, low, high, *, leaky=0.97, groups=15, **more):
  side = {"images": 90, "groups": groups, "low": 0.1, "high": 0.9}
  return {
    "value": value, "low": low, "high": high, "paired": False, "shared_groups": 0,
    "leaky": side | {"value": leaky}, "clean": side | {"value": leaky - value},
  } | more  # fmt: skip


@pytest.mark.parametrize(
  ("found", "says"),
  [
    ((0.16, 0.09, 0.24), "16 points (95 % CI 9 to 24) of that score are leak."),
    ((0.02, -0.05, 0.09), "(95 % CI -5 to 9): with 15 slides no leak can be told from"),
    (
      (-0.1, -0.2, -0.02),
      "-10 points (95 % CI -20 to -2): it is no higher, so no leak",
    ),
    ((0.16, np.nan, np.nan), "a gap of 16 points, without an interval."),
  ],
)
def test_the_sentence_claims_what_the_interval_allows(found, says):
  told = leak_words.sentence(
    between(*found), "balanced_accuracy", "the published split", "slide"
  )
  assert told.startswith(
    "Balanced accuracy under the published split (by image) is 0.97"
  )
  assert says in told


def test_only_a_published_split_is_called_one():
  def kind(config, published):
    leaky, _ = leak_pair.pair(config, published.split, cohort())
    return leak_pair.published_kind(leaky.split, published.split)

  def shipped(name, **changes):
    config = config_files.load_config(str(ROOT / "configs" / f"{name}.py"))
    config.split.update(changes)
    return config

  own, breakhis, folds = map(shipped, ("folder", "breakhis_dala", "sipakmed_sam"))
  assert kind(liver("quick"), liver()) == "the published split"
  assert kind(folds, folds) == "the published split"
  assert kind(breakhis, breakhis) == "the published split"
  assert kind(shipped("breakhis_dala", protocol="grouped", folds=10), breakhis) == (
    "a split"
  )
  assert kind(liver(protocol="kfold"), liver()) == "a split"
  assert kind(liver(protocol="random"), liver()) == "a split"
  assert kind(liver(protocol="grouped", folds=10), liver()) == "a split"
  assert kind(own, own) == "a split"
  assert kind(shipped("folder", protocol="random"), own) == "a split"
