"""Bicubic interpolation of one axis as a matrix, as PyTorch's `interpolate` does it."""

import numpy as np

A = -0.75  # PyTorch's, of Keys' family of kernels


def bicubic(size: int, new: int, scale: float | None = None) -> np.ndarray:
  """The matrix [new, size], float64, that brings `size` samples to `new` of them.

  Without antialias, corners not aligned: sample i is read at (i + 1/2) / scale - 1/2 by
  the four samples around it, those beyond the ends being the last ones.

  Args:
    scale: new / size, unless another one is to be read by, as DINOv2 does.
  """
  at = (np.arange(new) + 0.5) / (scale or new / size) - 0.5
  first = np.floor(at).astype(int) - 1
  matrix = np.zeros((new, size))
  for tap in range(4):
    place = np.clip(first + tap, 0, size - 1)
    np.add.at(matrix, (np.arange(new), place), _kernel(np.abs(at - first - tap)))
  return matrix


def _kernel(d: np.ndarray) -> np.ndarray:
  """Keys' cubic at distances 0 <= d <= 2."""
  near = ((A + 2) * d - (A + 3)) * d * d + 1
  far = ((d - 5) * d + 8) * d * A - 4 * A
  return np.where(d <= 1, near, far)
