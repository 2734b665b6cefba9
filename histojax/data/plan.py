"""Plans: which image at which angle stands in which place of which batch.

Folds, seeds, the rotation set and the resume position are all index arithmetic: nothing
of them reaches a shape or a constant of the compiled step.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from histojax.data import sampling
from histojax.errors import InputError, nearest

TRAIN_ROTATIONS = ("all", "random", "none")
FLIPS = 4  # as it is, mirrored left-right, top-bottom, both
MOST_STEPS = 2**31 - 1  # the state counts them in an int32


def rotation_of(view: np.ndarray, rotations: int) -> tuple[np.ndarray, np.ndarray]:
  """(image, angle in degrees) of views of a rotated set, identity included.

  View i is image i // rotations at (i % rotations) * 360 / rotations degrees: with 36
  rotations, the 36 x 10 degrees of the liver paper.
  """
  image, turn = np.divmod(view, rotations)
  return image, turn * (360.0 / rotations)


def flip_of(view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """(view before flips, signs float32 [..., 2] of the x and y axis) of views by number.

  View i is view i // 4 as it is, mirrored left-right, top-bottom, or both.
  """
  view, kind = np.divmod(view, FLIPS)
  return view, np.stack([1 - 2 * (kind % 2), 1 - 2 * (kind // 2)], -1, dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class TrainPlan:
  """Full batches for `epochs` epochs over `rows` of the tiles.

  `train_rotations`: `all` visits every image at every angle in each epoch (the liver
  paper), `random` once at an angle of the set drawn anew, `none` once upright. `rate`
  is (step, num_steps) -> learning rate. `flip`: `all` visits all of that in its four
  flip versions; the other words are the step's. `sampling` as in `sampling.order`,
  `labels` int [n] those of `rows`. `class_weights`: None, or float32 [K] for the loss.
  `shares`: None, or epoch -> {part of the network: its share of the learning rate}.

  Raises:
    InputError: an unknown `train_rotations` or `sampling`, fewer views than a batch,
      too many steps.
  """

  rows: np.ndarray
  batch_size: int
  epochs: int
  seed: int
  rotations: int
  train_rotations: str
  rate: Callable
  flip: str = "none"
  sampling: str = "uniform"
  labels: np.ndarray | None = None
  class_weights: np.ndarray | None = None
  shares: Callable | None = None

  def __post_init__(self):
    sampling.check(self.sampling)
    if self.train_rotations not in TRAIN_ROTATIONS:
      known = nearest(self.train_rotations, TRAIN_ROTATIONS)
      raise InputError(f"augment.train_rotations={self.train_rotations!r}: {known}")
    if min(len(self.rows), self.batch_size, self.epochs, self.rotations) < 1:
      raise InputError("training needs an image, an epoch, a batch and a rotation")
    if self.batch_size > self.views:
      raise InputError(
        f"batch_size={self.batch_size}: the training part has only {self.views} views"
        f" of images in an epoch; set batch_size to {self.views} or less"
      )
    if self.num_steps > MOST_STEPS:
      raise InputError(
        f"epochs={self.epochs:,} are {self.num_steps:,} steps, more than can be counted"
        f" ({MOST_STEPS:,}): set fewer epochs, or a larger batch_size"
      )

  @property
  def views(self) -> int:
    """Views of images in an epoch."""
    rotations = self.rotations if self.train_rotations == "all" else 1
    return len(self.rows) * rotations * (FLIPS if self.flip == "all" else 1)

  @property
  def steps_per_epoch(self) -> int:
    return math.ceil(self.views / self.batch_size)

  @property
  def num_steps(self) -> int:
    return self.steps_per_epoch * self.epochs

  def batch(self, step: int) -> dict[str, np.ndarray]:
    """`index` int32 [B], `angle` float32 [B] in degrees, `learning_rate` float32 [].

    Where they are asked for: `flip` float32 [B, 2], the signs of `flip_of`;
    `class_weights` float32 [B, K], the same for every image, since arrays are split
    along the batch; `share_<part>` float32 [], of `shares`.

    The last batch of an epoch is filled from the head of the same permutation: a short
    batch would recompile the step, a padded one would poison batch statistics.
    """
    epoch, place = divmod(step, self.steps_per_epoch)
    order, angle = self._epoch(epoch)
    chosen = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
    chosen %= self.views
    image, angles = order[chosen], angle[chosen % len(angle)]
    row = {"learning_rate": np.float32(self.rate(step, self.num_steps))}
    if self.flip == "all":
      image, row["flip"] = flip_of(image)
    if self.train_rotations == "all":
      image, angles = rotation_of(image, self.rotations)
    row["index"] = self.rows[image].astype(np.int32)
    row["angle"] = angles.astype(np.float32)
    if self.class_weights is not None:
      shape = self.batch_size, len(self.class_weights)
      row["class_weights"] = np.broadcast_to(np.float32(self.class_weights), shape)
    if self.shares is not None:
      row |= {f"share_{k}": np.float32(v) for k, v in self.shares(epoch).items()}
    return row

  def _epoch(self, epoch: int):
    """(permutation, angles) of one epoch; a race between threads only repeats work."""
    cached = self.__dict__.get("_cache")
    if not cached or cached[0] != epoch:
      rng = np.random.default_rng([self.seed, epoch])
      order = sampling.order(rng, self.sampling, self.labels, self.views)
      angle = np.zeros(1, np.float32)  # of every view
      if self.train_rotations == "random":
        turn = rng.integers(self.rotations, size=self.views)
        angle = (turn * (360.0 / self.rotations)).astype(np.float32)
      cached = (epoch, order, angle)
      object.__setattr__(self, "_cache", cached)
    return cached[1:]


@dataclasses.dataclass(frozen=True)
class EvalPlan:
  """Every image of `rows` once at each of `rotations` angles; the last batch padded."""

  rows: np.ndarray
  batch_size: int
  rotations: int

  @property
  def views(self) -> int:
    return len(self.rows) * self.rotations

  @property
  def num_steps(self) -> int:
    return math.ceil(self.views / self.batch_size)

  def batch(self, step: int) -> dict[str, np.ndarray]:
    """As in training, with `weight` float32 [B]: 0 marks padding, counted nowhere."""
    view = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
    index, angle = self.view_of(np.minimum(view, self.views - 1))
    weight = (view < self.views).astype(np.float32)
    return {"index": index.astype(np.int32), "angle": angle.astype(np.float32)} | {
      "weight": weight
    }

  def view_of(self, view: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row of the tiles, angle in degrees) of views by number."""
    image, angle = rotation_of(view, self.rotations)
    return self.rows[image], angle
