"""Bilinear affine sampling of uint8 images inside a compiled step.

On a CPU `affine` reads from an array framed by the fill colour, so a tap is one gather;
elsewhere it reads the stored images in place, without a copy of the batch.
`affine_plain` is the same written as its definition. All are float32 and equal
`scipy.ndimage` with `order=1, mode='grid-constant'`: `fill` blends in at the border.
"""

import jax
import jax.numpy as jnp

from histojax.ops.platform import platform


def affine(images, matrix, extent, *, size, fill, spread=None, reach=None, index=None):
  """Samples `size` x `size` pixels of each image through its own affine map.

  Output pixel (column i, row j), centred u = (i, j) - (size-1)/2, reads the image at
  (x, y) = matrix @ (u, 1), pixel centres at integers. Centred, because float32 then
  rounds around the image's middle, and a flip is a change of sign.

  Args:
    images: uint8 [N, H, W, 3]; of what is read, `extent` int32 [B, 2] (height, width)
      is valid.
    matrix: float32 [B, 2, 3], centred output (x, y, 1) -> image (x, y) in pixels.
    fill: three integers in 0..255, the colour of everything outside `extent`.
    spread: None, or float32 [B, 2] in output pixels (x, y): the mean of the four
      samples at u +- spread stands for the pixel, which antialiases a reduction.
    reach: None, or float32 [B, 2] in output pixels (x, y): |u| beyond it is held there.
    index: int32 [B], the image that each output reads; None is 0 ... N - 1.

  Returns:
    float32 [B, size, size, 3] in 0..255.
  """
  at = _positions(matrix, size, spread, reach)
  if platform() == "cpu":
    images = images if index is None else images[index]
    frame, sample = _frame(images, extent, fill), jax.vmap(_sample_framed)
    samples = [sample(frame, x, y, extent) for x, y in at]
  else:
    samples = [_sample_stored(images, index, x, y, extent, fill) for x, y in at]
  return sum(samples) / len(samples)


def affine_plain(
  images, matrix, extent, *, size, fill, spread=None, reach=None, index=None
):
  """`affine` as its definition: four masked gathers of three channels per sample."""
  fill = jnp.asarray(fill, jnp.float32)
  images = images if index is None else images[index]
  sample = jax.vmap(_sample_plain, in_axes=(0, 0, 0, 0, None))
  at = _positions(matrix, size, spread, reach)
  samples = [sample(images, x, y, extent, fill) for x, y in at]
  return sum(samples) / len(samples)


def _positions(matrix, size, spread, reach):
  """Yields the image coordinates x, y [B, S, S] of each sample (1, or 4 if spread)."""
  centred = jnp.arange(size, dtype=jnp.float32) - (size - 1) / 2
  u = jnp.broadcast_to(centred, (matrix.shape[0], 2, size))  # [B, (x, y), S]
  m = matrix[..., None, None]  # [B, 2, 3, 1, 1]
  corners = ((-1, -1), (1, -1), (-1, 1), (1, 1)) if spread is not None else ((0, 0),)
  for corner in corners:
    v = u if spread is None else u + (spread * jnp.float32(corner))[..., None]
    v = v if reach is None else jnp.clip(v, -reach[..., None], reach[..., None])
    ux, uy = v[:, 0, None, :], v[:, 1, :, None]  # [B, 1, S], [B, S, 1]
    yield tuple(m[:, k, 2] + (m[:, k, 0] * ux + m[:, k, 1] * uy) for k in (0, 1))


def _frame(images, extent, fill):
  """uint8 [B, H+2, W+2, 3]: fill outside `extent`, and one pixel of it all around."""
  batch, height, width, _ = images.shape
  fill, extent = jnp.asarray(fill, jnp.uint8), extent[..., None, None]
  inside = jnp.arange(height)[:, None] < extent[:, 0]
  inside &= jnp.arange(width) < extent[:, 1]  # [B, H, W]
  frame = jnp.broadcast_to(fill, (batch, height + 2, width + 2, 3))
  return frame.at[:, 1:-1, 1:-1].set(jnp.where(inside[..., None], images, fill))


def _sample_framed(frame, x, y, extent):
  """One framed image uint8 [H+2, W+2, 3] at x, y [S, S] -> float32 [S, S, 3].

  Whole pixels are gathered: on a CPU XLA computes such indices once, but per tap and
  channel where a tap is a scalar (a packed word), which is 10x slower.
  """
  height, width = extent.astype(jnp.float32)
  # all beyond one pixel outside is fill, too: held there, no index leaves the frame
  x, y = jnp.clip(x, -1, width), jnp.clip(y, -1, height)
  x0, y0 = (jnp.minimum(jnp.floor(v), n - 1) for v, n in ((x, width), (y, height)))
  fx, fy = (x - x0)[..., None], (y - y0)[..., None]  # [S, S, 1]
  column, row = x0.astype(jnp.int32) + 1, y0.astype(jnp.int32) + 1

  def tap(down, right):
    at = frame.at[row + down, column + right]
    return at.get(mode="promise_in_bounds").astype(jnp.float32)

  a, b, c, d = tap(0, 0), tap(0, 1), tap(1, 0), tap(1, 1)
  top, bottom = a + (b - a) * fx, c + (d - c) * fx
  return top + (bottom - top) * fy


def _sample_stored(images, index, x, y, extent, fill):
  """Stored images uint8 [N, H, W, 3] at x, y [B, S, S] -> float32 [B, S, S, 3]."""
  height, width = (extent[:, k, None, None] for k in (0, 1))
  fill = jnp.asarray(fill, jnp.float32)
  x0, y0 = jnp.floor(x), jnp.floor(y)
  fx, fy = (x - x0)[..., None], (y - y0)[..., None]  # [B, S, S, 1]
  # held just outside: far away, a float is no int32
  column = jnp.clip(x0, -2, width).astype(jnp.int32)
  row = jnp.clip(y0, -2, height).astype(jnp.int32)

  def tap(down, right):
    i, j = row + down, column + right
    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    i, j = jnp.clip(i, 0, height - 1), jnp.clip(j, 0, width - 1)
    value = read(i, j).astype(jnp.float32)
    return jnp.where(inside[..., None], value, fill)

  def read(i, j):
    if index is not None:
      return images.at[index[:, None, None], i, j].get(mode="promise_in_bounds")
    # one image each: a batch that is split over devices is read where it is
    own = jax.vmap(lambda image, i, j: image.at[i, j].get(mode="promise_in_bounds"))
    return own(images, i, j)

  a, b, c, d = tap(0, 0), tap(0, 1), tap(1, 0), tap(1, 1)
  top, bottom = a + (b - a) * fx, c + (d - c) * fx
  return top + (bottom - top) * fy


def _sample_plain(image, x, y, extent, fill):
  """One image uint8 [H, W, 3] at x, y [S, S] -> float32 [S, S, 3]."""
  x0, y0 = jnp.floor(x), jnp.floor(y)
  fx, fy = (x - x0)[..., None], (y - y0)[..., None]

  def tap(row, column):
    row, column = row.astype(jnp.int32), column.astype(jnp.int32)
    inside = (row >= 0) & (row < extent[0]) & (column >= 0) & (column < extent[1])
    value = image.at[row, column].get(mode="clip").astype(jnp.float32)
    return jnp.where(inside[..., None], value, fill)

  top = tap(y0, x0) * (1 - fx) + tap(y0, x0 + 1) * fx
  bottom = tap(y0 + 1, x0) * (1 - fx) + tap(y0 + 1, x0 + 1) * fx
  return top * (1 - fy) + bottom * fy
