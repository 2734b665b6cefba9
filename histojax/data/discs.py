"""Discs: what two images are compared by, whichever way up and mirrored or not.

The inscribed disc of an image is sampled in polar coordinates, where a turn is a shift
and a mirroring a reversal. The Fourier magnitudes of its rings know neither; and they
are never farther apart than the pictures, ||a| - |b|| <= |a - b|, so what they exclude
is excluded rightly.
"""

from typing import NamedTuple

import numpy as np

SIDE, RINGS, TURNS, KEPT = 48, 16, 72, 25  # pixels; samples of a ring; its frequencies
STEPS = 288  # angles compared, 1.25 degrees apart
BLANK = 2.5  # grey levels rms: below it there is nothing to recognise
# Of atanh ncc, log(1 + rms residual), log(.5 + distance of the mean colours), in grey
# levels: a logistic fit to planted copies and nearest others in two sets, the smoothest
# (malaria cells) and the noisiest (nuclei of 27 pixels), measured on others
WEIGHTS, OFFSET = (10.0, -5.4, -6.1), 0.3
_COLOUR = np.array([[1 / 3, 1 / 3, 1 / 3], [0.25, 0, -0.25], [-0.125, 0.25, -0.125]]).T
_LOW = 13  # frequencies in the descriptor


class Views(NamedTuple):
  """Discs of n images."""

  spectrum: np.ndarray  # complex64 [n, 3 RINGS, KEPT]; its energy is the variance
  mean: np.ndarray  # float32 [n, 3], mean luminance and opponent colours
  energy: np.ndarray  # float32 [n]

  def rows(self, index):
    return Views(*(field[index] for field in self))


def small(image: np.ndarray) -> np.ndarray:
  """uint8 [H, W, 3] -> uint8 [SIDE, SIDE, 3], the centred square."""
  from PIL import Image

  height, width = image.shape[:2]
  side = min(height, width)
  left, top = (width - side) / 2, (height - side) / 2
  box = (left, top, left + side, top + side)
  how = Image.Resampling.BOX if side >= SIDE else Image.Resampling.BILINEAR
  picture = Image.fromarray(np.ascontiguousarray(image))
  return np.asarray(picture.resize((SIDE, SIDE), how, box))


def discs(pictures: np.ndarray, zoom: float = 1.0) -> Views:
  """The inscribed discs of uint8 [n, SIDE, SIDE, 3], of 1 / zoom the radius."""
  radius = np.linspace(0.09, 0.953, RINGS) * SIDE / 2  # [R]
  area = (radius / radius.sum()).astype(np.float32)[:, None, None]
  angle = 2 * np.pi * np.arange(TURNS) / TURNS
  y, x = (radius[:, None] / zoom * f(angle) + (SIDE - 1) / 2 for f in (np.sin, np.cos))
  top, left = np.floor(y).astype(int), np.floor(x).astype(int)
  colour = pictures.astype(np.float32) @ _COLOUR.astype(np.float32)
  colour = colour.reshape(len(colour), -1, 3)
  polar = 0  # [n, R, TURNS, 3]
  for i in (0, 1):
    for j in (0, 1):
      weight = (1 - abs(y - top - i)) * (1 - abs(x - left - j))
      at = (top + i) * SIDE + left + j
      polar = polar + colour[:, at] * weight[..., None].astype(np.float32)
  mean = (polar.mean(2, keepdims=True) * area).sum(1, keepdims=True)
  found = np.fft.rfft((polar - mean) * np.sqrt(area), axis=2)[:, :, :KEPT] / TURNS
  found[:, :, 1:] *= np.sqrt(2)  # both signs of a frequency
  found = found.transpose(0, 1, 3, 2).reshape(len(found), -1, KEPT)
  found = np.ascontiguousarray(found, np.complex64)
  return Views(found, mean[:, 0, 0], _energy(found))


def compare(one: Views, two: Views):
  """Of n pairs of discs: log odds of being copies, angle in degrees, mirrored; [n]."""
  found = []
  for other in (two.spectrum, np.conj(two.spectrum)):
    cross = np.einsum("nrf,nrf->nf", one.spectrum, np.conj(other))
    cross[:, 1:] /= 2
    found.append(np.fft.irfft(cross, STEPS, axis=1) * STEPS)
  found = np.concatenate(found, 1)
  best = found.argmax(1)
  residual = one.energy + two.energy - 2 * found[np.arange(len(best)), best]
  distance = np.linalg.norm(one.mean - two.mean, axis=-1)
  odds = log_odds(one.energy, two.energy, residual, distance)
  return odds, best % STEPS * (360 / STEPS), best >= STEPS


def log_odds(energy, other, residual, distance):
  """Of being copies, by variances, mean square residual, distance of mean colours."""
  residual = np.maximum(residual, 0)
  ncc = (energy + other - residual) / (2 * np.sqrt(energy * other) + 1e-6)
  features = (
    np.arctanh(np.clip(ncc, -0.9, 0.995)),
    np.log1p(np.sqrt(residual)),
    np.log(0.5 + distance),
  )
  odds = OFFSET + sum(w * f for w, f in zip(WEIGHTS, features, strict=True))
  return np.where(np.minimum(energy, other) < BLANK**2, -np.inf, odds)


def _energy(spectrum: np.ndarray) -> np.ndarray:
  return (spectrum.real**2 + spectrum.imag**2).sum((1, 2))


def invariant(spectrum: np.ndarray) -> np.ndarray:
  """[n, D]: what neither turning nor mirroring changes."""
  found = np.abs(spectrum[:, :, :_LOW])
  found[:, :, 0] = spectrum[:, :, 0].real
  return found.reshape(len(found), -1)
