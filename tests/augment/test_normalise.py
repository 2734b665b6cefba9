"""Normalisation and its cast."""

import jax.numpy as jnp
import numpy as np
import pytest

from histojax.augment.normalise import normalised
from histojax.errors import InputError


def test_equals_its_formula_in_float64():
  pixels = np.random.default_rng(0).uniform(0, 255, (2, 5, 5, 3)).astype(np.float32)
  mean, std = (0.7, 0.5, 0.65), (0.2, 0.25, 0.18)
  expected = (pixels.astype(np.float64) / 255 - mean) / std
  ours = normalised(pixels, "fixed", mean=mean, std=std, dtype="float32")
  assert ours.dtype == jnp.float32
  np.testing.assert_allclose(ours, expected, atol=2e-6)


def test_bfloat16_rounds_once():
  pixels = np.linspace(0, 255, 768, dtype=np.float32).reshape(1, 16, 16, 3)
  unit = dict(mean=(0, 0, 0), std=(1, 1, 1))
  ours = normalised(pixels, "fixed", dtype="bfloat16", **unit)
  assert ours.dtype == jnp.bfloat16
  wide = normalised(pixels, "fixed", dtype="float32", **unit)
  np.testing.assert_array_equal(ours, wide.astype(jnp.bfloat16))
  assert np.abs(ours.astype(np.float32) - pixels / 255).max() <= 1 / 128


def test_by_the_image_itself_takes_away_stain_and_scanner():
  rng = np.random.default_rng(0)
  pixels = rng.uniform(60, 160, (3, 8, 8, 3)).astype(np.float32)
  other = pixels * (0.9, 0.7, 1.3) + (5, 40, -20)  # another lamp, another stain
  unit = dict(mean=(0, 0, 0), std=(1, 1, 1), dtype="float32")
  ours = normalised(pixels, "image", **unit)
  np.testing.assert_allclose(ours.mean((1, 2)), 0, atol=1e-5)
  deviation = pixels.std((1, 2))
  expected = deviation / np.sqrt(deviation**2 + 25)
  np.testing.assert_allclose(ours.std((1, 2)), expected, rtol=1e-4)
  seen = normalised(other.astype(np.float32), "image", **unit)
  np.testing.assert_allclose(seen, ours, atol=0.05)
  blank = normalised(np.full((1, 8, 8, 3), 240.0, np.float32), "image", **unit)
  np.testing.assert_array_equal(blank, 0)


def test_another_way_is_one_sentence():
  with pytest.raises(InputError, match="did you mean 'image'"):
    normalised(np.zeros((1, 2, 2, 3)), "imag", mean=(0,) * 3, std=(1,) * 3, dtype="f4")
