"""The colour baselines see colour, nothing else, and only inside the image; the one of
files no image at all."""

import numpy as np
import pytest

from histojax.evaluation import baselines

CLASSES = ["a", "b", "c"]


def tiles(n=60, size=24, seed=0):
  """Noise; class k is brighter in channel k."""
  rng = np.random.default_rng(seed)
  label = np.arange(n) % 3
  images = rng.integers(0, 120, (n, size, size, 3), dtype=np.uint8)
  images[np.arange(n), :, :, label] += 100
  return images, label, np.arange(n) // 6


def test_features_are_what_they_say():
  images, _, _ = tiles(4)
  found = baselines.colour_features(images)
  np.testing.assert_allclose(found["mean_rgb"], images.mean((1, 2)), rtol=1e-5)
  red, green, blue = (images[0] // 32).reshape(-1, 3).T
  expected = np.histogramdd(
    np.stack([red, green, blue], 1), bins=(np.arange(9) - 0.5,) * 3
  )[0].ravel()
  np.testing.assert_allclose(found["colour_histogram"][0], expected / expected.sum())


def test_padding_and_order_of_pixels_do_not_matter():
  images, _, _ = tiles(4)
  padded = np.full((4, 40, 40, 3), 255, np.uint8)
  padded[:, :24, :24] = images
  shuffled = np.random.default_rng(0).permuted(images.reshape(4, -1, 3), axis=1)
  plain = baselines.colour_features(images)
  inside = baselines.colour_features(padded, np.full((4, 2), 24))
  for name, values in plain.items():
    np.testing.assert_array_equal(inside[name], values)
  moved = images[:, ::-1, ::-1]
  for name, values in baselines.colour_features(moved).items():
    np.testing.assert_allclose(values, plain[name], rtol=1e-6)
  assert shuffled.shape[1] < baselines._PIXELS  # else the grid would sample


@pytest.fixture(scope="module")
def found():
  images, label, _ = tiles()
  order = np.argsort(label, kind="stable")
  images, label, group = images[order], label[order], np.arange(60) // 4
  test = np.flatnonzero(np.arange(60) % 20 < 8)
  train = np.setdiff1d(np.arange(60), test)
  return baselines.evaluate(images, label, group, train, test, CLASSES)


def test_colour_is_found(found):
  for name in ("mean_rgb", "colour_histogram"):
    assert found[name]["images"]["balanced_accuracy"]["value"] == 1
    assert found[name]["images"]["n"] == 24
    assert found[name]["groups"]["n"] == 6


def test_chance_and_the_commonest_class(found):
  assert found["chance"]["balanced_accuracy"] == pytest.approx(1 / 3)
  assert found["chance"]["accuracy"] == pytest.approx(1 / 3)
  assert found["chance"]["majority_class"] == "a"


def test_files_alone_are_asked_only_where_there_are_any(monkeypatch):
  monkeypatch.setattr(baselines, "TREES", 20)
  rng = np.random.default_rng(0)
  label, group = np.arange(60) % 3, np.arange(60)
  noise = rng.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8)
  files = np.stack([rng.random(60), label * 10 + rng.random(60)], axis=1)
  parts = np.arange(30), np.arange(30, 60), CLASSES
  found = baselines.evaluate(noise, label, group, *parts, files=files)
  assert found["file"]["images"]["balanced_accuracy"]["value"] == 1
  assert found["file"]["images"]["macro_auroc"]["value"] == 1
  assert found["mean_rgb"]["images"]["balanced_accuracy"]["value"] < 0.7
  assert "file" not in baselines.evaluate(noise, label, group, *parts)


def test_the_seed_decides_to_the_last_bit():
  rng = np.random.default_rng(0)
  x, y = rng.random((40, 5)), rng.integers(0, 3, 40)
  first, again, other = (baselines._forest(x, y, x[::-1], 3, s) for s in (0, 0, 1))
  np.testing.assert_array_equal(first, again)
  assert (first != other).any()


def test_shape_alone_is_not_found():
  """Two textures of the same pixels: no better than a coin, by any wide margin."""
  rng = np.random.default_rng(0)
  label = np.arange(120) % 2
  images = np.empty((120, 16, 16, 3), np.uint8)
  for i, stripes in enumerate(label):
    half = np.repeat([40, 200], 128)
    picture = half if stripes else rng.permutation(half)
    images[i] = picture.reshape(16, 16, 1)
  found = baselines.evaluate(
    images, label, np.arange(120), np.arange(60), np.arange(60, 120), ["x", "y"]
  )
  for name in ("mean_rgb", "colour_histogram"):
    assert found[name]["images"]["balanced_accuracy"]["value"] == 0.5
    assert found[name]["groups"] is None
