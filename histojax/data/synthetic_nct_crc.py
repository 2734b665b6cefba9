"""`synthetic_nct_crc`: colorectal tissue in the trees of NCT-CRC-HE. SYNTHETIC.

Nine tissues by texture, `NCT-CRC-HE-100K/<class>/<class>-AAAAAAAA.tif` of 30 invented
patients to train and `CRC-VAL-HE-7K/<class>/<class>-TCGA-AAAAAAAA.tif` of ten others
to test; as in the real set no name tells the patient. Amounts of dye are drawn
together, so that colour tells less than it does of the real images.
"""

import hashlib

import numpy as np
from scipy import spatial

from histojax.data import nct_crc
from histojax.data.synthesis_stain import Stain, develop
from histojax.data.synthetic_tissue import Field, balanced, edge, thin
from histojax.data.synthetic_tree import Tree

TALL = 112.0  # um: 224 pixels of 0.5 um
FOLDERS = {
  "NCT-CRC-HE-100K": (70, 30),
  "CRC-VAL-HE-7K": (22, 10),
}  # per class, patients
LETTERS = "ABCDEFGHIKLMNPQRSTVWY"


def tree(seed: int = 0, height: int = 112, width: int = 112) -> Tree:
  """630 tiles to train and 198 to test."""
  files = {}
  for part, (folder, (count, patients)) in enumerate(FOLDERS.items()):
    for label, name in enumerate(nct_crc.CLASSES):
      for i in range(count):
        marked = f"{name}-TCGA" if part else name
        file = f"{folder}/{name}/{marked}-{_letters(part, label, i)}.tif"
        files[file] = part, label, (i + 3 * label) % patients, i
  sides = tuple(FOLDERS)
  return Tree("synthetic_nct_crc", files, draw, seed, height, width, sides)


def _letters(*place: int) -> str:
  digest = hashlib.sha256(repr(place).encode()).digest()
  return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:8])


def draw(seed: int, place: tuple, height: int, width: int) -> np.ndarray:
  """One tile, uint8 [height, width, 3]; tiles of a patient share the stain."""
  part, label, patient, number = place
  stain = Stain.draw(np.random.default_rng([seed, part, patient, 1]))
  habit = np.random.default_rng([seed, part, patient, 2])
  size, means = habit.uniform(0.92, 1.08), habit.normal([0.26, 0.33], [0.05, 0.05])
  rng, camera = (np.random.default_rng([seed, *place, k]) for k in (3, 4))
  field = Field(rng, height, width, TALL)
  _SCENES[label](field, size)
  means = np.clip(means + rng.normal(0, 0.05, 2), 0.10, 0.5)
  field.dyes *= np.exp(rng.uniform(0.05, 0.3) * field.noise(60.0))
  dyes = balanced(rng, field.dyes, means, even=0.4)
  return develop(dyes, stain, camera, field.um)


def _adipose(field, size):
  centre = field.lattice(36.0 * size, 0.2)
  points = np.stack(np.broadcast_arrays(field.y, field.x), -1).reshape(-1, 2)
  far, _ = spatial.cKDTree(centre).query(points, k=2, workers=1)
  wall = ((far[:, 1] - far[:, 0]) / 2).reshape(field.shape) + 0.4 * field.noise(8.0)
  field.dyes[1] = 0.03 + 0.5 * np.exp(-((wall / 0.9) ** 2))
  field.dyes[0] = 0.02 + 0.10 * np.exp(-((wall / 0.9) ** 2))
  some = field.lattice(13.0, 0.4)
  some = some[field.at(wall, some) < 1.0][::3]
  field.nuclei(some, 1.9, aspect=2.6)


def _background(field, size):
  dust = field.noise(24.0)
  field.dyes[0] = 0.02 + 0.01 * dust
  field.dyes[1] = 0.03 + 0.012 * dust + 0.01 * field.noise(4.0)
  specks = field.rng.uniform(0, 1, (field.rng.poisson(2.0), 2)) * field.size
  field.nuclei(specks, 1.2, dark=0.3, spread=0.5, aspect=1.6, rough=0.2)


def _debris(field, size):
  curd = field.noise(11.0) + 0.7 * field.noise(3.5) + 0.5 * field.noise(1.3)
  field.dyes[1] = np.clip(0.30 + 0.11 * curd, 0.02, None)
  field.dyes[0] = np.clip(0.08 + 0.05 * field.noise(6.0), 0, None)
  crumbs = field.lattice(5.2, 0.5)
  crumbs = crumbs[field.at(field.noise(22.0), crumbs) > 0.1]
  field.nuclei(crumbs, 1.1, aspect=1.5, spread=0.5, dark=0.6, open_=0.0, rough=0.2)
  ghosts = thin(field.lattice(17.0, 0.4), 12.0)
  field.nuclei(ghosts, 3.6, aspect=1.4, spread=0.3, dark=0.22, rough=0.12)


def _lymphocytes(field, size):
  field.collagen(loose=0.7)
  points = thin(field.lattice(7.4 * size, 0.25), 5.2 * size)
  points = points[field.at(field.noise(25.0), points) > -1.4]
  field.nuclei(points, 2.75 * size, aspect=1.08, dark=0.75, open_=0.1, rough=0.03)


def _mucus(field, size):
  along = field.rng.uniform(0, np.pi)
  flow = field.y * np.cos(along) - field.x * np.sin(along) + 12.0 * field.noise(45.0)
  sheet = flow / 6.0 + 1.4 * field.noise(16.0)
  strand = np.exp(-((np.sin(sheet) / 0.22) ** 2)) * np.clip(field.noise(26.0), 0, 2)
  haze = np.clip(0.5 + 0.5 * field.noise(30.0), 0, None)
  field.dyes[0] = 0.05 + 0.10 * strand + 0.07 * haze
  field.dyes[1] = 0.04 + 0.08 * strand + 0.03 * haze
  some = field.rng.uniform(0, 1, (field.rng.poisson(3.0), 2)) * field.size
  field.nuclei(some, 2.2, spread=0.2)


def _muscle(field, size):
  along = field.rng.uniform(0, np.pi)
  bend = 5.0 * field.noise(70.0)
  across = field.y * np.cos(along) - field.x * np.sin(along) + bend
  fibre = np.sin(1.05 * across / size + 0.7 * field.noise(9.0))
  seam = np.clip(np.sin(0.21 * across + 1.2 * field.noise(40.0)) - 0.82, 0, None)
  field.dyes[1] = np.clip(0.42 + 0.06 * fibre - 1.8 * seam, 0.03, None)
  field.dyes[0] = 0.08
  points = thin(field.lattice(12.5 * size, 0.4), 8.0)
  angle = along + field.rng.normal(0, 0.07, len(points))
  field.nuclei(points, 2.3 * size, aspect=5.0, angle=angle, dark=0.6, rough=0.02)


def _normal(field, size):
  field.collagen(loose=0.6)
  some = thin(field.lattice(9.0, 0.4), 6.0)
  crypts = field.discs(53.0 * size, 23.5 * size, 0.06, 0.05)
  field.nuclei(some[field.at(crypts, some) < -2.5], 2.2, aspect=1.6)
  field.lay(edge(crypts, 0.7), 0.12, 0.36 + 0.03 * field.noise(2.5))
  goblets = field.lattice(6.8 * size, 0.12)
  depth = field.at(crypts, goblets)
  goblets = thin(goblets[(depth > 8.0) & (depth < 17.0)], 6.0 * size)
  if len(goblets):
    points = np.stack(np.broadcast_arrays(field.y, field.x), -1).reshape(-1, 2)
    far = spatial.cKDTree(goblets).query(points, workers=1)[0].reshape(field.shape)
    field.lay(edge(3.3 * size - far, 0.6), 0.09, 0.06)
  field.lay(edge(crypts - 19.5 * size, 0.6), 0.03, 0.05)
  points, angle = field.rows_of(crypts, 4.0, 5.2 * size, 3.0)
  field.nuclei(points, 2.7 * size, aspect=1.5, angle=angle, dark=0.65)


def _stroma(field, size):
  along = field.collagen(wave=13.0, loose=0.75)
  points = thin(field.lattice(13.5 * size, 0.4), 8.0)
  angle = along + field.rng.normal(0, 0.5, len(points))
  field.nuclei(points, 2.6 * size, aspect=3.0, angle=angle, spread=0.2, dark=0.62)


def _tumour(field, size):
  field.collagen(loose=0.6)
  gland = field.level(58.0 * size, 0.72)
  field.lay(edge(gland, 0.7), 0.14 + 0.02 * field.noise(2.5), 0.34)
  field.lay(edge(gland - 15.0 * size, 0.7), 0.03, 0.07 + 0.03 * field.noise(5.0))
  for level in (3.5, 8.2, 12.4):
    points, angle = field.rows_of(gland, level * size, 5.4 * size, 3.4)
    field.nuclei(points, 3.1 * size, aspect=1.9, angle=angle, spread=0.18, dark=0.62,
                 open_=0.35, nucleolus=0.8, rough=0.08)  # fmt: skip


_SCENES = (
  _adipose, _background, _debris, _lymphocytes, _mucus, _muscle, _normal, _stroma,
  _tumour,
)  # fmt: skip
