"""`synthetic_sipakmed`: cells of a Pap smear in the tree of SIPaKMeD. SYNTHETIC.

Five classes by shape: superficial-intermediate cells are wide and angular with a small
dark nucleus, parabasal ones small and round with a large nucleus; koilocytes have a
clear halo about an irregular nucleus, or two; dyskeratotic cells overlap, thick and
drawn out; metaplastic ones have processes, vacuoles and a nucleus off the middle.
Staining and the hue of the cytoplasm belong to the cluster, whatever its class.
"""

import dataclasses

import numpy as np

from histojax.data import sipakmed
from histojax.data.synthesis_grades import spread
from histojax.data.synthesis_stain import Stain, develop
from histojax.data.synthetic_tissue import Field, balanced, edge
from histojax.data.synthetic_tree import Tree

CLUSTERS = 24  # per class
SIDE = 80.0  # units of a picture: pixels of a usual cell
HUES = np.array([(0.80, 0.42, 0.34), (0.20, 0.78, 0.52), (0.14, 0.52, 0.80)])
NUCLEUS = (0.64, 0.66, 0.40)  # absorbance in red, green and blue, as HUES


def tree(seed: int = 0, height: int = 80, width: int = 80) -> Tree:
  """500 cells of 120 clusters, and a picture of every cluster."""
  files = {}
  for label, name in enumerate(sipakmed.CLASSES):
    for cluster in range(CLUSTERS):
      cells = 2 + (5 * cluster + label) % 5
      folder = f"im_{name}/im_{name}"
      files[f"{folder}/{cluster + 1:03d}.bmp"] = label, cluster, 0
      for cell in range(1, cells + 1):
        file = f"CROPPED/{cluster + 1:03d}_{cell:02d}.bmp"
        files[f"{folder}/{file}"] = label, cluster, cell
  return Tree("synthetic_sipakmed", files, draw, seed, height, width)


def draw(seed: int, place: tuple, height: int, width: int) -> np.ndarray:
  """A cell, or as cell 0 the cluster: some of its cells strewn about."""
  label, cluster, cell = place
  stain = _stain(np.random.default_rng([seed, label, cluster, 1]))
  habit = np.random.default_rng([seed, label, cluster, 2])
  means, veil = habit.normal([0.10, 0.30], [0.015, 0.06]), 0.06 * habit.random()
  rng = np.random.default_rng([seed, label, cluster, cell, 3])
  field = Field(rng, height, width, SIDE if cell else 3 * SIDE)
  field.dyes[1] = veil + 0.02 * field.noise(9.0)
  middle, shape = field.size / 2, _SHAPES[label]
  if cell:
    for side in rng.permutation(4)[: rng.integers(0, 3)]:  # neighbours, cut off
      turn = np.pi / 2 * (side + rng.uniform(-0.4, 0.4))
      shape(field, middle + 47 * np.array([np.sin(turn), np.cos(turn)]))
    shape(field, middle + rng.normal(0, 2.0, 2))
  else:
    for at in rng.uniform(0.15, 0.85, (7, 2)) * field.size:
      shape(field, at)
  specks = rng.uniform(0, 1, (rng.poisson(1.2), 2)) * field.size
  field.nuclei(specks, 1.6, aspect=1.3, dark=0.8, spread=0.3)
  dyes = balanced(rng, field.dyes, np.clip(means, 0.05, 0.5), 0.75, 0.0)
  return develop(dyes, stain, np.random.default_rng([seed, *place, 4]), 0.35)


def _stain(rng) -> Stain:
  hue = rng.dirichlet([0.5, 0.5, 0.25]) @ HUES
  vectors = np.array([NUCLEUS, hue / np.linalg.norm(hue), hue])
  vectors *= spread(rng, 0.08, (3, 3)) * spread(rng, 0.15, (3, 1))
  return dataclasses.replace(Stain.draw(rng), vectors=vectors.astype(np.float32))


def _outline(field, at, radius, corners=0.0, stretch=1.0, waves=0.05, arms=0.0):
  """A closed body as a region; `corners` makes it angular, `arms` starry."""
  rng, y, x = field.rng, field.y - at[0], field.x - at[1]
  turn, squash = rng.uniform(0, 2 * np.pi), np.sqrt(stretch)
  along = (x * np.cos(turn) + y * np.sin(turn)) / squash
  across = (y * np.cos(turn) - x * np.sin(turn)) * squash
  polar, bend = np.arctan2(across, along), 0.0
  for k in (2, 3, 4):
    bend = bend + rng.normal(0, waves / (k - 1)) * np.cos(
      k * polar + rng.uniform(0, 6.3)
    )
  n = rng.integers(5, 8)
  wedge = (polar * n / (2 * np.pi) + 0.3 * np.sin(polar + turn)) % 1 - 0.5
  bend = bend + corners * (np.abs(wedge) ** 1.5 * 2.8 - 0.5)
  star = np.cos(0.5 * n * polar + turn + 0.6 * np.sin(2 * polar))
  bend = bend + arms * (np.abs(star) ** 3 - 0.3)
  return (radius * (1 + bend) - np.hypot(along, across)).astype(np.float32)


def _cytoplasm(field, body, thick, folds=0.1):
  crease = np.exp(-((field.noise(16.0) / 0.12) ** 2))
  amount = thick * (1 + 0.10 * field.noise(12.0) + 0.06 * field.noise(2.5))
  amount = amount + folds * crease + 0.08 * np.exp(-(((body - 1.2) / 1.0) ** 2))
  cover = edge(body, 0.8)
  field.dyes[1] = np.maximum(
    field.dyes[1], 0.75 * field.dyes[1] * cover + cover * amount
  )


def _size(field, amount=0.07) -> float:
  return float(spread(field.rng, amount))


def _superficial(field, at):
  body = _outline(field, at, 33 * _size(field), corners=0.25, waves=0.07)
  _cytoplasm(field, body, 0.26, 0.16)
  at = at + field.rng.normal(0, 2.0, 2)
  field.nuclei(at[None], 4.0 * _size(field, 0.12), dark=0.95, open_=0.0)


def _parabasal(field, at):
  body = _outline(field, at, 26 * _size(field), waves=0.03)
  _cytoplasm(field, body, 0.38, 0.0)
  at = at + field.rng.normal(0, 1.5, 2)
  field.nuclei(at[None], 10.5 * _size(field), aspect=1.1, dark=0.55, rough=0.02)


def _koilocyte(field, at):
  body = _outline(field, at, 33 * _size(field), corners=0.15, waves=0.07)
  _cytoplasm(field, body, 0.36, 0.1)
  halo = _outline(field, at, 15 * _size(field, 0.12), waves=0.10)
  cover = edge(halo, 1.0)
  field.dyes[1] *= 1 - 0.82 * cover
  field.dyes[1] += 0.16 * np.exp(-(((halo + 1.5) / 1.6) ** 2))
  two = field.rng.uniform() < 0.4
  points = at + (field.rng.normal(0, 1, (1, 2)) if not two else [[-3, -4.2], [3, 4.2]])
  field.nuclei(points, 6.4 * _size(field), aspect=1.35, dark=0.72, rough=0.10)


def _dyskeratotic(field, at):
  for k in range(field.rng.integers(2, 4)):
    place = at + field.rng.normal(0, 9.0, 2) * (k > 0)
    stretch = field.rng.uniform(1.4, 2.6)
    body = _outline(field, place, 22 * _size(field), 0.12, stretch, 0.12)
    _cytoplasm(field, body, 0.36, 0.12)
    field.nuclei(place[None], 6.0 * _size(field, 0.12), aspect=1.7, dark=0.95,
                 open_=0.0, rough=0.12)  # fmt: skip


def _metaplastic(field, at):
  body = _outline(field, at, 27 * _size(field), waves=0.05, arms=0.30)
  _cytoplasm(field, body, 0.36, 0.0)
  holes = at + field.rng.normal(0, 11, (field.rng.integers(4, 9), 2))
  for hole in holes[field.at(body, holes) > 4]:
    ring = field.rng.uniform(2.0, 4.2) - np.hypot(field.y - hole[0], field.x - hole[1])
    field.dyes[1] *= 1 - 0.6 * edge(ring, 0.6)
  at = at + 6.0 * spread(field.rng, 0.2) * _direction(field)
  field.nuclei(at[None], 8.0 * _size(field), dark=0.58, open_=0.4, nucleolus=1.5)


def _direction(field) -> np.ndarray:
  turn = field.rng.uniform(0, 2 * np.pi)
  return np.array([np.sin(turn), np.cos(turn)])


_SHAPES = _superficial, _parabasal, _koilocyte, _dyskeratotic, _metaplastic
