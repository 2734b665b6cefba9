"""Random shift and zoom: what moves where, how far, and that it is drawn anew."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from histojax import augment
from histojax.augment import jitter

SIZE = 64
OPTIONS = dict(
  size=SIZE, canvas="same", fill=(0, 0, 0), flip="none", normalise="fixed",
  mean=(0, 0, 0), std=(1, 1, 1), dtype="float32", train=True,
)  # fmt: skip
UPRIGHT = np.tile(np.float32([[1, 0, 31.5], [0, 1, 31.5]]), (500, 1, 1))


def drawn(shift, zoom, seed=0):
  """(moved right and down [500, 2] in pixels, factor [500]) by the maps themselves."""
  matrix, factor = jitter.jittered(
    jnp.asarray(UPRIGHT), jax.random.key(seed), size=SIZE, shift=shift, zoom=zoom
  )
  matrix = np.asarray(matrix)
  linear, offset = matrix[:, :, :2], matrix[:, :, 2] - 31.5
  assert np.allclose(linear, np.eye(2) / np.asarray(factor)[:, None, None], rtol=1e-6)
  return -offset * np.asarray(factor)[:, None], np.asarray(factor)


def test_draws_fill_their_ranges_and_no_more():
  moved, factor = drawn(0.1, 0.2)
  for values, end in ((moved[:, 0], 6.4), (moved[:, 1], 6.4), (factor - 1, 0.2)):
    assert np.abs(values).max() <= end * (1 + 1e-5)
    assert values.max() > 0.95 * end and values.min() < -0.95 * end
    assert abs(values.mean()) < 0.1 * end
  assert abs(np.corrcoef(moved.T)[0, 1]) < 0.15
  other, _ = drawn(0.1, 0.2, seed=1)
  assert (other != moved).all()


def test_one_without_the_other():
  moved, factor = drawn(0.1, 0.0)
  assert (factor == 1).all() and moved.std() > 3
  moved, factor = drawn(0.0, 0.2)
  np.testing.assert_allclose(moved, 0, atol=1e-5)
  assert factor.std() > 0.1


def spot(**changes):
  """Where a white square's centre and area are seen, of 8 equal images."""
  image = np.zeros((8, SIZE, SIZE, 3), np.uint8)
  image[:, 20:30, 36:46] = 255
  extent = np.full((8, 2), SIZE, np.int32)
  seen = augment.view(
    image, extent, jnp.zeros(8), jax.random.key(3), **OPTIONS | changes
  )
  seen = np.asarray(seen)[..., 0]
  return [(*ndimage.center_of_mass(s), s.sum()) for s in seen]


def test_the_picture_moves_and_grows_as_its_numbers_say():
  key, matrix = jax.random.key(3), jnp.asarray(UPRIGHT[:8])
  found, factor = jitter.jittered(matrix, key, size=SIZE, shift=0.1, zoom=0.2)
  for (row, column, area), m, z in zip(
    spot(shift=0.1, zoom=0.2), np.asarray(found), np.asarray(factor), strict=True
  ):
    at = np.linalg.solve(m[:, :2], np.array([40.5, 24.5]) - m[:, 2]) + 31.5
    np.testing.assert_allclose((column, row), at, atol=0.05)
    np.testing.assert_allclose(area, 100 * z**2, rtol=0.02)


def test_nothing_moves_in_evaluation_or_unasked():
  for still in (spot(shift=0.1, zoom=0.2, train=False), spot()):
    np.testing.assert_allclose(still, [(24.5, 40.5, 100.0)] * 8, atol=1e-3)
