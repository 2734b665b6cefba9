"""Where things lie in a synthetic field: plates, sinusoids, glands, fat, cells.

Lengths are micrometres and no pixel enters, so every image size shows the same scene.
Regions are signed distances (positive inside) on a lattice of 1 um that reaches
`MARGIN` beyond the field, so that cells cut by the border are there too.
"""

import dataclasses

import numpy as np
from scipy import ndimage, spatial

from histojax.data.synthesis_grades import Grade, Habit

FIELD_HEIGHT = 128  # um: 0.5 um per pixel at 256 rows, the scale of a 20x objective
MARGIN = 20

TUMOUR, MITOSIS, LYMPHOCYTE, SPINDLE = range(4)


@dataclasses.dataclass
class Layout:
  """Regions on the lattice [h, w], and the cells as arrays of equal length n."""

  sinusoid: np.ndarray
  gland: np.ndarray
  fat: np.ndarray
  cleft: np.ndarray
  stroma: np.ndarray
  along: float  # direction of the fibrous band, radians
  membrane: np.ndarray  # distance to the border between two hepatocytes
  tone: np.ndarray  # one number in -1..1 per hepatocyte, spread over its area
  centre: np.ndarray  # [n, 2] y, x
  radii: np.ndarray  # [n, 2] long, short
  angle: np.ndarray  # [n]
  kind: np.ndarray  # [n]
  red: np.ndarray  # [m, 2] red blood cells


def lattice(width: float) -> tuple[np.ndarray, np.ndarray]:
  """y [h, 1] and x [1, w] in um of a field `width` um wide, margins included."""
  y = np.arange(-MARGIN, FIELD_HEIGHT + MARGIN + 1, dtype=np.float32)
  x = np.arange(-MARGIN, width + MARGIN + 1, dtype=np.float32)
  return y[:, None], x[None, :]


def arrange(grade: Grade, habit: Habit, rng: np.random.Generator, width: int) -> Layout:
  """Draw one field of `FIELD_HEIGHT` x `width` um."""
  y, x = lattice(width)
  stroma, along = _band(habit, rng, y, x)
  sinusoid = np.minimum(_sinusoids(grade, habit, rng, y, x), -stroma)
  glands = _glands(grade, rng, width, stroma)
  gland = _discs(glands, y, x, _rough(rng, y, x, 9.0, 1.6))
  sinusoid = np.minimum(sinusoid, -gland - 9)  # a gland lies inside its trabecula
  sinusoid = np.maximum(sinusoid, _vessels(habit, rng, y, x, sinusoid, gland, stroma))
  blocked = np.maximum.reduce([sinusoid, gland, stroma])
  fat_discs = _fat(habit, rng, width, blocked)
  fat = _discs(fat_discs, y, x, 0.0)
  cleft = _clefts(habit, rng, y, x)
  blocked = np.maximum(blocked, fat)
  centre, radii, angle = _hepatocytes(grade, habit, rng, blocked, glands, width)
  tree = spatial.cKDTree(centre)
  points = np.stack(np.broadcast_arrays(y, x), -1).reshape(-1, 2)
  distance, owner = tree.query(points, k=2, workers=1)
  membrane = ((distance[:, 1] - distance[:, 0]) / 2).reshape(sinusoid.shape)
  tone = rng.uniform(-1, 1, len(centre))[owner[:, 0]].reshape(sinusoid.shape)
  kind = np.full(len(centre), TUMOUR)
  dividing = rng.permutation(len(centre))[: rng.poisson(grade.mitoses * 2)]
  kind[dividing] = MITOSIS
  others = _bystanders(habit, rng, sinusoid, stroma, centre, radii, along, width)
  red = _scatter(rng, sinusoid, 900, 0.3)
  patch = _noise(rng, y, x, 22.0)
  level = np.quantile(patch, 1 - habit.blood)
  red = red[_at(patch, red) > level] if len(red) else red
  return Layout(
    sinusoid, gland, fat, cleft, stroma, along, membrane, tone,
    np.concatenate([centre, others[0]]), np.concatenate([radii, others[1]]),
    np.concatenate([angle, others[2]]), np.concatenate([kind, others[3]]), red,
  )  # fmt: skip


def _noise(rng, y, x, size: float) -> np.ndarray:
  """Smooth noise of unit variance whose features are about `size` um wide."""
  noise = rng.standard_normal((y.shape[0], x.shape[1]), dtype=np.float32)
  noise = ndimage.gaussian_filter(noise, size / 2.5, mode="wrap")
  return noise / noise.std()


def _rough(rng, y, x, size, amount):
  return amount * _noise(rng, y, x, size)


def _at(region: np.ndarray, points: np.ndarray) -> np.ndarray:
  """Values of a lattice region at points [n, 2] in um, nearest lattice point."""
  index = np.rint(points + MARGIN).astype(int)
  index = np.clip(index, 0, np.array(region.shape) - 1)
  return region[index[:, 0], index[:, 1]]


def _discs(discs: np.ndarray, y, x, rough) -> np.ndarray:
  """Signed distance to the union of discs [n, 3] of y, x, radius."""
  inside = np.full((y.shape[0], x.shape[1]), -99.0, np.float32)
  for cy, cx, radius in discs:
    np.maximum(inside, radius - np.hypot(y - cy, x - cx), out=inside)
  return np.maximum(inside + rough, -99.0)


def _band(habit, rng, y, x):
  """A wavy fibrous band across the field, or none."""
  along = rng.uniform(0, np.pi)
  place = rng.uniform(-55, 55)
  half = rng.uniform(4, 11)
  wave = _rough(rng, y, x, 34.0, 7.0)
  middle = FIELD_HEIGHT / 2, (x.shape[1] - 2 * MARGIN) / 2
  across = (y - middle[0]) * np.cos(along) - (x - middle[1]) * np.sin(along) - place
  present = rng.uniform() < habit.stroma
  band = half - np.abs(across + wave)
  return (band if present else np.full_like(band, -99.0)), along


def _sinusoids(grade, habit, rng, y, x):
  """The zero lines of ring-filtered noise: a labyrinth of even plate width."""
  plate = grade.plate[0] + habit.plate * (grade.plate[1] - grade.plate[0])
  shape = y.shape[0], x.shape[1]
  fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
  lean = rng.uniform(0, np.pi)
  frequency = np.hypot(fy, fx)
  heading = np.cos(2 * (np.arctan2(fy, fx) - lean))
  ring = np.exp(-(((frequency * 2 * plate) - 1) ** 2) / 0.045 + 0.9 * heading)
  ring[0, 0] = 0
  white = rng.standard_normal(shape)
  wave = np.fft.irfft2(np.fft.rfft2(white) * ring, s=shape)
  wander = [side + _rough(rng, y, x, 20.0, 2.6) for side in (y, x)]
  wave = ndimage.map_coordinates(
    wave, np.stack(wander) + MARGIN, order=1, mode="grid-wrap"
  )
  slope = np.hypot(*np.gradient(wave))
  # A floor on the slope keeps saddles from opening into lakes.
  distance = np.abs(wave) / np.maximum(slope, 0.6 * slope.mean())
  width = habit.opening * (1 + _rough(rng, y, x, 14.0, 0.28))
  shut = _noise(rng, y, x, 26.0)
  width = width - 6.0 * (shut > np.quantile(shut, grade.sinusoids))
  return (width - distance).astype(np.float32)


def _vessels(habit, rng, y, x, sinusoid, gland, stroma):
  """Dilated vessels, until spaces take the slide's share of the field."""
  taken = np.maximum(sinusoid, gland) > 0
  missing = habit.spaces - taken.mean()
  place = _noise(rng, y, x, 17.0)
  free = np.maximum.reduce([sinusoid, gland, stroma]) < -4.0
  if missing < 0.01 or free.mean() < 2 * missing:
    return np.full_like(sinusoid, -99.0)
  level = np.quantile(place[free], 1 - missing / free.mean())
  slope = np.hypot(*np.gradient(place))
  inside = (place - level) / np.maximum(slope, 0.7 * slope.mean())
  return np.minimum(inside, -4.0 - np.maximum.reduce([sinusoid, gland, stroma]))


def _glands(grade, rng, width, stroma):
  count = rng.integers(grade.glands[0], grade.glands[1] + 1)
  found = np.empty((0, 3))
  for _ in range(60):
    if len(found) >= count:
      break
    disc = np.array(
      [
        rng.uniform(-5, FIELD_HEIGHT + 5),
        rng.uniform(-5, width + 5),
        rng.uniform(6, 12),
      ]
    )
    gap = np.hypot(*(found[:, :2] - disc[:2]).T) - found[:, 2] - disc[2]
    if (gap > 22).all() and _at(stroma, disc[None, :2])[0] < -disc[2] - 10:
      found = np.vstack([found, disc])
  return found


def _fat(habit, rng, width, blocked):
  count = rng.poisson(habit.fat)
  discs = np.stack(
    [
      rng.uniform(-8, FIELD_HEIGHT + 8, count),
      rng.uniform(-8, width + 8, count),
      np.clip(np.exp(rng.normal(1.15, 0.5, count)), 1.2, 9.0),
    ],
    -1,
  )
  return discs[_at(blocked, discs[:, :2]) < -1.0]


def _clefts(habit, rng, y, x):
  """Tissue pulled apart by shrinkage: long thin lenses along the lines of a noise."""
  line = _noise(rng, y, x, 40.0)
  slope = np.hypot(*np.gradient(line))
  distance = np.abs(line) / np.maximum(slope, 0.5 * slope.mean())
  reach = _noise(rng, y, x, 20.0)
  share = min(0.12 * habit.clefts, 0.5)
  return (2.2 * (reach - np.quantile(reach, 1 - share)) - distance).clip(-99, 3.0)


def _hepatocytes(grade, habit, rng, blocked, glands, width):
  """Dart throwing, large cells first; rosettes around the glands before all others."""
  tries = 1400
  spacing = grade.spacing * habit.spacing
  radius = grade.radius * habit.size * np.exp(rng.normal(0, grade.spread, tries))
  giant = rng.uniform(size=tries) < grade.giants
  radius = np.where(giant, radius * rng.uniform(1.4, 1.8, tries), radius)
  # Of many darts only about one in ten lands: sorting all of them would leave only the
  # large ones, so large cells go first within a first batch only.
  radius[:60] = -np.sort(-radius[:60])
  darts = np.stack(
    [
      rng.uniform(-MARGIN, FIELD_HEIGHT + MARGIN, tries),
      rng.uniform(-MARGIN, width + MARGIN, tries),
    ],
    -1,
  )
  rosette = []
  for cy, cx, size in glands:
    ring = size + spacing * 0.55
    count = int(2 * np.pi * ring / (spacing * 0.78))
    turn = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
    turn += rng.normal(0, 0.05, count)
    reach = ring + rng.normal(0, 0.8, count)
    rosette.append(np.stack([cy + reach * np.sin(turn), cx + reach * np.cos(turn)], -1))
  if rosette:
    rosette = np.concatenate(rosette)
    darts[: len(rosette)] = rosette[:tries]
    radius[: len(rosette)] = rng.permutation(radius[100 : 100 + len(rosette)])
  free = _at(blocked, darts) < -0.75 * radius
  darts, radius = darts[free], radius[free]
  room = 0.5 * spacing * np.sqrt(radius / grade.radius)
  centre = np.empty((len(darts), 2))
  taken = np.empty(len(darts))
  kept, count = [], 0
  for i, (dart, own) in enumerate(zip(darts, room, strict=True)):
    offset = centre[:count] - dart
    if ((offset**2).sum(1) > (0.9 * (taken[:count] + own)) ** 2).all():
      centre[count], taken[count] = dart, own
      kept.append(i)
      count += 1
  radius = radius[kept]
  stretch = np.sqrt(1 + grade.aspect * rng.gamma(2.0, 0.5, count))
  radii = np.stack([radius * stretch, radius / stretch], -1)
  return centre[:count], radii, rng.uniform(0, np.pi, count)


def _scatter(rng, region, tries, depth):
  """Points where `region` exceeds `depth`."""
  size = np.array(region.shape) - 1
  points = rng.uniform(0, 1, (tries, 2)) * size - MARGIN
  return points[_at(region, points) > depth]


def _bystanders(habit, rng, sinusoid, stroma, centre, radii, along, width):
  """Endothelium along sinusoids, fibroblasts in stroma, lymphocytes."""
  slope = np.gradient(sinusoid)
  lining = _scatter(rng, -np.abs(sinusoid - 0.3), 420, -0.35)[:26]
  flow = np.arctan2(_at(slope[1], lining), -_at(slope[0], lining))  # along the wall
  fibres = _scatter(rng, stroma, 160, 1.0)
  fibres = fibres[: max(1, len(fibres) // 2)]
  band = np.maximum(stroma, sinusoid + 1.0)
  count = rng.poisson(habit.inflammation)
  focus = np.array([rng.uniform(0, FIELD_HEIGHT), rng.uniform(0, width)])
  near = focus + rng.normal(0, 13, (count, 2))
  loose = _scatter(rng, band, 200, 0.5)[: count // 2 + 3]
  cells = np.concatenate([near, loose])
  gap, index = spatial.cKDTree(centre).query(cells)
  cells = cells[gap > radii[index, 0] + 1.5]
  cells = cells[_thin(cells, 5.4)]
  lymph = 2.5 * np.exp(rng.normal(0, 0.09, len(cells)))
  spindles = np.concatenate([lining, fibres])
  turn = np.concatenate([flow, along + rng.normal(0, 0.3, len(fibres))])
  long = rng.uniform(3.2, 5.6, len(spindles))
  short = rng.uniform(0.8, 1.35, len(spindles))
  return (
    np.concatenate([spindles, cells]),
    np.concatenate([np.stack([long, short], -1), np.stack([lymph, lymph * 0.92], -1)]),
    np.concatenate([turn, rng.uniform(0, np.pi, len(cells))]),
    np.concatenate([np.full(len(spindles), SPINDLE), np.full(len(cells), LYMPHOCYTE)]),
  )


def _thin(points, gap):
  """Indices of points that keep `gap` from every point kept before."""
  kept: list[int] = []
  for i, point in enumerate(points):
    if not kept or (((points[kept] - point) ** 2).sum(1) > gap**2).all():
      kept.append(i)
  return kept
