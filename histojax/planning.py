"""From a config to its plan: all that a study may vary without compiling anew."""

import numpy as np

from histojax import engine, losses, optimizer, schedules
from histojax.data.plan import TrainPlan
from histojax.data.tiles import Tiles
from histojax.models import freezing


def make_plan(config, rows: np.ndarray, tiles: Tiles) -> TrainPlan:
  """The plan of a config that trains on `rows` of the tiles.

  Raises:
    InputError: a schedule, weights, parts or sampling that cannot be.
  """
  given, labels = config.optimizer, tiles.label[rows]
  loss = config.get("loss", "cross_entropy")
  rate = schedules.rate(
    given.schedule,
    given.learning_rate,
    epochs=config.epochs,
    warmup=None if given.get("warmup", -1) < 0 else given.warmup,
  )
  return TrainPlan(
    rows,
    config.batch_size,
    config.epochs,
    config.seed,
    config.augment.rotations,
    config.augment.train_rotations,
    rate,
    flip=config.augment.flip,
    sampling=config.get("sampling", "uniform"),
    labels=labels,
    class_weights=losses.class_weights(loss, tiles.classes, labels),
    shares=shares(config, len(tiles.classes)),
  )


def shares(config, num_classes: int) -> schedules.Shares | None:
  """Each trained part's share of the learning rate; None where all have it whole."""
  if not optimizer.has_shares(config.optimizer):
    return None
  model, _, _ = engine.parts(config, num_classes)
  frozen = freezing.frozen_parts(model.freeze, model.parts)
  trained = tuple(part for part in model.parts if part not in frozen)
  decay = config.optimizer.get("layer_decay", 1.0)
  return schedules.shares(trained, decay, config.optimizer.get("unfreeze", "none"))
