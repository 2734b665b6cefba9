"""Near-duplicates: images that are one picture turned, mirrored, re-encoded or zoomed.

The magnitudes of `discs` find the candidates; the best cross-correlation over all turns
and both mirrorings judges them. For copies on an expanded canvas, or cut out and
enlarged, up to ZOOMS[-1], the disc of one is an inner disc of the other: each image
asks with its inner discs too. Not found: copies whose colours were changed, or that are
shifted by more than a hundredth of their side.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from histojax.data.discs import BLANK, Views, compare, discs, invariant, log_odds

# four are those of a square whose canvas expands at 10, 20, 30 and 40 degrees
ZOOMS = (1.0, 1.05, 1.1, 1.158, 1.22, 1.282, 1.325, 1.366, 1.41)
ZOOMED = 3.0  # what a zoomed pair must have more: there are more of them to go wrong
NEAREST = 8  # candidates of an image, per zoom, among all and on the other side
_WIDTH = 128  # dimensions of the descriptor after projection
_BLOCK, _FOLDS = 256, 16


class Pair(NamedTuple):
  """Rows `a` < `b` show one picture: b is a, mirrored or not, then turned, zoomed."""

  a: int
  b: int
  score: float  # log odds, > 0
  angle: float  # degrees
  mirrored: bool
  zoom: float  # how much larger one of them shows it


def find(pictures: np.ndarray, test=None, advance=lambda count: None, zooms=ZOOMS):
  """The pairs of near-duplicates among `pictures` (see `small`), and which are blank.

  Memory is linear in n. Of a picture with more than NEAREST copies not every pair is
  listed; where `test` (bool [n]) says what is tested, the nearest on the other side are
  always among those looked at.

  Returns:
    ([Pair] by falling score, bool [n] of what is too blank to tell).
  """
  n = len(pictures)
  blocks = [slice(i, min(n, i + _BLOCK)) for i in range(0, n, _BLOCK)]
  whole = [discs(pictures[rows]) for rows in blocks]
  whole = Views(*(np.concatenate(field) for field in zip(*whole, strict=True)))
  axes = _axes(whole.spectrum)
  keys = np.concatenate([_key(whole.rows(rows), axes) for rows in blocks])

  def ask(rows):
    found = []
    for zoom in zooms:
      asked = whole.rows(rows) if zoom == 1 else discs(pictures[rows], zoom)
      found += _ask(asked, rows.start, zoom, whole, keys, axes, test)
    return found

  best = {}
  with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
    for rows, found in zip(blocks, pool.map(ask, blocks), strict=True):
      for pair in found:
        if pair[:2] not in best or pair.score > best[pair[:2]].score:
          best[pair[:2]] = pair
      advance(rows.stop - rows.start)
  return sorted(best.values(), key=lambda p: (-p.score, p)), whole.energy < BLANK**2


def _ask(asked: Views, start: int, zoom, whole: Views, keys, axes, test):
  """Yields the pairs of the images start, start + 1, ... with any of the whole."""
  key = _key(asked, axes)
  far = (keys**2).sum(1) - 2 * key @ keys.T  # [n, N], up to what all of a row share
  rows = np.arange(start, start + len(key))
  far[rows - start, rows] = np.inf
  columns = [_nearest(far)]
  if test is not None:
    far[test[rows][:, None] == test] = np.inf
    columns.append(_nearest(far))
  columns = np.concatenate(columns, 1)
  i, j = np.unique(
    np.stack([np.repeat(rows - start, columns.shape[1]), columns.ravel()]), axis=1
  )
  distance = np.linalg.norm(asked.mean[i] - whole.mean[j], axis=1)
  least = ((key[i] - keys[j]) ** 2).sum(1) - distance**2
  bound = log_odds(asked.energy[i], whole.energy[j], least, distance)
  needed = ZOOMED if zoom > 1 else 0.0
  kept = (bound > needed) & (i + start != j)
  i, j = i[kept], j[kept]
  odds, angle, mirrored = compare(asked.rows(i), whole.rows(j))
  odds -= needed
  for n in np.flatnonzero(odds > 0):
    a, b = int(i[n]) + start, int(j[n])
    turned = float(angle[n])
    if a > b:
      a, b, turned = b, a, turned if mirrored[n] else -turned % 360
    yield Pair(a, b, float(odds[n]), turned, bool(mirrored[n]), zoom)


def _nearest(far: np.ndarray) -> np.ndarray:
  """Columns of the NEAREST smallest of each row of [n, N], in any order."""
  n, count = far.shape
  if count <= NEAREST:
    return np.broadcast_to(np.arange(count), far.shape)
  width = count // _FOLDS
  if width <= NEAREST:
    return np.argpartition(far, NEAREST, 1)[:, :NEAREST]
  # the smallest are in the columns with the smallest minima: six times as fast
  least = far[:, : _FOLDS * width].reshape(n, _FOLDS, width).min(1)
  least = np.argpartition(least, NEAREST, 1)[:, :NEAREST]
  columns = (least[:, :, None] + width * np.arange(_FOLDS)).reshape(n, -1)
  rest = np.arange(_FOLDS * width, count)
  columns = np.concatenate([columns, np.broadcast_to(rest, (n, len(rest)))], 1)
  best = np.argpartition(np.take_along_axis(far, columns, 1), NEAREST, 1)[:, :NEAREST]
  return np.take_along_axis(columns, best, 1)


def _axes(spectrum: np.ndarray) -> np.ndarray:
  """[D, up to _WIDTH] orthonormal: the principal axes of the descriptors."""
  some = invariant(spectrum[:: max(1, len(spectrum) // 4000)])
  if len(some) <= _WIDTH:  # all there is
    return np.linalg.qr(some.T)[0].astype(np.float32)
  _, axes = np.linalg.eigh(np.cov(some.T))
  return axes[:, -_WIDTH:].astype(np.float32)


def _key(views: Views, axes: np.ndarray) -> np.ndarray:
  return np.concatenate([invariant(views.spectrum) @ axes, views.mean], 1)
