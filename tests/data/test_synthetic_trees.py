"""Synthetic stand-ins: published names, read by the readers of the real files."""

import types

import numpy as np
import pytest
from ml_collections import config_dict

from histojax.data import (
  breakhis,
  catalogue,
  listing,
  nct_crc,
  sipakmed,
  splits,
  synthetic_breakhis,
  synthetic_nct_crc,
  synthetic_sipakmed,
  synthetic_tree,
  tiles,
)
from histojax.data.synthetic_tissue import balanced, thin

GENERATORS = {
  "breakhis": synthetic_breakhis,
  "sipakmed": synthetic_sipakmed,
  "nct_crc": synthetic_nct_crc,
}


def find(name, **changes):
  data = dict(name=name, source="", test_source="") | changes
  return catalogue.find(config_dict.ConfigDict(data))


def few(module, keep):
  """The tree with only the files whose place `keep` wants."""

  def tree(**asked):
    whole = module.tree(**asked)
    return whole._replace(files={k: v for k, v in whole.files.items() if keep(v)})

  return types.SimpleNamespace(tree=tree)


@pytest.mark.parametrize("name", GENERATORS)
def test_planned_without_drawing_and_called_synthetic(cache, name):
  dataset = find(name)
  assert dataset.synthetic and dataset.name == f"synthetic_{name}"
  assert "data.source is empty, so these images are synthetic" in dataset.notes[0]
  assert not cache.exists()
  keys = {find(name, **c).fingerprint for c in ({}, {"seed": 1}, {"height": 64})}
  assert len(keys) == 3 and find(name).fingerprint == dataset.fingerprint


@pytest.mark.parametrize("name", GENERATORS)
def test_equal_arguments_give_equal_pixels(name):
  tree = GENERATORS[name].tree()
  places = [*tree.files.values()][:: len(tree.files) // 6]
  for place in places:
    image = tree.draw(0, place, 48, 56)
    assert image.shape == (48, 56, 3) and image.dtype == np.uint8
    assert image.tobytes() == tree.draw(0, place, 48, 56).tobytes()
    assert image.tobytes() != tree.draw(1, place, 48, 56).tobytes()
    assert 25 < image.mean() < 245 and image.std() > 3
  assert len(set(tree.files.values())) == len(tree.files)


def test_breakhis_is_drawn_and_read_by_its_own_reader(cache, monkeypatch):
  tree = few(synthetic_breakhis, lambda place: place[2] == 40 and place[3] == 0)
  monkeypatch.setattr(
    catalogue, "_tree", lambda module, data: tree.tree(height=32, width=40)
  )
  monkeypatch.setattr(synthetic_tree, "FEW", 10**6)
  dataset = find("breakhis", magnification="40")
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  assert found.classes == ("benign", "malignant") and dataset.group_name == "accession"
  assert len(found) == 59 and len(set(found.group)) == 51 and not found.duplicates
  assert np.bincount(found.label).tolist() == [25, 34]
  assert not breakhis.read(tree.tree().listed(), "40", "subtype", "slide")[0][0].split


def test_sipakmed_is_drawn_and_read_by_its_own_reader(cache, monkeypatch):
  tree = few(synthetic_sipakmed, lambda place: place[1] < 3)
  monkeypatch.setattr(
    catalogue, "_tree", lambda module, data: tree.tree(height=32, width=32)
  )
  monkeypatch.setattr(synthetic_tree, "FEW", 10**6)
  dataset = find("sipakmed")
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  assert found.classes == sipakmed.CLASSES and len(set(found.group)) == 15
  assert len(found) == dataset.images < len(tree.tree().files)  # and clusters


def test_nct_crc_is_drawn_in_two_folders_that_train_and_test(cache, monkeypatch):
  tree = few(synthetic_nct_crc, lambda place: place[3] < (4 if place[0] == 0 else 2))
  monkeypatch.setattr(
    catalogue, "_tree", lambda module, data: tree.tree(height=32, width=32)
  )
  found = tiles.prepare(find("nct_crc"), lambda h, w: (h, w), "full")  # by processes
  assert found.classes == nct_crc.CLASSES
  assert np.unique(found.split, return_counts=True)[1].tolist() == [18, 36]
  assert all(
    ("TCGA" in i) == (s == "test")
    for i, s in zip(found.image_id, found.split, strict=True)
  )
  image = found.image[found.image_id.tolist().index(found.image_id[0])]
  place = tree.tree().files["CRC-VAL-HE-7K/" + found.image_id[0].partition("/")[2]]
  np.testing.assert_array_equal(image, synthetic_nct_crc.draw(0, place, 32, 32))


def test_the_plan_is_what_the_splits_of_the_papers_need():
  """Every class has groups for five folds and a validation part."""
  for name, asked in (("breakhis", {"task": "subtype"}), ("sipakmed", {})):
    dataset = find(name, **asked)
    items = dataset.builder.keywords["items"]
    groups = {}
    for item in items:
      groups.setdefault(item.label, set()).add(item.group)
    assert min(map(len, groups.values())) >= 5
    assert not set.intersection(*groups.values())
    found = tiles.Tiles(
      image=None, extent=None, digest=np.array([i.image_id for i in items]),
      label=np.array([sorted(groups).index(i.label) for i in items]),
      group=np.array([i.group for i in items]), classes=tuple(sorted(groups)),
      image_id=np.array([i.image_id for i in items]), split=np.array([""] * len(items)),
    )  # fmt: skip
    split = dict(protocol="grouped", seed=0, folds=5, fold=0, validation_fraction=0.15)
    parts = splits.make(found, config_dict.ConfigDict(split)).parts()
    assert all(len(rows) for rows in parts.values())


def test_a_tree_that_is_read_otherwise_than_planned_is_noticed(cache, monkeypatch):
  tree = few(synthetic_sipakmed, lambda place: place[1] < 1).tree(height=32, width=32)
  tree.write()
  tree.write()  # once drawn, it is only looked at
  monkeypatch.setattr(listing, "files", lambda *_: tree.listed()[1:])
  with pytest.raises(AssertionError, match="is not read as it was planned"):
    tree.write()


def test_thinned_points_keep_their_distance_and_their_order():
  points = np.random.default_rng(0).uniform(0, 30, (400, 2))
  kept = thin(points, 2.0)
  slow = []
  for point in points:
    if all(np.hypot(*(point - other)) > 2.0 for other in slow):
      slow.append(point)
  np.testing.assert_array_equal(kept, slow)


def test_balanced_dyes_hide_how_much_tissue_there_was():
  rng = np.random.default_rng(0)
  sparse = np.stack(
    [rng.random((40, 40)) ** 8, rng.random((40, 40)), np.zeros((40, 40))]
  )
  for dyes in (sparse, 0.2 * sparse, 5 * sparse):
    found = balanced(rng, dyes.astype(np.float32), (0.3, 0.4), even=1.0)
    np.testing.assert_allclose(found.mean((1, 2)), [0.3, 0.4, 0], atol=2e-3)
    order = np.argsort(found[0], axis=None, kind="stable")
    assert (np.diff(dyes[0].ravel()[order]) >= -1e-6).all()
