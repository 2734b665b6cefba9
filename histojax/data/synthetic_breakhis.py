"""`synthetic_breakhis`: breast tissue drawn in the tree of BreaKHis_v1. SYNTHETIC.

Eight subtypes by their architecture: adenosis crowds small acini, fibroadenoma
stretches slits in a loose stroma, phyllodes tumour opens leaf-like clefts, tubular
adenoma packs even tubules; ductal carcinoma grows in solid nests of large nuclei,
lobular carcinoma in single files, mucinous carcinoma floats in pools, papillary
carcinoma on fronds. There are 1,216 images of 59 slides, a third of them benign as in
the publication; accession numbers are invented (year 99), and the magnifications lie
closer together than a microscope's.
"""

import numpy as np

from histojax.data.synthesis_stain import Stain, develop
from histojax.data.synthetic_tissue import Field, balanced, edge, thin
from histojax.data.synthetic_tree import Tree

TALL = {400: 95.0, 200: 120.0, 100: 150.0, 40: 190.0}  # um
FOLDERS = {
  "A": "benign/SOB/adenosis", "F": "benign/SOB/fibroadenoma",
  "PT": "benign/SOB/phyllodes_tumor", "TA": "benign/SOB/tubular_adenoma",
  "DC": "malignant/SOB/ductal_carcinoma", "LC": "malignant/SOB/lobular_carcinoma",
  "MC": "malignant/SOB/mucinous_carcinoma", "PC": "malignant/SOB/papillary_carcinoma",
}  # fmt: skip
ACCESSIONS = {"A": 5, "F": 6, "PT": 5, "TA": 5, "DC": 14, "LC": 5, "MC": 6, "PC": 5}
IMAGES = {"B": 4, "M": 6}  # of a slide at one magnification


def tree(seed: int = 0, height: int = 115, width: int = 175) -> Tree:
  """1,216 images of 51 accession numbers; the first of each subtype has two slides."""
  top, files, number = "BreaKHis_v1/histology_slides/breast", {}, 10_000
  for kind, (subtype, folder) in enumerate(FOLDERS.items()):
    side = "B" if folder.startswith("benign") else "M"
    for k in range(ACCESSIONS[subtype]):
      number += 7
      for letters in ("AB", "CD") if k == 0 else ("",):
        slide = f"99-{number}{letters}"
        for magnification in TALL:
          for i in range(IMAGES[side]):
            where = f"SOB_{side}_{subtype}_{slide}/{magnification}X"
            name = f"SOB_{side}_{subtype}-{slide}-{magnification}-{i + 1:03d}.png"
            place = kind, number + 100_000 * (letters == "CD"), magnification, i
            files[f"{top}/{folder}/{where}/{name}"] = place
  return Tree("synthetic_breakhis", files, draw, seed, height, width)


def draw(seed: int, place: tuple, height: int, width: int) -> np.ndarray:
  """One image, uint8 [height, width, 3]; images of a slide share stain and habit."""
  kind, slide, magnification, number = place
  stain = Stain.draw(np.random.default_rng([seed, slide, 1]))
  habit = np.random.default_rng([seed, slide, 2])
  size, means = habit.uniform(0.92, 1.08), habit.normal([0.27, 0.33], [0.05, 0.05])
  rng, camera = (
    np.random.default_rng([seed, kind, slide, magnification, number, part])
    for part in range(2)
  )
  field = Field(rng, height, width, TALL[magnification])
  _SCENES[kind](field, size)
  field.gaps(rng.uniform(0.05, 0.32))
  means = np.clip(means + rng.normal(0, 0.03, 2), 0.15, 0.5)
  field.dyes *= np.exp(rng.uniform(0.05, 0.3) * field.noise(90.0))
  dyes = balanced(rng, field.dyes, means)
  return develop(dyes, stain, camera, field.um)


def _stroma(field, spindles=0.35, **options):
  """Collagen with fibroblasts; `spindles` per 100 um2 x 10."""
  along = field.collagen(**options)
  points = field.lattice(18.0 / np.sqrt(max(spindles, 0.05) / 0.35), 0.45)
  angle = along + field.rng.normal(0, 0.35, len(points))
  field.nuclei(points, 2.6, aspect=3.4, angle=angle, dark=0.65, spread=0.18)


def _epithelium(field, region, lumen, granular=0.10):
  """Cytoplasm in `region`, an open `lumen` in that with a border of secretion."""
  body = 1 + 0.16 * field.noise(2.4) + granular * field.noise(1.0)
  field.lay(edge(region, 0.7), 0.13 * body, 0.42 * body)
  rim = 0.12 * np.exp(-(((lumen + 0.8) / 0.9) ** 2))
  field.lay(edge(lumen, 0.6), 0.02, 0.05 + 0.02 * field.noise(6.0))
  field.dyes[1] += rim


def _lined(field, region, depth, radius, spacing, layers=1, **looks):
  """Rows of nuclei from `depth` inside the border of a region inwards."""
  for k in range(layers):
    level = depth + k * 0.95 * spacing
    points, across = field.rows_of(region, level, spacing, 0.6 * spacing)
    field.nuclei(points, radius, angle=across, **looks)


def _adenosis(field, size):
  _stroma(field, 0.5)
  acini = field.discs(27 * size, 11.5 * size, 0.16, 0.10)
  _epithelium(field, acini, acini - 8.0 * size)
  _lined(field, acini, 4.0, 2.7 * size, 6.2, aspect=1.35)


def _fibroadenoma(field, size):
  _stroma(field, 0.55, loose=0.75, wave=20.0)
  ridge = 7.5 * size - np.abs(field.level(75.0, 0.5))
  broken = field.level(60.0, 0.72)
  duct = np.minimum(ridge, broken)
  _epithelium(field, duct, duct - 6.0 * size)
  _lined(field, duct, 2.6, 2.6 * size, 5.6, aspect=1.5)


def _phyllodes(field, size):
  _stroma(field, 1.0, wave=10.0)
  cleft = field.level(80.0, 0.30, 0.6)
  _epithelium(field, cleft + 7.0 * size, cleft)
  _lined(field, cleft + 7.0 * size, 3.3, 2.7 * size, 5.8, aspect=1.5)


def _tubular(field, size):
  _stroma(field, 0.3)
  tubes = field.discs(36 * size, 17.0 * size, 0.05, 0.05)
  _epithelium(field, tubes, tubes - 8.5 * size)
  _lined(field, tubes, 3.8, 2.8 * size, 6.0, aspect=1.45)


_WILD = {"spread": 0.24, "open_": 0.45, "nucleolus": 1.0, "rough": 0.09, "dark": 0.66}


def _ductal(field, size):
  _stroma(field, 0.5)
  nests = field.level(70.0, 0.62)
  _epithelium(field, nests, nests - 500.0, 0.14)
  points = thin(field.lattice(12.0 * size, 0.30), 8.0 * size)
  field.nuclei(points[field.at(nests, points) > 3.5], 5.6 * size, aspect=1.3, **_WILD)


def _lobular(field, size):
  along = field.collagen(wave=12.0)
  across = field.y * np.cos(along) - field.x * np.sin(along) + 9.0 * field.noise(45.0)
  gap = 17.0 * size
  phase = (across / gap + 0.25 * field.noise(60.0)) % 1 - 0.5
  files = 3.6 - np.abs(phase) * gap
  broken = field.level(28.0, 0.6)
  files = np.minimum(files, broken)
  field.lay(edge(files, 0.7), 0.12, 0.38)
  points = field.lattice(3.2, 0.3)
  points = thin(points[field.at(files, points) > 2.2], 8.6 * size)
  field.nuclei(points, 4.5 * size, aspect=1.2, spread=0.15, open_=0.35, rough=0.08)


def _mucinous(field, size):
  _stroma(field, 0.4)
  pool = field.level(170.0, 0.85)
  wisp = np.clip(field.noise(9.0) - 0.6, 0, 1) + 0.3 * np.clip(
    field.noise(3.5) - 1, 0, 1
  )
  field.lay(edge(pool, 1.0), 0.09 + 0.14 * wisp, 0.04 + 0.03 * wisp)
  island = np.minimum(field.discs(62 * size, 17.0 * size, 0.30, 0.30), pool - 4.0)
  _epithelium(field, island, island - 500.0, 0.14)
  points = thin(field.lattice(9.8 * size, 0.28), 7.2 * size)
  field.nuclei(points[field.at(island, points) > 2.5], 4.7 * size, aspect=1.25,
               **_WILD | {"spread": 0.18})  # fmt: skip


def _papillary(field, size):
  frond = 15.0 * size - np.abs(field.level(85.0, 0.5, 0.3))
  _stroma(field, 0.6)
  field.lay(edge(-frond, 0.8), 0.02, 0.05 + 0.02 * field.noise(7.0))
  core = frond - 11.5 * size
  cells = np.minimum(frond, -core)
  _epithelium(field, cells, cells - 500.0, 0.14)
  _lined(field, frond, 3.6, 3.3 * size, 5.6, 2, aspect=1.9, spread=0.15,
         open_=0.4, rough=0.07)  # fmt: skip


_SCENES = (
  _adenosis, _fibroadenoma, _phyllodes, _tubular,
  _ductal, _lobular, _mucinous, _papillary,
)  # fmt: skip
