"""Plans: which image at which angle stands in which place of which batch.

Folds, seeds, the rotation set and the resume position are all index arithmetic: nothing
of them reaches a shape or a constant of the compiled step.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from histojax.errors import InputError, nearest

TRAIN_ROTATIONS = ("all", "random", "none")
MOST_STEPS = 2**31 - 1  # the state counts them in an int32


def rotation_of(view: np.ndarray, rotations: int) -> tuple[np.ndarray, np.ndarray]:
  """(image, angle in degrees) of views of a rotated set, identity included.

  View i is image i // rotations at (i % rotations) * 360 / rotations degrees: with 36
  rotations, the 36 x 10 degrees of the liver paper.
  """
  image, turn = np.divmod(view, rotations)
  return image, turn * (360.0 / rotations)


@dataclasses.dataclass(frozen=True)
class TrainPlan:
  """Full batches for `epochs` epochs over `rows` of the tiles.

  `train_rotations`: `all` visits every image at every angle in each epoch (the liver
  paper), `random` once at an angle of the set drawn anew, `none` once upright. `rate`
  is (step, num_steps) -> learning rate.

  Raises:
    InputError: an unknown `train_rotations`, fewer views than a batch, too many steps.
  """

  rows: np.ndarray
  batch_size: int
  epochs: int
  seed: int
  rotations: int
  train_rotations: str
  rate: Callable

  def __post_init__(self):
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
    return len(self.rows) * (self.rotations if self.train_rotations == "all" else 1)

  @property
  def steps_per_epoch(self) -> int:
    return math.ceil(self.views / self.batch_size)

  @property
  def num_steps(self) -> int:
    return self.steps_per_epoch * self.epochs

  def batch(self, step: int) -> dict[str, np.ndarray]:
    """`index` int32 [B], `angle` float32 [B] in degrees, `learning_rate` float32 [].

    The last batch of an epoch is filled from the head of the same permutation: a short
    batch would recompile the step, a padded one would poison batch statistics.
    """
    epoch, place = divmod(step, self.steps_per_epoch)
    order, angle = self._epoch(epoch)
    chosen = np.arange(place * self.batch_size, (place + 1) * self.batch_size)
    chosen %= self.views
    image, angles = order[chosen], angle[chosen % len(angle)]
    if self.train_rotations == "all":
      image, angles = rotation_of(image, self.rotations)
    return {
      "index": self.rows[image].astype(np.int32),
      "angle": angles.astype(np.float32),
      "learning_rate": np.float32(self.rate(step, self.num_steps)),
    }

  def _epoch(self, epoch: int):
    """(permutation, angles) of one epoch; a race between threads only repeats work."""
    cached = self.__dict__.get("_cache")
    if not cached or cached[0] != epoch:
      rng = np.random.default_rng([self.seed, epoch])
      order = rng.permutation(self.views).astype(np.int32)
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
