"""Rotation by any angle on four canvases, as one affine map from output to image.

Eq. (1) of the liver paper (BMC Medical Informatics and Decision Making 2022; 22:176,
doi 10.1186/s12911-022-01919-1) is (x0, y0, 1) = (x, y, 1) A R B, y down: A moves the
centre (m, n) to the origin and turns y up, R holds the angle, B turns y down again and
adds (left, top). Multiplied out,

    x0 = (x - m) cos - (y - n) sin + left      y0 = (x - m) sin + (y - n) cos + top

so a positive angle turns the picture *clockwise*: what scikit-image and Pillow call
-angle. The paper then resizes the canvas; here that is one matrix. Canvases of h x w:
  expand     the paper's, |w cos| + |h sin| wide and |w sin| + |h cos| high: all of the
             image, fill in the corners; the magnification changes with the angle.
  same       w x h: corners of the image are lost and corners of fill appear.
  inscribed  the centred square of side min(h, w) / sqrt(2): no fill, one scale.
  stretch    resized to a square first and turned after that: by multiples of 90 degrees
             nothing is lost or filled, whatever the shape. Upright it is `same`.
"""

import jax.numpy as jnp
import numpy as np

from histojax.errors import InputError, nearest

CANVASES = ("expand", "same", "inscribed", "stretch")
MAX_REDUCTION = 2  # stored pixels per output pixel, along either output axis
_WHOLE = np.deg2rad(np.arange(-45, 46))  # whole degrees around each multiple of 90


def stored_size(height, width, *, size, canvas, angles):
  """The (height, width) in pixels at which to store an image that `view` will sample.

  The largest copy of which no angle (degrees) and no output axis sees more than two
  stored pixels per output pixel, never an enlargement: what one sampling can antialias.
  The longer side is rounded down, the shorter to the nearest pixel.
  """
  radians = np.deg2rad(np.asarray(angles, np.float64))
  cos, sin = np.cos(radians), np.sin(radians)

  def reduction(h, w):  # the worst over angles and axes
    return np.max(_canvas(cos, sin, h, w, canvas, np)) / size - 1e-9

  scale = MAX_REDUCTION / reduction(height, width)
  if scale >= 1:
    return int(height), int(width)
  short, long = sorted((height, width))
  for side in range(int(scale * long), 0, -1):
    stored = side, max(1, round(side * short / long))
    stored = stored if height >= width else stored[::-1]
    if reduction(*stored) <= MAX_REDUCTION:
      return stored
  return (1, 1)


def matrix(angle, extent, *, size, canvas):
  """The map from centred output pixels to image pixels (see `ops.warp.affine`).

  Output pixel i covers [i, i + 1) / size of the canvas, which is not rounded to whole
  pixels. `angle` float32 [B] in degrees clockwise, exact at multiples of 90; `extent`
  int32 [B, 2] (height, width) of each image; `canvas` not of CANVASES: InputError.
  Returns the matrix float32 [B, 2, 3] and the canvas's (height, width), float32 [B, 2].
  """
  cos, sin = _cos_sin(angle)
  height, width = extent.T.astype(jnp.float32)
  shape = jnp.stack(_canvas(cos, sin, height, width, canvas, jnp), axis=-1)
  if canvas == "stretch":  # the turn comes first, from the output on
    kx, ky = width / size, height / size
    x, y = (cos * kx, sin * kx), (-sin * ky, cos * ky)
  else:
    ky, kx = shape.T / size
    x, y = (cos * kx, sin * ky), (-sin * kx, cos * ky)
  x, y = (*x, (width - 1) / 2), (*y, (height - 1) / 2)
  return jnp.stack([*x, *y], axis=-1).reshape(-1, 2, 3), shape


def footprint(canvas, *, size):
  """How `ops.warp.affine` reads a canvas [B, 2]: its spread and reach, each [B, 2].

  An antialiased resize by k weighs the canvas with a tent of variance k^2 / 6; a
  bilinear sample is a tent with k = 1, and four samples at +-s add s^2, so
  s = sqrt((k^2 - 1) / 6) makes the chain as wide. Up to k = 1: plain bilinear. On H&E
  tiles at k = 2 one sample is at 32 dB from rotate-then-resize, four are at 43.
  A resize also repeats the outermost pixels, so positions are held half a pixel inside
  the canvas: an unrotated image gets no frame of fill.
  """
  k = canvas[:, ::-1] / size
  spread = jnp.sqrt(jnp.maximum(k * k - 1, 0) / 6) / k
  return spread, size / 2 - 0.5 / k


def _canvas(cos, sin, height, width, canvas, xp):
  """(height, width) of the canvas in image pixels, shaped like `cos`."""
  if canvas == "expand":
    cos, sin = abs(cos), abs(sin)
    return width * sin + height * cos, width * cos + height * sin
  if canvas == "same":
    return height + 0 * cos, width + 0 * cos
  if canvas == "stretch":  # how much of the image one output axis runs across
    return xp.hypot(width * sin, height * cos), xp.hypot(width * cos, height * sin)
  if canvas == "inscribed":
    side = xp.minimum(height, width) * np.sqrt(0.5).astype(np.float32) + 0 * cos
    return side, side
  raise InputError(f"canvas {canvas!r} is unknown: {nearest(canvas, CANVASES)}")


def _cos_sin(angle):
  """cos, sin [B] of degrees, correctly rounded at whole ones: float32 alone makes
  cos(90 degrees) -4e-8, and 1e-7 moves a border pixel enough to show."""
  quarter = jnp.round(angle / 90)
  rest = angle - 90 * quarter  # [-45, 45]
  whole = jnp.round(rest)
  index = whole.astype(jnp.int32) + 45
  cos, sin = (jnp.asarray(f(_WHOLE), jnp.float32)[index] for f in (np.cos, np.sin))
  part = (rest - whole) * np.float32(np.pi / 180)  # at most half a degree
  c, s = jnp.cos(part), jnp.sin(part)
  cos, sin = cos * c - sin * s, sin * c + cos * s
  turns = [quarter.astype(jnp.int32) % 4 == k for k in range(4)]
  values = (cos, -sin, -cos, sin), (sin, cos, -sin, -cos)
  return tuple(jnp.select(turns, value) for value in values)
