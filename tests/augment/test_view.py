"""What the network sees: direction, canvas, fill, flips, traces, and image quality."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import transform

from histojax import augment
from histojax.augment import rotation
from histojax.errors import InputError

UNIT = dict(normalise="fixed", mean=(0, 0, 0), std=(1, 1, 1))
STATIC = "size canvas fill flip normalise mean std dtype train shift zoom".split()
VIEW = jax.jit(augment.view, static_argnames=STATIC)
MATRIX = jax.jit(rotation.matrix, static_argnames=("size", "canvas"))
DEFAULTS = dict(canvas="same", fill=(0, 0, 0), flip="none", dtype="float32", **UNIT)


def see(images, angle, key=None, *, extent=None, train=False, pad=True, **changes):
  """`view` with defaults, on [0, 1] scale; `angle` may be one number.

  Batches are padded with grey to few shapes, so that few programs are compiled.
  """
  images = np.asarray(images)
  count, height, width, _ = images.shape
  rows = np.arange(max(count, 8) if pad else count) % count
  side = 128 if max(height, width) <= 128 else 288
  more = [(0, side - n if pad else 0) for n in (height, width)]
  images = np.pad(images[rows], [(0, 0), *more, (0, 0)], constant_values=99)
  extent = np.int32(np.broadcast_to(extent or (height, width), (count, 2)))[rows]
  angle = np.broadcast_to(np.float32(angle), (count,))[rows]
  return VIEW(images, extent, angle, key, train=train, **DEFAULTS | changes)[:count]


def smooth(height, width):
  y, x = np.mgrid[:height, :width] / max(height, width)
  waves = [np.sin(3 * x + y), np.cos(2 * y - 3 * x), np.sin(4 * x * y + x)]
  return np.uint8(127.5 + 120 * np.stack(waves, axis=-1))


@pytest.mark.parametrize("angle", [10, 40, 90, 130, 250])
def test_same_equals_skimage_rotate_of_minus_angle(angle):
  image = smooth(96, 96)
  theirs = transform.rotate(image, -angle, order=1, mode="constant")
  np.testing.assert_allclose(see(image[None], angle, size=96)[0], theirs, atol=1e-5)


@pytest.mark.parametrize("angle", [10, 40, 90, 130, 250])
def test_expand_equals_skimage_rotate_with_resize(angle):
  """Sampled where the resized canvas's pixel centres lie in scikit-image's canvas."""
  height, width, size = 90, 120, 170  # size above the canvas: no reduction
  image = smooth(height, width)
  theirs = transform.rotate(image, -angle, order=1, mode="constant", resize=True)
  cos, sin = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
  # scikit-image fits the corner pixels' centres and puts the first at index 0.
  canvas = np.array([width * sin + height * cos, width * cos + height * sin])
  middle = (
    ((width - 1) * sin + (height - 1) * cos) / 2,
    ((width - 1) * cos + (height - 1) * sin) / 2,
  )
  index = (np.arange(size) + 0.5) / size - 0.5
  rows, columns = np.meshgrid(
    index * canvas[0] + middle[0], index * canvas[1] + middle[1], indexing="ij"
  )
  expected, inside = (
    ndimage.map_coordinates(a, [rows, columns], order=1, mode="nearest")
    for a in (theirs[..., 0], transform.rotate(np.ones((90, 120)), -angle, resize=True))
  )
  ours = np.asarray(see(image[None], angle, size=size, canvas="expand"))[0, ..., 0]
  inside = ndimage.binary_erosion(inside > 0.999, iterations=3)
  assert inside.mean() > 0.4
  assert np.abs(ours - expected)[inside].max() < 2e-3  # one more interpolation


def test_marker_goes_where_a_clockwise_turn_takes_it():
  image = np.zeros((1, 40, 60, 3), np.uint8)
  image[0, 4:8, 50:56] = 255  # top right
  for angle, row, column in ((90, 53 / 60, 34 / 40), (180, 34 / 40, 7 / 60)):
    seen = np.asarray(see(image, angle, size=170, canvas="expand"))[0, ..., 0]
    middle = (np.array(ndimage.center_of_mass(seen)) + 0.5) / 170
    np.testing.assert_allclose(middle, (row, column), atol=1e-3)


def test_a_ramp_pins_half_pixel_centres():
  """Resize alone: output pixel i is the ramp's value at (i + .5) * scale - .5."""
  ramp = np.broadcast_to(np.arange(120, dtype=np.uint8)[:, None], (1, 48, 120, 3))
  for size in (64, 96, 170):
    at = np.clip((np.arange(size) + 0.5) * 120 / size - 0.5, 0, 119)
    seen = np.asarray(see(ramp, 0, size=size))[0, :, :, 1] * 255
    inner = slice(2, -2) if size < 120 else slice(None)
    expected = np.broadcast_to(at, seen.shape)
    np.testing.assert_allclose(seen[:, inner], expected[:, inner], atol=1e-3)


def test_unrotated_image_has_no_frame_of_fill():
  white = np.full((2, 40, 60, 3), 255, np.uint8)
  for size in (32, 96):  # reduced, enlarged; upright and upside down
    for canvas in rotation.CANVASES:
      np.testing.assert_allclose(see(white, [0, 180], size=size, canvas=canvas), 1)


@pytest.mark.parametrize(
  "height, width, size", [(90, 90, 64), (27, 40, 64), (64, 81, 64)]
)
def test_inscribed_never_touches_fill(height, width, size):
  white = np.full((360, height, width, 3), 255, np.uint8)
  angles = np.arange(360, dtype=np.float32)
  seen = see(white, angles, size=size, canvas="inscribed")
  assert seen.min() > 1 - 1e-5


@pytest.mark.parametrize("canvas, part", [("expand", 0.5), ("same", 0.172)])
def test_fill_colour_covers_the_corners(canvas, part):
  white = np.full((1, 96, 96, 3), 255, np.uint8)
  fill = (255, 0, 51)
  seen = np.asarray(see(white, 45, size=96, canvas=canvas, fill=fill))[0]
  np.testing.assert_allclose(seen[0, 0], np.divide(fill, 255), atol=1e-6)
  assert np.all(seen[..., 0] > 1 - 1e-6)
  assert abs(np.mean(1 - seen[..., 1]) - part) < 0.01  # area outside the square


def test_padded_batch_equals_each_image_alone():
  sizes = [(40, 61), (64, 30), (64, 61)]
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (3, 64, 61, 3), dtype=np.uint8)
  options = dict(size=32, canvas="expand", fill=(200, 210, 220), pad=False)
  batch = see(images, [20, 70, 300], extent=sizes, **options)
  for i, angle in ((0, 20), (1, 70)):  # the third is not padded
    height, width = sizes[i]
    alone = see(images[i : i + 1, :height, :width], angle, **options)
    np.testing.assert_allclose(batch[i], alone[0], atol=1e-6)


def test_flips_mirror_the_view_in_training_only():
  image = np.random.default_rng(0).integers(0, 256, (1, 50, 50, 3), dtype=np.uint8)
  images = np.repeat(image, 32, axis=0)
  options = dict(size=32, canvas="inscribed")
  straight = np.asarray(see(images, 30, **options))[0]
  key = jax.random.key(1)
  seen = np.asarray(see(images, 30, key, flip="both", train=True, **options))
  kinds = [straight[::v, ::h] for v in (1, -1) for h in (1, -1)]
  matches = np.array([[np.abs(s - k).max() < 1e-4 for k in kinds] for s in seen])
  assert np.all(matches.sum(axis=1) == 1) and np.all(matches.any(axis=0))
  quiet = np.asarray(see(images, 30, key, flip="both", train=False, **options))
  np.testing.assert_allclose(quiet, np.broadcast_to(straight, quiet.shape), atol=1e-6)


def test_bfloat16_is_near_float32():
  image = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
  wide = see(image, [0, 10, 45, 200], size=32, canvas="expand")
  narrow = see(image, [0, 10, 45, 200], size=32, canvas="expand", dtype="bfloat16")
  assert narrow.dtype == jnp.bfloat16
  assert np.abs(wide - narrow.astype(jnp.float32)).max() <= 1 / 128


def test_one_trace_for_all_angles_extents_and_keys_and_jit_equals_eager():
  images = np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), dtype=np.uint8)
  options = DEFAULTS | dict(size=24, canvas="expand", flip="both", train=True)

  @jax.jit
  @chex.assert_max_traces(n=1)
  def step(images, extent, angle, key):
    return augment.view(images, extent, angle, key, **options)

  for seed, angle in enumerate((0.0, 123.4)):
    extent = jnp.int32([[40, 50], [40 - seed, 50], [20, 50], [40, 9 + seed]])
    arguments = images, extent, jnp.full(4, angle), jax.random.key(seed)
    with jax.disable_jit():
      eager = augment.view(*arguments, **options)
    np.testing.assert_allclose(step(*arguments), eager, atol=1e-4)


def test_bad_words_are_input_errors():
  image = np.zeros((1, 8, 8, 3), np.uint8)
  with pytest.raises(InputError, match="did you mean 'inscribed'"):
    see(image, 0, size=8, canvas="inscribd")
  with pytest.raises(InputError, match="did you mean 'both'"):
    see(image, 0, size=8, flip="bth")


def rotate_then_resize(image, angle, canvas, size):
  """The long way: rotate the original pixel for pixel, then resize with a tent."""
  height, width = image.shape[:2]
  _, shape = MATRIX(
    jnp.float32([angle]), jnp.int32([[height, width]]), size=size, canvas=canvas
  )
  exact = np.asarray(shape[0], np.float64)
  rows, columns = whole = np.ceil(exact - 1e-3).astype(int)
  cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
  linear = np.array([[cos, -sin], [sin, cos]])
  offset = (np.array([height, width]) - 1) / 2 - linear @ ((whole - 1) / 2)
  margin = np.maximum(whole - exact, 0) / 2
  box = (margin[1], margin[0], columns - margin[1], rows - margin[0])
  out = []
  for k in range(3):
    rotated = ndimage.affine_transform(
      np.float32(image[..., k]),
      linear,
      offset,
      output_shape=(rows, columns),
      order=1,
      mode="grid-constant",
    )
    resized = Image.fromarray(rotated).resize((size, size), Image.BILINEAR, box=box)
    out.append(np.asarray(resized))
  return np.stack(out, axis=-1) / 255


def test_a_plain_resize_of_a_field_that_is_no_square(shared_data):
  """700 x 460 stored small, then `stretch`: at least 35 dB from one antialiased resize
  by Pillow, whichever of the four quarter turns follows."""
  paths = sorted((shared_data / "crc_polyp5_flagy").rglob("*.jp*g"))[:3]
  if not paths:
    pytest.skip(f"needs the images of {shared_data / 'crc_polyp5_flagy'}")
  for path in paths:
    field = Image.open(path).convert("RGB").resize((700, 460), Image.BICUBIC)
    theirs = np.asarray(field.resize((224, 224), Image.BILINEAR)) / 255
    stored = rotation.stored_size(
      460, 700, size=224, canvas="stretch", angles=(0, 90, 180, 270)
    )
    assert stored == (294, 448)
    small = np.asarray(field.resize(stored[::-1], Image.BILINEAR))
    batch = np.stack([small] * 4)
    seen = VIEW(
      batch, np.int32([stored] * 4), np.float32([0, 90, 180, 270]), None, train=False,
      size=224, **DEFAULTS | {"canvas": "stretch"},
    )  # fmt: skip
    for turns, ours in enumerate(np.asarray(seen)):
      psnr = -10 * np.log10(np.mean((ours - np.rot90(theirs, -turns)) ** 2))
      assert psnr >= 35, (psnr, turns, path.name)


@pytest.mark.parametrize("folder", ["crc_polyp5_flagy", "lc25000_lung_224"])
@pytest.mark.parametrize("canvas", ["expand", "same", "inscribed"])
@pytest.mark.parametrize("size", [64, 96])
def test_quality_on_real_tiles(shared_data, folder, canvas, size):
  """Stored small, then sampled once: at least 35 dB from rotate-then-resize."""
  paths = sorted((shared_data / folder).rglob("*.jp*g"))
  if not paths:
    pytest.skip(f"needs the images of {shared_data / folder}")
  angles = [0, 10, 40, 60, 130, 250]
  worst = []
  for path in paths[:: max(1, len(paths) // 5)][:5]:
    image = np.asarray(Image.open(path).convert("RGB"))
    stored = rotation.stored_size(
      *image.shape[:2], size=size, canvas=canvas, angles=range(0, 360, 10)
    )
    small = Image.fromarray(image).resize(stored[::-1], Image.BILINEAR)
    batch = np.repeat(np.asarray(small)[None], len(angles), axis=0)
    seen = np.asarray(see(batch, angles, size=size, canvas=canvas))
    for angle, ours in zip(angles, seen, strict=True):
      theirs = rotate_then_resize(image, angle, canvas, size)
      psnr = -10 * np.log10(np.mean((ours - theirs) ** 2))
      worst.append((psnr, angle, path.name))
  assert min(worst)[0] >= 35, min(worst)
