"""The sampling op: its two forms, SciPy's numbers, padding, and sharding."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from scipy import ndimage

from histojax.ops import warp

FILL = (7, 130, 251)
STATIC = ("size", "fill")
AFFINE = jax.jit(warp.affine, static_argnames=STATIC)
PLAIN = jax.jit(warp.affine_plain, static_argnames=STATIC)


def case(sizes, seed=0):
  """Random images padded with noise, random maps that also look outside the images."""
  rng = np.random.default_rng(seed)
  height, width = np.max(sizes, axis=0)
  images = rng.integers(0, 256, (len(sizes), height, width, 3), dtype=np.uint8)
  matrix = rng.normal(0, 1.2, (len(sizes), 2, 3)).astype(np.float32)
  matrix[:, :, 2] = (np.asarray(sizes)[:, ::-1] - 1) / 2
  return images, matrix, np.asarray(sizes, np.int32)


def scipy_affine(image, matrix, size, fill=FILL):
  """`ndimage.affine_transform` of one image, in float64, with our centred matrix."""
  matrix = np.asarray(matrix, np.float64)
  linear = matrix[::-1, 1::-1]  # (x, y) -> (row, column) on both sides
  offset = matrix[::-1, 2] - linear @ np.full(2, (size - 1) / 2)
  return np.stack(
    [
      ndimage.affine_transform(
        image[..., k].astype(np.float64),
        linear,
        offset,
        output_shape=(size, size),
        order=1,
        mode="grid-constant",
        cval=fill[k],
      )
      for k in range(3)
    ],
    axis=-1,
  )


@pytest.mark.parametrize("four", [False, True], ids=["single", "four samples"])
def test_framed_and_plain_form_agree(four):
  images, matrix, extent = case([(19, 26), (31, 9), (1, 1), (31, 26)])
  spread = np.random.default_rng(1).uniform(0, 0.4, (4, 2)).astype(np.float32)
  options = dict(size=17, fill=FILL)
  if four:
    options |= dict(spread=spread, reach=np.full((4, 2), 6, np.float32))
  fused = AFFINE(images, matrix, extent, **options)
  plain = PLAIN(images, matrix, extent, **options)
  assert fused.dtype == plain.dtype == jnp.float32 and fused.shape == (4, 17, 17, 3)
  np.testing.assert_allclose(fused, plain, atol=1e-3)  # of 255


@pytest.mark.parametrize("form", [AFFINE, PLAIN], ids=["framed", "plain"])
def test_equals_scipy_border_and_padding_included(form):
  images, matrix, extent = case([(19, 26), (31, 9), (31, 26)])
  ours = form(images, matrix, extent, size=23, fill=FILL)
  for i, (height, width) in enumerate(extent):
    theirs = scipy_affine(images[i, :height, :width], matrix[i], 23)
    assert np.mean(theirs == FILL) > 0.02, "the case must look outside"
    np.testing.assert_allclose(ours[i], theirs, atol=5e-3)  # of 255


def test_spread_is_the_mean_of_four_samples_and_reach_holds_positions():
  images, matrix, extent = case([(30, 30)])
  spread = np.float32([[0.3, 0.1]])
  ours = AFFINE(images, matrix, extent, size=9, fill=FILL, spread=spread)
  corners = []
  for sx, sy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
    moved = matrix[0].copy()
    moved[:, 2] += moved[:, :2] @ (spread[0] * (sx, sy))
    corners.append(scipy_affine(images[0], moved, 9))
  np.testing.assert_allclose(ours[0], np.mean(corners, axis=0), atol=5e-3)

  held = AFFINE(
    images, matrix, extent, size=9, fill=FILL, reach=np.float32([[2.0, 1.0]])
  )
  free = np.asarray(AFFINE(images, matrix, extent, size=9, fill=FILL))
  index = np.arange(9) - 4
  rows, columns = np.clip(index, -1, 1) + 4, np.clip(index, -2, 2) + 4
  np.testing.assert_allclose(held, free[:, rows][:, :, columns], atol=1e-3)


def test_whole_pixel_maps_copy_pixels():
  """Pixel centres at integers: identity is exact, x is the column, y is the row."""
  images, _, extent = case([(8, 8)])
  identity = np.float32([[[1, 0, 3.5], [0, 1, 3.5]]])
  same = AFFINE(images, identity, extent, size=8, fill=FILL)
  np.testing.assert_array_equal(same, images)
  right = identity + np.float32([[[0, 0, 2], [0, 0, 0]]])
  moved = np.asarray(AFFINE(images, right, extent, size=8, fill=FILL))
  np.testing.assert_array_equal(moved[:, :, :6], images[:, :, 2:])
  np.testing.assert_array_equal(moved[:, :, 6:], np.broadcast_to(FILL, (1, 8, 2, 3)))


def test_padded_batch_equals_each_image_alone():
  images, matrix, extent = case([(19, 26), (31, 9), (31, 26)])
  batch = AFFINE(images, matrix, extent, size=23, fill=FILL)
  for i, (height, width) in enumerate(extent):
    alone = AFFINE(
      images[i : i + 1, :height, :width],
      matrix[i : i + 1],
      extent[i : i + 1],
      size=23,
      fill=FILL,
    )
    np.testing.assert_array_equal(batch[i], alone[0])


SHARDED = """
import jax, jax.numpy as jnp
from histojax.ops import warp
mesh = jax.make_mesh((2,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
batch = jax.NamedSharding(mesh, jax.P("data"))
def shaped(shape, dtype):
  return jax.ShapeDtypeStruct(shape, dtype, sharding=batch)
step = jax.jit(lambda i, m, e: warp.affine(i, m, e, size=8, fill=(0, 0, 0)))
compiled = step.lower(
  shaped((4, 9, 9, 3), jnp.uint8), shaped((4, 2, 3), jnp.float32),
  shaped((4, 2), jnp.int32),
).compile()
words = ("all-gather", "all-reduce", "all-to-all", "collective-permute")
assert not [w for w in words if w in compiled.as_text()], compiled.as_text()
assert compiled.output_shardings.spec[0] == "data"
"""


def test_a_sharded_batch_is_sampled_where_it_lies():
  done = subprocess.run(
    [sys.executable, "-c", SHARDED],
    env={
      "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
      "JAX_PLATFORMS": "cpu",
      "PYTHONPATH": str(ROOT),
      "PATH": "",
    },
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr[-2000:]
