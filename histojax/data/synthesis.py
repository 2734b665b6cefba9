"""Procedural H&E of hepatocellular carcinoma: `render` draws one microscope field.

SYNTHETIC: no patient, no scanner. `synthesis_layout` decides where things lie,
this file turns a layout into amounts of dye, `synthesis_stain` turns dye into pixels.

Colour is kept from telling the grade, on purpose: staining, fat, blood, fibrosis,
inflammation and clefts vary per slide whatever the grade, and crowded nuclei are given
paler chromatin, so that size, spacing and architecture carry it.
"""

import functools

import numpy as np
from scipy import sparse

from histojax.data import synthesis_layout as layout_
from histojax.data.synthesis_grades import GRADES, Habit, spread
from histojax.data.synthesis_layout import FIELD_HEIGHT, MARGIN
from histojax.data.synthesis_stain import Stain, develop

LABELS = ("poor", "moderate", "well")
TUMOUR_NUCLEUS, OTHER_NUCLEUS = 255, 128  # values of the nucleus mask; 0 elsewhere


def render(
  seed: int, label: int, slide: int, field: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
  """One field: image uint8 [height, width, 3], nucleus mask uint8 [height, width].

  Every draw comes from `default_rng([seed, label, slide, ...])`: equal arguments give
  equal bytes, and the fields of a slide share its `Habit` and `Stain`. A larger size
  of the same shape shows the same scene in more detail.
  """
  habit = Habit.draw(np.random.default_rng([seed, label, slide, 0]))
  stain = Stain.draw(np.random.default_rng([seed, label, slide, 1]))
  place, paint, camera = (
    np.random.default_rng([seed, label, slide, 2 + field, part]) for part in range(3)
  )
  grade = GRADES[LABELS[label]]
  canvas = Canvas(height, width)
  layout = layout_.arrange(grade, habit, place, canvas.extent)
  density, mask = _paint(canvas, grade, habit, layout, paint)
  return develop(density, stain, camera, canvas.um), mask


class Canvas:
  """Samples things that are given in um at the pixels of one image size."""

  def __init__(self, height: int, width: int):
    self.shape = height, width
    self.um = FIELD_HEIGHT / height  # um per pixel
    self.extent = round(FIELD_HEIGHT * width / height)  # um, the same for all sizes

  def sample(self, region: np.ndarray) -> np.ndarray:
    """A region on the 1 um lattice -> [H, W], by cubic B-splines."""
    rows = _spline(self.shape[0], self.um, 1.0, MARGIN, region.shape[0])
    columns = _spline(self.shape[1], self.um, 1.0, MARGIN, region.shape[1])
    return _separable(rows, region.astype(np.float32), columns)

  def noise(self, rng: np.random.Generator, cell: float) -> np.ndarray:
    """Smooth noise of unit variance with features of `cell` um -> [H, W]."""
    size = [int(side / cell) + 5 for side in (FIELD_HEIGHT, self.extent)]
    knots = rng.standard_normal(size, dtype=np.float32) / np.float32(0.479)
    rows = _spline(self.shape[0], self.um, cell, 2.0 * cell, size[0])
    columns = _spline(self.shape[1], self.um, cell, 2.0 * cell, size[1])
    return _separable(rows, knots, columns)


@functools.lru_cache(maxsize=64)
def _spline(pixels, um, cell, offset, knots) -> sparse.csr_array:
  """[pixels, knots]: weights of the cubic B-splines at each pixel centre."""
  place = ((np.arange(pixels) + 0.5) * um + offset) / cell
  t = np.abs(place[:, None] - np.arange(knots)[None, :])
  near, far = 2 / 3 - t**2 + t**3 / 2, (2 - t) ** 3 / 6
  weights = np.where(t < 1, near, np.where(t < 2, far, 0))
  return sparse.csr_array(weights.astype(np.float32))


def _separable(rows, knots, columns) -> np.ndarray:
  # Sparse products sum in one fixed order whatever the number of threads.
  return rows @ np.ascontiguousarray((columns @ np.ascontiguousarray(knots.T)).T)


def _step(distance: np.ndarray, softness: float) -> np.ndarray:
  """Signed distance (positive inside) -> coverage 0..1."""
  t = np.clip(distance / (2 * softness) + 0.5, 0, 1)
  return t * t * (3 - 2 * t)


def _paint(canvas, grade, habit, layout, rng):
  """Layout -> concentrations [3, H, W] of the three dyes, and the nucleus mask."""
  coarse, middle, fine, dust = (canvas.noise(rng, c) for c in (16.0, 3.2, 1.2, 0.6))
  grain = 0.45 * middle + 0.5 * fine + 0.4 * dust
  tone = canvas.sample(layout.tone)
  clear = _step(coarse + 0.6 * tone - 2.2 * (0.75 - habit.clearing), 0.8)
  clear *= habit.clearing
  border = canvas.sample(layout.membrane) + 0.12 * middle
  eosin = (0.46 + 0.05 * coarse + 0.06 * tone) * (1 - 0.55 * clear)
  eosin *= 1 + (0.16 + 0.15 * clear) * grain
  eosin += habit.borders * np.exp(-((border / 0.6) ** 2))
  blue = np.exp(habit.patchiness * (0.6 * canvas.noise(rng, 30.0) + 0.6 * tone))
  blue *= grade.cytoplasm * habit.basophilia * (1 - 0.6 * clear) * (1 + 0.3 * grain)
  density = np.stack([blue, eosin, 0 * eosin])
  _stroma(canvas, layout, rng, density)
  _spaces(canvas, habit, layout, rng, density, fine)
  texture = canvas.noise(rng, 0.9), canvas.noise(rng, 1.9)
  mask = np.zeros(canvas.shape, np.uint8)
  for i in range(len(layout.kind)):
    _nucleus(canvas, grade, habit, layout, i, rng, texture, density, mask)
  # The section is not equally thick everywhere.
  density *= spread(rng, 0.16) * np.exp(0.06 * canvas.noise(rng, 60.0))
  return density, mask


def _blend(density, cover, amounts):
  """Replace what is there by `amounts` of the three dyes where `cover` is 1."""
  for dye, amount in zip(density, amounts, strict=True):
    dye += cover * (amount - dye)


def _stroma(canvas, layout, rng, density):
  """Collagen: fibres along the band."""
  if layout.stroma.max() < -3:
    return
  cover = _step(canvas.sample(layout.stroma), 1.2)
  wave, fine = canvas.noise(rng, 14.0), canvas.noise(rng, 1.5)
  y = (np.arange(canvas.shape[0], dtype=np.float32)[:, None] + 0.5) * canvas.um
  x = (np.arange(canvas.shape[1], dtype=np.float32)[None, :] + 0.5) * canvas.um
  across = y * np.cos(layout.along) - x * np.sin(layout.along) + 2.6 * wave
  fibre = 0.6 * np.sin(2.3 * across + 1.5 * fine) + 0.4 * np.sin(1.1 * across + wave)
  gap = np.clip(fibre - 0.35, 0, None)
  eosin = np.clip(0.42 + 0.13 * fibre + 0.05 * fine - 0.45 * gap, 0.03, None)
  _blend(density, cover, (0.07 + 0.02 * fine, eosin, 0.0))


def _spaces(canvas, habit, layout, rng, density, fine):
  """Sinusoids, glands, red cells, fat and clefts."""
  veil = canvas.noise(rng, 7.0)
  curd = 1 + 0.22 * veil + 0.16 * canvas.noise(rng, 2.2) + 0.12 * fine
  plasma = np.clip(habit.plasma * curd, 0.015, None)
  wall = canvas.sample(layout.sinusoid)
  cover = _step(wall, 0.5)
  _blend(density, cover, (0.02, plasma, 0.0))
  density[1] += 0.16 * np.exp(-(((wall + 0.1) / 0.5) ** 2))  # endothelium
  gland = canvas.sample(layout.gland)
  _blend(density, _step(gland, 0.6), (0.015, plasma, 0.0))
  density[1] += 0.14 * np.exp(-(((gland + 0.7) / 0.8) ** 2))  # apical border
  for y, x in layout.red:
    radius, squash = rng.uniform(2.3, 3.0), rng.uniform(0.9, 1.2)
    box, v, u = _window(canvas, y, x, 1.3 * radius)
    if v.size and u.size:
      far = np.hypot(v, u * squash)
      pale = 1 - 0.3 * np.exp(-((far / 1.1) ** 2))
      inside = _step(radius - far, 0.35) * _step(wall[box], 0.5)
      _blend(density[(slice(None), *box)], inside, (0.02, 0.14, 0.46 * pale))
  fat = canvas.sample(layout.fat)
  _blend(density, _step(fat, 0.35), (0.005, 0.012, 0.0))
  density[1] += 0.10 * np.exp(-(((fat + 0.5) / 0.5) ** 2))
  cleft = canvas.sample(layout.cleft) + 0.25 * fine
  _blend(density, _step(cleft, 0.5), (0.005, 0.012, 0.0))


def _window(canvas, y, x, reach):
  """Slices of the pixels within `reach` um of a point, and their offsets in um."""
  box, offset = [], []
  for centre, size in zip((y, x), canvas.shape, strict=True):
    low = max(int((centre - reach) / canvas.um), 0)
    high = min(int((centre + reach) / canvas.um) + 1, size)
    box.append(slice(low, max(high, low)))
    offset.append((np.arange(low, max(high, low), dtype=np.float32) + 0.5) * canvas.um)
  return tuple(box), offset[0][:, None] - y, offset[1][None, :] - x


def _nucleus(canvas, grade, habit, layout, i, rng, texture, density, mask):
  """One nucleus: an irregular ellipse with chromatin, membrane and nucleoli."""
  kind = layout.kind[i]
  long, short = layout.radii[i]
  tumour = kind == layout_.TUMOUR
  harmonics = np.arange(2, 7)
  irregular = {layout_.TUMOUR: grade.irregular, layout_.MITOSIS: 0.16}.get(kind, 0.04)
  bumps = rng.normal(0, irregular, 5) / (harmonics - 1)
  phase = rng.uniform(0, 2 * np.pi, 5)
  amount = np.exp(rng.normal(0, grade.unevenness))
  spots = rng.uniform(-0.45, 0.45, (3, 2))
  count = rng.integers(1, 3) if tumour else 0
  open_ = rng.uniform(0.0, 0.35)
  if kind == layout_.MITOSIS:
    long, short = 0.85 * long, 0.38 * short + 0.5
  box, v, u = _window(canvas, *layout.centre[i], 1.35 * long)
  if not (v.size and u.size):
    return
  turn = layout.angle[i]
  along = (u * np.cos(turn) + v * np.sin(turn)) / long
  across = (v * np.cos(turn) - u * np.sin(turn)) / short
  polar = np.arctan2(across, along)
  outline = 1 + sum(
    b * np.cos(k * polar + p) for b, k, p in zip(bumps, harmonics, phase, strict=True)
  )
  depth = 1 - np.hypot(along, across) / outline  # 0 at the membrane, 1 at the centre
  radius = np.sqrt(long * short)
  cover = _step(depth * radius, 0.32)
  fine, coarse = texture[0][box], texture[1][box]
  if tumour:
    chromatin = grade.chromatin * habit.density * amount
    body = chromatin * (1 - open_ * np.clip(depth, 0, 1))
    body *= 1 + grade.clumps * (0.6 * fine + 0.8 * coarse)
    body += 0.30 * np.exp(-(((depth * radius - 0.45) / 0.45) ** 2))  # nuclear membrane
    for y, x in spots[:count]:
      spot = ((across - y) ** 2 + (along - x) ** 2) * radius**2
      body += 0.75 * np.exp(-spot / grade.nucleolus**2)
  elif kind == layout_.MITOSIS:
    halo = 0.5 * _step(depth + 0.5, 0.5)
    _blend(density[(slice(None), *box)], halo, (0.05, 0.3, 0.0))
    body = 1.25 + 0.3 * fine
  else:
    body = 1.05 * habit.density * (1 + 0.16 * fine + 0.14 * coarse)
  _blend(density[(slice(None), *box)], cover, (np.maximum(body, 0.12), 0.22, 0.0))
  value = OTHER_NUCLEUS
  if kind in (layout_.TUMOUR, layout_.MITOSIS):
    value = TUMOUR_NUCLEUS
  mask[box][cover > 0.5] = value
