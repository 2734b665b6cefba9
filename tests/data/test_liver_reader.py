import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histojax import published
from histojax.data import catalogue, liver, synthetic_liver, tiles
from histojax.errors import InputError

GRADES = ("poor", "moderate", "well")


def find(source, grid="", **changes):
  data = dict(name="liver", source=str(source), test_source="", grid=grid) | changes
  config = types.SimpleNamespace(**data)
  config.get = lambda key, default=None: data.get(key, default)
  return catalogue.find(config)


def slides(root, names, size=(20, 24), classes=GRADES, suffix=".png"):
  """`<class>/<name>`, pictures that all differ."""
  for k, grade in enumerate(classes):
    (root / grade).mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
      pixels = np.random.default_rng([k, i]).integers(0, 256, (*size, 3), np.uint8)
      Image.fromarray(pixels).save(root / grade / f"{grade}{name}{suffix}")
  return root


def opened(dataset):
  return tiles.prepare(dataset, lambda h, w: (h, w), "full")


def test_the_facts_are_those_of_the_paper():
  from histojax.published import liver as paper

  assert published.find("liver/SENet")
  assert liver.CLASSES == tuple(paper.CLASSES) == tuple(synthetic_liver.CLASSES)
  assert liver.SLIDES == synthetic_liver.SLIDES
  assert list(liver.SLIDES.values()) == paper.SLIDES
  assert liver.FIELDS == paper.FIELDS_PER_SLIDE == synthetic_liver.FIELDS


def test_fields_belong_to_their_slide(cache, tmp_path):
  root = slides(tmp_path / "s", ["_a_b_1", "_a_b_2", "-7_x"])
  dataset = find(root)
  assert (dataset.name, dataset.synthetic, dataset.group_name) == (
    "liver",
    False,
    "slide",
  )
  found = opened(dataset)
  assert found.classes == GRADES  # in the paper's order, not the alphabet's
  rows = zip(found.image_id, found.group, found.label, strict=True)
  groups = {name: (group, GRADES[label]) for name, group, label in rows}
  assert groups["well/well_a_b_2.png"] == ("well_a_b", "well")
  assert groups["poor/poor-7_x.png"] == ("poor-7", "poor")
  assert len(groups) == 9 and len(set(found.group)) == 6
  (note,) = dataset.notes
  assert note.startswith("3, 3, 3 images of 2, 2, 2 slides (poor, moderate, well); the")
  assert "144, 168, 132 of 24, 28, 22" in note


def test_the_papers_counts_are_recognised(tmp_path):
  for grade, count in liver.SLIDES.items():
    (tmp_path / "s" / grade).mkdir(parents=True)
    for slide in range(count):
      for field in range(6):
        (tmp_path / "s" / grade / f"{grade}{slide}_{field}.png").touch()
  dataset = find(tmp_path / "s")
  assert dataset.images == 444
  assert dataset.notes == (
    "As many images and slides of each class as in the paper: 144, 168, 132.",
  )


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_a_grid_cuts_every_region_into_its_fields(cache, tmp_path, suffix):
  root = slides(
    tmp_path / "s", ["_a_1", "x"], (41, 61), suffix=suffix
  )  # 41 / 2, 61 / 3
  dataset = find(root, "2x3")
  assert dataset.images == 3 * 2 * 6
  found = opened(dataset)
  at = {name: i for i, name in enumerate(found.image_id)}
  whole = np.asarray(Image.open(root / "well" / f"well_a_1{suffix}"))
  boxes = [(y, x) for y in (slice(0, 20), slice(20, 41)) for x in
           (slice(0, 20), slice(20, 40), slice(40, 61))]  # fmt: skip
  for k, box in enumerate(boxes):
    row = at[f"well/well_a_1{suffix}#r{k // 3 + 1}c{k % 3 + 1}"]
    height, width = found.extent[row]
    np.testing.assert_array_equal(found.image[row, :height, :width], whole[box])
    assert found.group[row] == "well_a_1"
  assert len(set(found.group)) == 6


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 9), st.integers(1, 9))
def test_a_grid_covers_every_pixel_once(height, width, rows, columns):
  seen, sizes = np.zeros((height, width), int), []
  for _, (left, upper, right, lower) in liver.cut(height, width, (rows, columns)):
    seen[upper:lower, left:right] += 1
    sizes.append((lower - upper, right - left))
  assert (seen == 1).all() and len(sizes) == rows * columns
  assert np.ptp(sizes, axis=0).max() <= 1


def test_grids_do_not_share_a_cache(tmp_path):
  root = slides(tmp_path / "s", ["_1", "_2"], (41, 61))
  keys = {find(root, grid).fingerprint for grid in ("", "2x3", "3x2", "1x1")}
  assert len(keys) == 4


def test_a_damaged_region_is_named_as_any_image_is(cache, tmp_path):
  root = slides(tmp_path / "s", ["_1", "_2"], (41, 61))
  (root / "well" / "well_1.png").write_bytes(b"")
  with pytest.raises(InputError, match="well/well_1.png#r1c1"):
    opened(find(root, "2x3"))


def test_a_region_smaller_than_its_grid_is_named(cache, tmp_path):
  root = slides(tmp_path / "s", ["_1", "_2"], (2, 9))
  with pytest.raises(
    InputError, match="moderate/moderate_1.png' has 2 x 9 pixels, too few"
  ):
    opened(find(root, "3x3"))


def test_without_a_source_it_is_synthetic_and_says_so():
  dataset = find("")
  assert dataset.synthetic and dataset.name == "synthetic_liver"
  assert "data.source is empty, so these are synthetic" in dataset.notes[0]
  with pytest.raises(InputError, match="use data.name=liver"):
    find("/slides", name="synthetic_liver")


def test_what_may_be_misunderstood_is_noted(tmp_path):
  root = slides(tmp_path / "s", ["_1", "_2"])
  for grade in GRADES:
    (root / grade / "7_1.png").touch()
  several = find(root).notes[1]
  assert not find(root).not_files and "cuts" in find(root, "2x3").not_files
  assert several.startswith("1 slide names, such as '7', stand in more than one class")
  assert any("Files such as 'moderate_...' each" in n for n in find(root, "2x3").notes)


@pytest.mark.parametrize("grid", ["2*3", "2x", "0x3", "2x3x4", "x", "-1x2", "100x1"])
def test_a_malformed_grid_is_one_sentence(tmp_path, grid):
  with pytest.raises(InputError, match="expected rows x columns, such as 2x3"):
    find(slides(tmp_path / "s", ["_1"]), grid)


def test_other_layouts_are_one_sentence(tmp_path):
  with pytest.raises(InputError, match="/moderate1.png': expected <slide>_<field>, su"):
    find(slides(tmp_path / "plain", ["1"]))
  with pytest.raises(InputError, match="of class 'Poor'; did you mean 'poor'"):
    find(slides(tmp_path / "case", ["_1"], classes=("Poor", "moderate", "well")))
  with pytest.raises(
    InputError, match="no images of well: each of poor, moderate, wel"
  ):
    find(slides(tmp_path / "two", ["_1"], classes=("poor", "moderate")))
