"""The synthetic cohort: deterministic, countable, and graded as it says."""

import io

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from scipy import ndimage

from histojax.data import synthesis, synthetic_liver
from histojax.data.synthesis import OTHER_NUCLEUS, TUMOUR_NUCLEUS

POOR, MODERATE, WELL = range(3)
SIZE = 256, 306


@pytest.fixture(scope="module")
def fields():
  """Six fields of six slides per grade: {label: [(image, mask)]}."""
  return {
    label: [synthesis.render(0, label, slide, 0, *SIZE) for slide in range(6)]
    for label in (POOR, MODERATE, WELL)
  }


@pytest.fixture(scope="module")
def build(tmp_path_factory):
  """The real builder over a cohort cut to two slides of one class, one of the rest."""
  ticks = []
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(synthetic_liver, "SLIDES", {"poor": 2, "moderate": 1, "well": 1})
    builder = synthetic_liver.SyntheticLiver(
      data_dir=tmp_path_factory.mktemp("tfds"),
      seed=3,
      height=64,
      width=76,
      progress=lambda: ticks.append(1),
    )
    builder.download_and_prepare()
  return builder, ticks


def optical_density(image):
  return -np.log10(np.maximum(image, 1) / 255.0)


def test_equal_arguments_give_equal_bytes_and_seeds_differ():
  image, mask = synthesis.render(0, POOR, 1, 2, *SIZE)
  again, mask_again = synthesis.render(0, POOR, 1, 2, *SIZE)
  assert image.tobytes() == again.tobytes()
  assert mask.tobytes() == mask_again.tobytes()
  assert image.shape == (*SIZE, 3) and mask.shape == SIZE
  assert image.dtype == mask.dtype == np.uint8
  assert set(np.unique(mask)) <= {0, OTHER_NUCLEUS, TUMOUR_NUCLEUS}
  for other in ((1, POOR, 1, 2), (0, MODERATE, 1, 2), (0, POOR, 2, 2), (0, POOR, 1, 3)):
    assert image.tobytes() != synthesis.render(*other, *SIZE)[0].tobytes()


def test_plan_is_the_cohort_of_the_paper():
  plan = synthetic_liver.plan()
  assert len(set(plan)) == len(plan) == 444
  images = np.bincount([label for label, _, _ in plan])
  assert images.tolist() == [144, 168, 132]
  slides = {(label, slide) for label, slide, _ in plan}
  assert np.bincount([label for label, _ in slides]).tolist() == [24, 28, 22]
  assert synthetic_liver.CLASSES == ("poor", "moderate", "well")


def test_build_holds_encoded_images_names_and_groups(build):
  builder, ticks = build
  skip = {name: tfds.decode.SkipDecoding() for name in ("image", "nuclei")}
  rows = list(builder.as_data_source("all", decoders=skip))
  assert len(rows) == len(ticks) == 24
  groups = {row["group"].decode() for row in rows}
  assert groups == {"poor-01", "poor-02", "moderate-01", "well-01"}
  row = next(row for row in rows if row["image_id"] == b"poor-02_3")
  assert row["label"] == POOR and row["group"] == b"poor-02"
  image, mask = synthesis.render(3, POOR, 1, 2, 64, 76)  # drawn here and by a worker
  np.testing.assert_array_equal(Image.open(io.BytesIO(row["image"])), image)
  np.testing.assert_array_equal(Image.open(io.BytesIO(row["nuclei"])), mask)


def test_other_arguments_are_another_build(tmp_path):
  keys = {
    synthetic_liver.fingerprint(*arguments)
    for arguments in ((0, 256, 306), (1, 256, 306), (0, 1393, 1665))
  }
  assert len(keys) == 3
  one = synthetic_liver.SyntheticLiver(data_dir=tmp_path)
  other = synthetic_liver.SyntheticLiver(data_dir=tmp_path, seed=1)
  assert one.data_path != other.data_path


def test_mask_lies_on_the_nuclei(fields):
  for pairs in fields.values():
    for image, mask in pairs:
      density = optical_density(image)
      tumour = mask == TUMOUR_NUCLEUS
      around = ndimage.binary_dilation(mask > 0, iterations=6)
      cytoplasm = (
        around
        & ~ndimage.binary_dilation(mask > 0, iterations=2)
        & (image.min(-1) < 200)
      )
      # Haematoxylin absorbs red, which eosin hardly does.
      assert density[tumour, 0].mean() > 1.15 * density[cytoplasm, 0].mean()
      assert density[tumour].mean() > density[cytoplasm].mean()


def test_grades_are_ordered_in_nuclear_size_and_crowding(fields):
  size, crowding, spread = [], [], []
  for label in (POOR, MODERATE, WELL):
    areas = []
    for _, mask in fields[label]:
      pieces, count = ndimage.label(mask == TUMOUR_NUCLEUS)
      areas.append(np.bincount(pieces.ravel())[1:])
    crowding.append(
      np.mean([(mask == TUMOUR_NUCLEUS).mean() for _, mask in fields[label]])
    )
    areas = np.concatenate(areas)
    areas = areas[areas > 60]  # slivers at the border and behind fat
    size.append(np.median(areas))
    spread.append(areas.std() / areas.mean())
  assert size[POOR] > 1.25 * size[MODERATE] > 1.25 * 1.25 * size[WELL]
  assert crowding[POOR] > 1.1 * crowding[MODERATE] > 1.1 * 1.1 * crowding[WELL]
  assert spread[POOR] > spread[WELL]


def test_fields_of_a_slide_share_its_stain():
  def colours(slide):
    images = [synthesis.render(0, WELL, slide, field, *SIZE)[0] for field in range(3)]
    return np.array([np.median(image, axis=(0, 1)) for image in images])

  slides = np.array([colours(slide) for slide in range(6)])  # [slide, field, 3]
  within = slides.std(axis=1).mean()
  between = slides.mean(axis=1).std(axis=0).mean()
  assert between > 1.5 * within


def test_a_larger_size_shows_the_same_scene():
  small, small_mask = synthesis.render(0, MODERATE, 4, 1, *SIZE)
  large, large_mask = synthesis.render(0, MODERATE, 4, 1, 1393, 1665)
  assert large.shape == (1393, 1665, 3)
  shrunk = Image.fromarray(large).resize(SIZE[::-1], Image.Resampling.BOX)
  correlation = np.corrcoef(np.asarray(shrunk).ravel(), small.ravel())[0, 1]
  assert correlation > 0.95
  shrunk = Image.fromarray(large_mask).resize(SIZE[::-1], Image.Resampling.NEAREST)
  assert (np.asarray(shrunk) == small_mask).mean() > 0.98
