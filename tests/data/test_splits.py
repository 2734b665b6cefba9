import dataclasses
import types

import numpy as np
import pytest
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
