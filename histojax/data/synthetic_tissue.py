"""Pieces that synthetic tissues are painted of: regions, fibres, nuclei, dye.

SYNTHETIC: no patient, no scanner. Lengths are um. A region is a signed distance [H, W],
positive inside. Dyes are kept from telling the class: whatever is painted, `balanced`
brings its mean amounts of haematoxylin and eosin to values that a slide draws.
"""

import numpy as np
from scipy import spatial

from histojax.data.synthesis import Canvas
from histojax.data.synthesis_layout import FIELD_HEIGHT


class Field:
  """A canvas `tall` um high with dyes [3, H, W]: haematoxylin, eosin, red cells."""

  def __init__(self, rng: np.random.Generator, height: int, width: int, tall: float):
    self.rng, self.um, self.shape = rng, tall / height, (height, width)
    self.size = np.array([tall, self.um * width])
    self._canvas, self._zoom = Canvas(height, width), FIELD_HEIGHT / tall
    self.y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) * self.um
    self.x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) * self.um
    self.dyes = np.zeros((3, height, width), np.float32)

  def noise(self, size: float) -> np.ndarray:
    """Smooth, of unit variance, with features of `size` um."""
    return self._canvas.noise(self.rng, max(size, 1.2 * self.um) * self._zoom)

  def level(self, size: float, share: float, stretch: float = 1.0) -> np.ndarray:
    """Blobs of about `size` um that take `share` of the field."""
    field = self.noise(size) + 0.25 * self.noise(size / 3)
    if stretch > 1:
      field = field + stretch * self.noise(2.5 * size)
    field -= np.quantile(field, 1 - share)
    return distance(field, self.um)

  def at(self, region: np.ndarray, points: np.ndarray) -> np.ndarray:
    index = np.clip(points / self.um, 0, np.array(self.shape) - 1).astype(int)
    return region[index[:, 0], index[:, 1]]

  def lattice(self, spacing: float, jitter: float = 0.22) -> np.ndarray:
    """Points [n, 2] on a hexagonal lattice, displaced, beyond the border too."""
    rows = np.arange(-spacing, self.size[0] + spacing, spacing * 0.866)
    columns = np.arange(-spacing, self.size[1] + spacing, spacing)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x = x + (np.arange(len(rows)) % 2)[:, None] * spacing / 2
    points = np.stack([y.ravel(), x.ravel()], -1)
    return points + self.rng.normal(0, jitter * spacing, points.shape)

  def discs(self, spacing: float, radius: float, spread=0.12, rough=0.1):
    """Rounded bodies of about `radius` on a lattice, as a region."""
    centre = self.lattice(spacing, 0.10)
    size = radius * np.exp(self.rng.normal(0, spread, len(centre)))
    points = np.stack(np.broadcast_arrays(self.y, self.x), -1).reshape(-1, 2)
    far, owner = spatial.cKDTree(centre).query(points, k=3, workers=1)
    inside = (size[owner] - far).max(-1).reshape(self.shape)
    return (inside + rough * radius * self.noise(1.2 * radius)).astype(np.float32)

  def lay(self, cover: np.ndarray, *amounts) -> None:
    """Replaces what is there by amounts of the dyes where `cover` is 1."""
    for dye, amount in zip(self.dyes, amounts, strict=False):
      dye += cover * (amount - dye)

  def collagen(self, wave=14.0, along=None, loose=0.4, blue=0.07) -> float:
    """Fibres everywhere; returns their direction."""
    along = self.rng.uniform(0, np.pi) if along is None else along
    bend, fine = self.noise(3 * wave), self.noise(1.6)
    across = self.y * np.cos(along) - self.x * np.sin(along) + 0.5 * wave * bend
    thread = 0.6 * np.sin(1.6 * across + 1.5 * fine) + 0.5 * np.sin(
      0.55 * across + fine
    )
    gap = np.clip(thread + 0.35 * self.noise(wave) - 1 + loose, 0, None)
    eosin = np.clip(0.40 + 0.12 * thread + 0.05 * fine - 0.42 * gap, 0.03, None)
    self.dyes[0], self.dyes[1] = blue + 0.02 * fine, eosin
    return along

  def gaps(self, share: float) -> None:
    """Clefts until `share` of the field is pale, whatever the tissue."""
    missing = share - (self.dyes[1] < 0.12).mean()
    if missing < 0.02:
      return
    hole = 6.0 * self.noise(14.0) - np.abs(self.level(60.0, 0.5))
    hole = hole - np.quantile(hole, 1 - missing)
    self.lay(edge(hole, 0.8), 0.012, 0.03)
    self.dyes[1] += 0.08 * np.exp(-(((hole + 0.8) / 0.8) ** 2))

  def nuclei(
    self, points, radius, *, aspect=1.2, angle=None, spread=0.1, dark=0.72, open_=0.2,
    nucleolus=0.0, rough=0.05,
  ) -> None:  # fmt: skip
    """Ellipses of chromatin; `aspect` is long over short, `open_` a pale middle."""
    count, rng = len(points), self.rng
    if not count:
      return
    size = radius * np.exp(spread * np.clip(rng.standard_normal(count), -2, 2.2))
    turn = (
      rng.uniform(0, np.pi, count) if angle is None else np.broadcast_to(angle, count)
    )
    squash = np.sqrt(aspect) * np.exp(rng.normal(0, 0.06, count))
    amount = dark * np.exp(rng.normal(0, 0.18, count))
    reach = int(np.ceil(1.3 * size.max() * squash.max() / self.um)) + 1
    grid = np.arange(-reach, reach + 1)
    corner = np.floor(points / self.um).astype(int)
    rows = corner[:, 0, None, None] + grid[:, None]  # [n, w, 1]
    columns = corner[:, 1, None, None] + grid[None, :]  # [n, 1, w]
    v = ((rows + 0.5) * self.um - points[:, 0, None, None]).astype(np.float32)
    u = ((columns + 0.5) * self.um - points[:, 1, None, None]).astype(np.float32)
    cos, sin = (np.float32(f(turn))[:, None, None] for f in (np.cos, np.sin))
    size, squash, amount = (
      np.float32(a)[:, None, None] for a in (size, squash, amount)
    )
    along, across = (u * cos + v * sin) / squash, (v * cos - u * sin) * squash
    polar = np.arctan2(across, along)
    bumps = np.float32(rng.normal(0, rough, (2, count, 1, 1)))
    phase = np.float32(rng.uniform(0, 6.3, (2, count, 1, 1)))
    outline = 1 + bumps[0] * np.cos(2 * polar + phase[0])
    outline += bumps[1] * np.cos(3 * polar + phase[1])
    depth = size * outline - np.hypot(along, across)  # um inside
    cover = edge(depth, max(0.4, 0.45 * self.um))
    rim = np.exp(-(((depth - 0.5) / 0.6) ** 2))
    body = amount * (1 - open_ * np.clip(depth / size, 0, 1) + 0.3 * rim)
    if nucleolus:
      spot = np.float32(rng.uniform(-0.35, 0.35, (2, count, 1, 1))) * size
      far = (v - spot[0]) ** 2 + (u - spot[1]) ** 2
      body = body + 0.7 * np.exp(-far / nucleolus**2)
    rows, columns, cover, body = np.broadcast_arrays(rows, columns, cover, body)
    inside = (cover > 0.02) & (rows >= 0) & (columns >= 0)
    inside &= (rows < self.shape[0]) & (columns < self.shape[1])
    where = rows[inside], columns[inside]
    chromatin, covered = np.zeros((2, *self.shape), np.float32)
    np.maximum.at(chromatin, where, (cover * body)[inside])
    np.maximum.at(covered, where, cover[inside])
    texture = 1 + 0.12 * self.noise(1.5) + 0.10 * self.noise(0.9)
    self.dyes[0] = np.maximum(self.dyes[0] * (1 - covered), chromatin * texture)
    self.dyes[1] += (0.22 - self.dyes[1]) * covered

  def rows_of(self, region, level: float, spacing: float, within: float):
    """Nuclei that line a border: points at `level` inside, directions across it."""
    slope = np.stack(np.gradient(region, self.um))
    slope /= np.maximum(np.hypot(*slope), 0.3)
    points = self.lattice(0.55 * spacing)
    points = points[np.abs(self.at(region, points) - level) < within]
    for _ in range(2):
      missing = level - self.at(region, points)
      ways = np.stack([self.at(s, points) for s in slope], -1)
      points = points + missing[:, None] * ways
    points = thin(points, 0.85 * spacing)
    return points, np.arctan2(*(self.at(s, points) for s in slope))


def distance(field: np.ndarray, um: float) -> np.ndarray:
  """A level set at 0 as a distance in um, where its slope is not too small."""
  slope = np.hypot(*np.gradient(field, um))
  return (field / np.maximum(slope, 0.6 * slope.mean())).astype(np.float32)


def thin(points: np.ndarray, gap: float) -> np.ndarray:
  """The points that keep `gap` from every point kept before."""
  if not len(points):
    return points
  gone = np.zeros(len(points), bool)
  first, second = spatial.cKDTree(points).query_pairs(gap, output_type="ndarray").T
  while len(first):
    later = np.zeros(len(points), bool)
    later[second] = True
    gone[second[~later[first]]] = True  # of pairs whose first has nothing before it
    left = ~gone[first] & ~gone[second]
    first, second = first[left], second[left]
  return points[~gone]


def balanced(rng, dyes: np.ndarray, means, pull=1.0, even=0.5) -> np.ndarray:
  """The dyes [3, H, W] with amounts of haematoxylin and eosin that hide the class.

  Their means are drawn towards `means` by `pull`: too much is diluted, too little made
  up for by stronger dye and an even veil, as of a thick section. Their histograms are
  drawn towards one of a common family by `even`; the order of pixels stays.
  """
  dyes = np.maximum(dyes, 0)
  for dye, mean, skew in zip(dyes, means, (1.0, 0.55), strict=False):
    wanted = pull * mean + (1 - pull) * dye.mean()
    dye *= np.clip(wanted / max(dye.mean(), 1e-3), 0.4, 1.35)
    dye += max(wanted - dye.mean(), 0)
    order = np.argsort(dye, axis=None, kind="stable")
    share = (np.arange(dye.size, dtype=np.float32) + 0.5) / dye.size
    curve = (-np.log(1 - 0.97 * share)) ** (skew * np.exp(rng.normal(0, 0.15)))
    dye.flat[order] += even * (wanted * curve / curve.mean() - dye.flat[order])
  return dyes


def edge(distance: np.ndarray, softness: float) -> np.ndarray:
  """Signed distance -> coverage 0..1."""
  t = np.clip(distance / (2 * softness) + 0.5, 0, 1)
  return t * t * (3 - 2 * t)
