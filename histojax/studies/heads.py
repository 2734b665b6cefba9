"""A head by itself, and an engine that runs it on cached features.

To `steps` a head is a model whose images are features, and looking them up is its view.
So one training step serves both, and draws the same flips and the same dropout.
"""

import copy
import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from histojax import optimizer, sharding, steps
from histojax.augment import flips
from histojax.engine import Engine, objective
from histojax.models import heads
from histojax.studies.features import Features


class Head(nn.Module):
  """The head of a spec, its parameters named as in a network."""

  num_classes: int
  head: str
  dtype: str

  @nn.compact
  def __call__(self, images: jax.Array, *, train: bool):
    """Features [B, C] -> logits [B, K] float32, and end points."""
    head = heads.create(self.head, self.num_classes, jnp.dtype(self.dtype))
    logits, ends = head({"features": images}, train=train)
    return logits, {"features": images} | ends


@dataclasses.dataclass(frozen=True)
class Lookup:
  """Which rows of `Features.on` a plan's row means: takes the place of `steps.View`."""

  turns: int
  versions: int
  flip: str  # as in `steps.View`, which draws the same

  def __call__(self, tiles, row, key, *, train):  # -> [B, C]
    at = row["index"]
    if self.turns > 1:
      turn = jnp.round(row["angle"] * (self.turns / 360)).astype(jnp.int32)
      at = at * self.turns + turn % self.turns
    if self.versions > 1:
      sign = row.get("flip")
      if sign is None:
        sign = flips.signs(key, len(at), self.flip, train=train)
      x, y = (sign < 0).astype(jnp.int32).T
      at = at * self.versions + x + 2 * y
    return tiles["image"][at]


def parts(config, model, features: Features) -> dict:
  """What `steps.train_step` is told of the head of a network: model, tx, view, ..."""
  head = Head(model.num_classes, model.head, model.dtype)
  look = Lookup(features.turns, features.versions, config.augment.flip)
  tx = optimizer.create(config.optimizer)
  return {"model": head, "tx": tx, "view": look} | objective(config)


def on_features(config, engine: Engine, features: Features) -> Engine:
  """`engine` with steps that read `features`; states are those of the whole network."""
  found, of_head = copy.copy(engine), parts(config, engine.model, features)
  shape = features.array.shape
  program = steps.compiled(mesh=engine.mesh, tiles_shape=shape, **of_head)
  found.program = dataclasses.replace(program, init=engine.program.init)
  found.train_step, found.streamed = program.train, False
  found.resident = features.on(sharding.shardings(engine.mesh)[1])
  return found


class HeadEngine(Engine):
  """`engine` that predicts from `features`, and has its images for all the rest.

  trained: what the report is to say of how long the head took.
  """

  def __init__(self, config, engine: Engine, features: Features, trained=None):
    self.__dict__ |= engine.__dict__ | {"trained": trained or {}}
    self._head = on_features(config, engine, features)

  def predict(self, *arguments, **options):
    """As `Engine.predict`."""
    return self._head.guarded(self.tiles).predict(*arguments, **options)


def only(state: steps.TrainState) -> steps.TrainState:
  """A state without what a head never reads."""
  ema = state.ema and state.ema | {"batch_stats": {}}
  return state.replace(frozen={}, batch_stats={}, ema=ema)


def whole(head: steps.TrainState, state: steps.TrainState) -> steps.TrainState:
  """The state of the network that `head` was taken from, with what it has learned."""
  ema = head.ema and head.ema | {"batch_stats": state.batch_stats}
  return head.replace(frozen=state.frozen, batch_stats=state.batch_stats, ema=ema)


def stack(states: list[steps.TrainState]) -> steps.TrainState:
  """Heads of one seed at one step side by side: leaves [H, ...], kernels turned.

  A kernel [C, K] lies as [H, K, C]: products with shared features, and the gradient's,
  then are one matrix product each, and XLA's CPU backend copies nothing.
  """
  first = states[0]
  held = [_learned(state) for state in states]
  held = jax.tree.map(lambda *leaves: jnp.stack([_turned(x) for x in leaves]), *held)
  return first.replace(**held)


def one_of(stacked: steps.TrainState, number: int) -> steps.TrainState:
  """Head `number` of `stack`."""
  held = jax.tree.map(lambda x: _turned(x[number]), _learned(stacked))
  return stacked.replace(**held)


def _learned(state) -> dict:
  return {k: getattr(state, k) for k in ("params", "opt_state", "ema")}


def _turned(x):
  return x.swapaxes(0, 1) if np.ndim(x) == 2 else x


def train_step(stacked: steps.TrainState, tiles, row, **of_head):
  """`steps.train_step` of all heads of `stack` on one batch.

  `row`: `index`, `angle` and `flip` are shared; what else there is has an axis [H] in
  front, and `class_weights` are [H, K]. Returns (stacked, metrics [H] each).
  """
  shared = {k: row[k] for k in ("index", "angle", "flip") if k in row}
  own = {k: row[k] for k in row.keys() - shared.keys()}

  def step(learned, own):
    state = stacked.replace(**jax.tree.map(_turned, learned))
    if "class_weights" in own:
      shape = len(shared["index"]), *own["class_weights"].shape
      own = own | {"class_weights": jnp.broadcast_to(own["class_weights"], shape)}
    state, metrics = steps.train_step(state, tiles, shared | own, **of_head)
    return jax.tree.map(_turned, _learned(state)), metrics

  learned, metrics = jax.vmap(step)(_learned(stacked), own)
  return stacked.replace(step=stacked.step + 1, **learned), metrics


def eval_step(stacked: steps.TrainState, tiles, row, *, model, view):
  """`steps.eval_step` of all heads of `stack` on one batch: leaves [H, B, ...]."""

  def step(learned):
    state = stacked.replace(**jax.tree.map(_turned, learned))
    params, batch_stats = state.judged
    found = steps.eval_step(params, batch_stats, tiles, row, model=model, view=view)
    return {k: found[k] for k in ("probability", "loss")}

  return jax.vmap(step)(_learned(stacked))
