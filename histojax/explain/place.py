"""A map back onto its image: upright, without the canvas, at the image's own pixels."""

import numpy as np

from histojax.augment import rotation
from histojax.explain.layers import Grid


def canvas(extent, size: int, name: str) -> np.ndarray:
  """(height, width) float [N, 2] in image pixels that the input covers, centred.

  extent: int [N, 2], height and width of images that are looked at upright.
  """
  extent = np.asarray(extent, np.int32)
  upright = np.zeros(len(extent), np.float32)
  return np.asarray(rotation.matrix(upright, extent, size=size, canvas=name)[1])


def onto(values, grid: Grid, size: int, seen, shape) -> np.ndarray:
  """A map [h, w] at the pixels of its image, float64 [H, W], by linear interpolation.

  NaN where the network has not looked. Beyond the outermost places their value stays.

  Args:
    size: pixels on a side of the network's input.
    seen: (height, width) of the image's centred part that the input covers.
    shape: (H, W) of the image.
  """
  values = np.asarray(values, np.float64)
  rows, columns = (
    weights(count, grid, size, *sides)
    for count, *sides in zip(values.shape, seen, shape, strict=True)
  )
  return rows @ values @ columns.T


def weights(count: int, grid: Grid, size: int, seen: float, pixels: int) -> np.ndarray:
  """[pixels, count]: each place's share in each pixel along one side."""
  centred = np.arange(pixels) - (pixels - 1) / 2
  at = centred * (size / seen) + (size - 1) / 2  # input pixel
  place = np.clip((at - grid.first) / grid.stride, 0, count - 1)
  share = np.maximum(1 - np.abs(place[:, None] - np.arange(count)), 0)
  share[np.abs(centred) > seen / 2] = np.nan
  return share


def pixel(at, grid: Grid, size: int, seen, shape) -> np.ndarray:
  """(row, column) of the image that place `at` (i, j) is centred on, within it."""
  shape = np.array(shape)
  inputs = grid.first + grid.stride * np.asarray(at) - (size - 1) / 2
  return np.clip(inputs * (np.asarray(seen) / size) + (shape - 1) / 2, 0, shape - 1)
