"""The geometry: eq. (1), the four canvases, and how large an image is stored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from histojax.augment import rotation
from histojax.errors import InputError
from histojax.ops import warp

ANGLES = np.arange(0, 360, 10)
MATRIX = jax.jit(rotation.matrix, static_argnames=("size", "canvas"))
AFFINE = jax.jit(warp.affine, static_argnames=("size", "fill"))


def shape_of(height, width, angle, canvas):
  """(height, width) of the canvas in float64."""
  cos, sin = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
  if canvas == "expand":
    return width * sin + height * cos, width * cos + height * sin
  if canvas == "same":
    return height, width
  if canvas == "stretch":
    return np.hypot(width * sin, height * cos), np.hypot(width * cos, height * sin)
  return (min(height, width) / np.sqrt(2),) * 2


def equation_1(angle, height, width, canvas):
  """The paper's A R B: row vector (x, y, 1) before -> (x0, y0, 1) after rotation.

  In pixel indices: the centre (m, n) is at ((w-1)/2, (h-1)/2), and (left, top) moves it
  to the centre of the canvas.
  """
  t = np.deg2rad(angle)
  m, n = (width - 1) / 2, (height - 1) / 2
  canvas_height, canvas_width = shape_of(height, width, angle, canvas)
  left, top = (canvas_width - 1) / 2, (canvas_height - 1) / 2
  a = np.array([[1, 0, 0], [0, -1, 0], [-m, n, 1]])
  r = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
  b = np.array([[1, 0, 0], [0, -1, 0], [left, top, 1]])
  return a @ r @ b, (canvas_height, canvas_width)


def ours(angle, height, width, size, canvas):
  matrix, shape = MATRIX(
    jnp.float32([angle]), jnp.int32([[height, width]]), size=size, canvas=canvas
  )
  return np.asarray(matrix[0], np.float64), np.asarray(shape[0], np.float64)


@pytest.mark.parametrize("canvas", ["expand", "same", "inscribed"])
@pytest.mark.parametrize("height, width", [(287, 343), (224, 224)])
def test_matrix_is_equation_1_then_resize(canvas, height, width):
  size = 224
  centre = (size - 1) / 2
  pixels = np.array([[i, j] for i in (0, 50, 223) for j in (0, 111, 223)], float)
  for angle in ANGLES:
    product, (canvas_height, canvas_width) = equation_1(angle, height, width, canvas)
    # Resize with half-pixel centres: output pixel -> canvas pixel (x0, y0), then back
    # through the paper's product to the image.
    scale = np.array([canvas_width, canvas_height]) / size
    rotated = np.c_[(pixels + 0.5) * scale - 0.5, np.ones(len(pixels))]
    expected = (rotated @ np.linalg.inv(product))[:, :2]
    matrix, shape = ours(angle, height, width, size, canvas)
    np.testing.assert_allclose(shape, (canvas_height, canvas_width), rtol=2e-7)
    actual = np.c_[pixels - centre, np.ones(len(pixels))] @ matrix.T
    np.testing.assert_allclose(actual, expected, atol=3e-5, err_msg=str(angle))


def test_stretch_is_a_resize_then_equation_1_in_the_square():
  height, width, size = 460, 700, 224
  pixels = np.array([[i, j] for i in (0, 50, 223) for j in (0, 111, 223)], float)
  for angle in ANGLES:
    product, _ = equation_1(angle, size, size, "same")
    square = (np.c_[pixels, np.ones(len(pixels))] @ np.linalg.inv(product))[:, :2]
    expected = (square + 0.5) * np.array([width, height]) / size - 0.5
    matrix, shape = ours(angle, height, width, size, "stretch")
    actual = np.c_[pixels - (size - 1) / 2, np.ones(len(pixels))] @ matrix.T
    np.testing.assert_allclose(actual, expected, atol=1e-4, err_msg=str(angle))
    turned = height, width
    if angle % 180 == 90:
      turned = width, height
    if angle % 90 == 0:
      np.testing.assert_array_equal(shape, turned)


def test_canvas_sizes_of_the_liver_images():
  assert np.round(shape_of(1393, 1665, 40, "expand")).tolist() == [2137, 2171]
  for angle, canvas, expected in (
    (40, "expand", (2137, 2171)),
    (40, "same", (1393, 1665)),
    (40, "inscribed", (985, 985)),
  ):
    _, shape = ours(angle, 1393, 1665, 224, canvas)
    np.testing.assert_allclose(shape, expected, atol=0.5)


def picture(kind, size=224):
  if kind == "noise":
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
  y, x = np.mgrid[:size, :size] / size
  smooth = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(4 * x * y)]
  return np.uint8(127.5 + 127.5 * np.stack(smooth, axis=-1))


@pytest.mark.parametrize("kind, tolerance", [("noise", 5e-5), ("smooth", 1e-5)])
def test_equals_scipy_in_float32(kind, tolerance):
  """Every angle and a few between, on 224 px, [0, 1] scale.

  Up to the border, where a step from image to fill follows, the bound is 5e-5 for both.
  """
  image = picture(kind)
  angles = np.concatenate([ANGLES, [0.5, 33.3, 179.99, 291.7, -20]])
  batch = np.broadcast_to(image, (len(angles), *image.shape))
  extent = np.full((len(angles), 2), 224, np.int32)
  angle = jnp.asarray(angles, jnp.float32)
  matrix, _ = MATRIX(angle, extent, size=224, canvas="same")
  pixels = np.asarray(AFFINE(batch, matrix, extent, size=224, fill=(0, 0, 0)))
  for i, degrees in enumerate(np.asarray(angle, np.float64)):
    t = np.deg2rad(degrees)
    linear = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])  # row, column
    offset = 111.5 - linear @ [111.5, 111.5]
    theirs = ndimage.affine_transform(
      image[..., 0] / 255.0, linear, offset, order=1, mode="grid-constant"
    )
    at = np.einsum("ij,jkl", linear, np.indices((224, 224))) + offset[:, None, None]
    interior = np.all((at >= 0.001) & (at <= 222.999), axis=0)
    assert interior.mean() > 0.7
    error = np.abs(pixels[i, ..., 0] / 255 - theirs)
    assert error[interior].max() <= tolerance, (degrees, error[interior].max())
    assert error.max() <= 5e-5, (degrees, error.max())


def test_quarter_turns_are_exact_and_clockwise():
  image = picture("noise", 32)
  batch = np.broadcast_to(image, (5, *image.shape))
  extent = np.full((5, 2), 32, np.int32)
  for canvas in ("same", "expand"):
    matrix, _ = MATRIX(
      jnp.float32([0, 90, 180, 270, 360]), extent, size=32, canvas=canvas
    )
    pixels = AFFINE(batch, matrix, extent, size=32, fill=(0, 0, 0))
    for turns, turned in enumerate(pixels):
      np.testing.assert_array_equal(turned, np.rot90(image, -turns))


@pytest.mark.parametrize("canvas", rotation.CANVASES)
@pytest.mark.parametrize(
  "height, width",
  [(224, 224), (1393, 1665), (256, 306), (100, 901), (27, 27), (3, 700)],
)
@pytest.mark.parametrize("size", [32, 64, 224])
def test_stored_size_never_reduces_more_than_twice(canvas, height, width, size):
  stored = rotation.stored_size(height, width, size=size, canvas=canvas, angles=ANGLES)
  assert stored[0] <= height and stored[1] <= width
  step = max(max(shape_of(*stored, a, canvas)) for a in ANGLES) / size
  assert step <= 2 + 1e-6
  if stored != (height, width):
    # As close to 2 as whole pixels allow, with the original's aspect ratio.
    assert step > 2 * (1 - 3 / min(stored))
    assert abs(min(stored) - max(stored) * min(height, width) / max(height, width)) <= 1


def test_stored_size_of_the_liver_images():
  def stored(canvas, size, angles=ANGLES):
    return rotation.stored_size(1393, 1665, size=size, canvas=canvas, angles=angles)

  assert stored("expand", 224) == (287, 343)
  assert stored("expand", 224, angles=[0]) == (375, 448)
  assert stored("same", 224) == (375, 448)
  assert stored("inscribed", 64) == (181, 216)


def test_unknown_canvas_names_the_nearest():
  with pytest.raises(InputError, match="canvas 'expnd' is unknown: did you mean 'exp"):
    rotation.stored_size(9, 9, size=4, canvas="expnd", angles=[0])
  with pytest.raises(InputError, match="did you mean 'same'"):
    ours(0, 9, 9, 4, "sme")
