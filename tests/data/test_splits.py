import csv
import dataclasses
import types

import numpy as np
import pytest
from conftest import SHARED_DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from histojax.data import splits
from histojax.data.tiles import Tiles
from histojax.errors import InputError

LIVER = (("poor", 24), ("moderate", 28), ("well", 22))


def cohort(slides=LIVER, fields=6, split=""):
  label, group = [], []
  for k, (name, count) in enumerate(slides):
    for s in range(count):
      label += [k] * fields
      group += [f"{name}-{s}"] * fields
  n = len(label)
  ids = np.asarray([f"{i:04d}" for i in range(n)])
  return Tiles(
    image=np.zeros((n, 1, 1, 3), np.uint8),
    extent=np.ones((n, 2), np.int32),
    label=np.asarray(label, np.int32),
    group=np.asarray(group),
    image_id=ids,
    split=np.full(n, split),
    digest=ids,
    classes=tuple(name for name, _ in slides),
  )


def config(protocol, **changes):
  defaults = dict(seed=0, folds=5, fold=0, validation_fraction=0.15)
  return types.SimpleNamespace(protocol=protocol, **(defaults | changes))


def test_paper_split_is_table_3():
  tiles = cohort()
  found = splits.describe(tiles, splits.make(tiles, config("paper")))
  assert found["train"]["per_class"] == [116, 135, 106]
  assert found["test"]["per_class"] == [28, 33, 26]
  assert [36 * n for n in found["train"]["per_class"]] == [4176, 4860, 3816]
  assert [36 * n for n in found["test"]["per_class"]] == [1008, 1188, 936]
  assert found["validation"]["images"] == 0
  assert found["shared_groups"] > 50  # nearly every test slide is a training slide too


def test_paper_split_depends_on_its_seed_only():
  tiles = cohort()
  first, again = (splits.make(tiles, config("paper")).test for _ in range(2))
  other = splits.make(tiles, config("paper", seed=1)).test
  assert (first == again).all() and (first != other).any()


@settings(max_examples=25, deadline=None)
@given(
  seed=st.integers(0, 10_000),
  fold=st.integers(0, 4),
  slides=st.lists(st.integers(8, 30), min_size=2, max_size=5),
)
def test_grouped_split_never_shares_a_group(seed, fold, slides):
  tiles = cohort([(f"class{k}", n) for k, n in enumerate(slides)], fields=3)
  split = splits.make(tiles, config("grouped", seed=seed, fold=fold))
  parts = [set(tiles.group[rows]) for rows in split.parts().values()]
  assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
  assert sum(map(len, split.parts().values())) == len(tiles)
  for rows in split.parts().values():
    assert set(tiles.label[rows]) == set(range(len(slides)))
  expected = len(tiles) / 5
  assert abs(len(split.test) - expected) <= 3 * len(slides) * 2


def test_the_folds_test_every_image_once():
  tiles = cohort()
  tests = [splits.make(tiles, config("grouped", fold=k)).test for k in range(5)]
  assert sorted(np.concatenate(tests)) == list(range(len(tiles)))


def test_groups_may_hold_several_classes():
  tiles = cohort()
  mixed = np.asarray([f"patient{i % 40}" for i in range(len(tiles))])
  tiles = dataclasses.replace(tiles, group=mixed)
  found = splits.describe(tiles, splits.make(tiles, config("grouped")))
  assert found["shared_groups"] == 0


def test_predefined_follows_the_data_set():
  tiles = cohort()
  given_split = np.where(np.arange(len(tiles)) % 3 == 0, "test", "train")
  tiles = dataclasses.replace(tiles, split=given_split)
  split = splits.make(tiles, config("predefined"))
  assert (split.test == np.flatnonzero(given_split == "test")).all()
  assert len(split.validation) > 0
  assert not set(tiles.group[split.train]) & set(tiles.group[split.validation])
  none = splits.make(tiles, config("predefined", validation_fraction=0.0))
  assert len(none.validation) == 0
  with pytest.raises(InputError, match="444 of 444 are not"):
    splits.make(cohort(), config("predefined"))


def test_identical_pixels_on_both_sides_are_counted():
  tiles = cohort()
  split = splits.make(tiles, config("grouped"))
  digest = tiles.digest.copy()
  digest[split.test[:3]] = digest[split.train[:3]]
  tiles = dataclasses.replace(tiles, digest=digest)
  assert splits.describe(tiles, split)["shared_identical"] == 3


def test_impossible_designs_are_one_sentence():
  few = cohort((("a", 3), ("b", 20)))
  with pytest.raises(
    InputError, match="class 'a' has 3 groups, too few for split.folds=5"
  ):
    splits.make(few, config("grouped"))
  with pytest.raises(InputError, match="did you mean 'grouped'"):
    splits.make(cohort(), config("groupd"))
  with pytest.raises(InputError, match="split.fold=5: must be 0..4"):
    splits.make(cohort(), config("grouped", fold=5))


@pytest.mark.parametrize("whole", [True, False])
def test_kfold_tests_every_image_once(whole):
  tiles = cohort(fields=3)
  wanted = config("kfold", fold=-1, grouped=whole)
  folds = splits.asked(tiles, wanted)
  assert len(folds) == 5 and wanted.fold == -1
  tests = np.concatenate([fold.test for fold in folds])
  assert sorted(tests) == list(range(len(tiles)))
  for i, fold in enumerate(folds):
    again = splits.make(tiles, config("kfold", fold=i, grouped=whole))
    np.testing.assert_array_equal(fold.test, again.test)
    found = splits.describe(tiles, fold)
    assert (found["shared_groups"] == 0) is whole
    assert len(fold.validation) > 0
    for part in ("train", "test"):  # stratified: as many of each class as its share
      share = np.array(found[part]["per_class"]) / len(getattr(fold, part))
      assert np.abs(share - np.bincount(tiles.label) / len(tiles)).max() < 0.08
  crossing = splits.shared(tiles, *folds)["shared_groups"]
  assert (len(crossing) == 0) is whole
  assert splits.across(wanted) is not whole


def test_validation_within_a_fold_shares_no_group():
  tiles = cohort(fields=3)
  for fold in splits.asked(tiles, config("kfold", fold=-1)):
    parts = [set(tiles.group[rows]) for rows in fold.parts().values()]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
  none = splits.asked(tiles, config("kfold", fold=-1, validation_fraction=0.0))
  assert all(len(fold.validation) == 0 for fold in none)


def test_random_split_is_a_share_of_the_images():
  # BreakHis at 40X, 100X, 200X, 400X: 30 % of them are the published counts
  for benign, malignant, count in (
    (625, 1370, 599), (644, 1437, 625), (623, 1390, 604), (588, 1232, 546),
  ):  # fmt: skip
    tiles = cohort((("benign", benign), ("malignant", malignant)), fields=1)
    wanted = config("random", test_fraction=0.3, validation_fraction=0.0)
    split = splits.make(tiles, wanted)
    assert len(split.test) == count and len(split.train) == len(tiles) - count
    share = np.bincount(tiles.label[split.test])[0] / count
    assert abs(share - benign / len(tiles)) < 1 / count
    assert splits.across(wanted)
  tiles = cohort()
  first, other = (
    splits.make(tiles, config("random", test_fraction=0.3, seed=seed)).test
    for seed in (0, 1)
  )
  assert (first != other).any()
  split = splits.make(tiles, config("random", test_fraction=0.3))
  assert splits.describe(tiles, split)["shared_groups"] > 50
  assert 40 <= len(split.validation) <= 50  # 15 % of 310


def test_a_random_split_too_small_for_its_classes_is_refused():
  tiles = cohort((("a", 4), ("b", 4), ("c", 4)), fields=1)
  with pytest.raises(InputError, match="fewer images than there are classes, 3"):
    splits.make(tiles, config("random", test_fraction=0.1))


def test_a_fold_without_a_class_is_refused_with_its_number():
  rng = np.random.default_rng(25)  # eight patients, each with images of both classes
  sizes, rare = rng.integers(1, 60, size=8), rng.random(8) * 0.5
  group = np.repeat(np.arange(8), sizes)
  label = rng.random(len(group)) < rare[group]
  tiles = cohort((("a", 1), ("b", 1)), fields=len(group))  # names and classes of it
  tiles = dataclasses.replace(
    tiles,
    label=label.astype(np.int32),
    group=group.astype(str),
    image_id=tiles.image_id[: len(group)],
    digest=tiles.digest[: len(group)],
    image=tiles.image[: len(group)],
  )
  wanted = config("kfold", folds=4, validation_fraction=0.0)
  assert len(splits.make(tiles, wanted).test)  # the first one can be made
  wanted.fold = -1
  with pytest.raises(InputError, match=r"\(fold \d of 4\) has no image of b"):
    splits.asked(tiles, wanted)


def breakhis(kind: str, group: str):
  """The 82 slides of BreakHis as published, three images each."""
  table = SHARED_DATA.parent / "reference" / "breakhis_slides.csv"
  if not table.is_file():
    pytest.skip(f"needs {table}")
  with table.open() as file:
    rows = list(csv.DictReader(file))
  classes = sorted({row[kind] for row in rows})
  label = np.repeat([classes.index(row[kind]) for row in rows], 3)
  tiles = cohort([(name, 0) for name in classes])
  return dataclasses.replace(
    tiles,
    label=label.astype(np.int32),
    group=np.repeat([row[group] for row in rows], 3),
    image_id=np.array([f"{i:04d}" for i in range(len(label))]),
    digest=np.array([f"{i:04d}" for i in range(len(label))]),
    image=np.zeros((len(label), 1, 1, 3), np.uint8),
  )


@pytest.mark.parametrize("group", ["slide", "accession"])
@pytest.mark.parametrize("folds", [5, 10])
def test_breakhis_can_be_folded_in_two_classes_not_in_eight(group, folds):
  two = breakhis("class", group)
  for seed in range(3):
    wanted = config("kfold", folds=folds, fold=-1, seed=seed, validation_fraction=0.0)
    assert len(splits.asked(two, wanted)) == folds
  with pytest.raises(InputError, match=f"too few for split.folds={folds}"):
    splits.asked(breakhis("subtype", group), config("kfold", folds=folds, fold=-1))
