"""The model, its compiled steps and its images on the devices."""

import contextlib
import copy
import functools

import jax
import numpy as np

from histojax import (
  compilation,
  console,
  initial,
  losses,
  memory,
  models,
  optimizer,
  processes,
  sharding,
  steps,
)
from histojax.data import pipeline
from histojax.data.plan import EvalPlan
from histojax.data.tiles import Tiles
from histojax.errors import InputError
from histojax.evaluation import neighbours
from histojax.ops.platform import platform


class Engine:
  """Everything of a run that lives on the devices, but the state.

  Args:
    config: the whole config.
    tiles: resident on the devices where they fit `data.device_memory_gib` and half of
      the memory that is free there, else streamed: the numbers are the same.
    devices: those it uses; all of them where it is None.
    resident: that of another engine of the same tiles and devices, to be shared.

  Raises:
    InputError: an unknown model, attention or dtype; a batch that cannot be split.
  """

  trained = {}  # what the report says of a training that another program did

  def __init__(self, config, tiles: Tiles, devices=None, resident=None):
    self.tiles = tiles
    self.batch_size = config.evaluate_batch_size
    sizes = config.batch_size, config.evaluate_batch_size
    self.mesh = sharding.mesh_for(*sizes, devices=devices)
    self._split, self._replicated = sharding.shardings(self.mesh)
    sharding.meet(self.mesh)
    model, tx, view = parts(config, len(tiles.classes))
    self.dtype = view.dtype
    budget = config.data.device_memory_gib
    streamed = resident is None and must_stream(tiles.image.nbytes, budget)
    shape = ((config.batch_size if streamed else len(tiles)), *tiles.image.shape[1:])
    self.model, self.view, self.streamed = model, view, streamed
    options = objective(config)
    self.program = steps.compiled(model, tx, view, self.mesh, shape, **options)
    shapes = self.abstract()  # a network that cannot be built is refused here
    check_ends(model, view, options["loss"], config.get("evaluate_neighbours", 0))
    self.initial = initial.start(config, model, shapes)
    self.resident = resident
    if resident is None and not streamed:
      arrays = pipeline.host_arrays(tiles)
      self.resident = sharding.put(arrays, self._replicated)
    self.train_step = self.program.train

  def guarded(self, tiles: Tiles) -> "Engine":
    """The same programs and images, through tiles that `handout` guards."""
    other = copy.copy(self)
    other.tiles = tiles
    return other

  def init(self, seed: int) -> steps.TrainState:
    """From the seed, and from the weights of a config that was resolved."""
    given = self.initial and sharding.put(self.initial.arrays, self._replicated)
    return self.program.init(jax.random.key(seed), given)

  def abstract(self) -> steps.TrainState:
    """Shapes, types and shardings of the state: what a restore fills in."""
    shapes = jax.eval_shape(self.program.init, jax.random.key(0), None)
    return jax.tree.map(
      lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self._replicated),
      shapes,
    )

  def compile(self, plan):
    """Yields as it compiles each program that a run of this plan calls, ahead of it.

    Nothing is computed, and the calls find what is compiled. Other threads may train.
    """
    state, key = self.abstract(), jax.random.key(0)
    given = self.initial and sharding.put(self.initial.arrays, self._replicated)
    yield self.program.init.lower(key, given).compile()
    yield self._compile_step(plan)
    tiles, row = next(self.batches(EvalPlan(np.zeros(1, int), self.batch_size, 1)))
    del row["weight"]
    yield self.program.evaluate.lower(*state.judged, tiles, row).compile()

  def _compile_step(self, plan):
    step, batch = self.program.train, next(self.batches(plan))
    return step.lower(self.abstract(), *batch).compile()

  def compiling(self, plan):
    """Within, a second thread compiles the step for a plan, while a state is made.

    Several processes compile in turn: on GPUs they share what they find out on the way.
    """
    if processes.count() > 1:
      return contextlib.nullcontext()
    return compilation.beside(functools.partial(self._compile_step, plan))

  def batches(self, plan, start: int = 0):
    """Yields (tiles, row) on the devices from step `start` of a plan on."""
    streamed = self.resident is None
    here = sharding.rows_here(self._split, plan.batch_size)
    rows = pipeline.rows(plan, self.tiles, start=start, streamed=streamed, here=here)
    return pipeline.on_device(rows, self.resident, self._put)

  def _put(self, row: dict) -> dict:
    """One row onto the devices: its arrays split along the batch, its numbers whole."""
    where = {k: self._split if np.ndim(v) else self._replicated for k, v in row.items()}
    return sharding.put(row, where)

  def predict(self, state, rows, rotations: int, *, poll, label="", mapped: int = 0):
    """Looks at every image of `rows` at `rotations` angles.

    Args:
      poll: called between batches; raises where a signal has arrived.
      label: of a progress bar; '' shows none.
      mapped: of how many images at most, spread over the rows, `features` are kept.

    Returns:
      Every view exactly once: `row` of the tiles, `label`, `angle` in degrees, `loss`
      [V], `probability` float32 [V, K], and what else `steps.eval_step` finds; but
      `features` float32 [M, C] are those of the upright views of `mapped_rows` [M].
    """
    plan, outputs = EvalPlan(rows, self.batch_size, rotations), []
    params, batch_stats = state.judged
    upright = rotations * planned_map(len(rows), mapped)  # the first of each image
    features, late = [], []  # what the device may still be at work on is fetched later
    with console.Progress(plan.views if label else 0, label, "view") as progress:
      for arrays, row in self.batches(plan):
        del row["weight"]  # split over processes; the plan's own is whole
        found = self.program.evaluate(params, batch_stats, arrays, row)
        deep = found.pop("features", None)
        at = upright - len(outputs) * plan.batch_size
        at = at[(at >= 0) & (at < plan.batch_size)]
        if len(at) and deep is not None:
          late.append((deep, at))
        outputs.append(found)
        if len(outputs) > 1:  # one batch ahead of the device, no more
          jax.block_until_ready(outputs[-2])
          progress.advance(plan.batch_size if label else 0)
        features += taken(late[:-1])
        del late[:-1]
        poll()
    features += taken(late)
    outputs = jax.device_get(outputs)
    weights = [plan.batch(step)["weight"] for step in range(plan.num_steps)]
    keep = np.concatenate(weights) > 0
    if keep.sum() != plan.views:
      raise AssertionError(f"saw {keep.sum()} of {plan.views} views")
    row, angle = plan.view_of(np.arange(plan.views))
    found = {k: np.concatenate([o[k] for o in outputs])[keep] for k in outputs[0]}
    if features:
      found |= {"features": np.concatenate(features), "mapped_rows": row[upright]}
    return found | {"row": row, "angle": angle, "label": self.tiles.label[row]}

  def neighbours(self, state, views: dict, rows, k: int, *, poll) -> np.ndarray:
    """float64 [V, K]: what share of the `k` nearest images of `rows` is of each class.

    Nearest by the cosine of their embeddings, upright, to those of `views`, which
    `predict` has returned.
    """
    known = self.predict(state, rows, 1, poll=poll, label="embedding")
    given = known["embedding"], known["label"], views["embedding"]
    return neighbours.votes(*given, k, len(self.tiles.classes))


def planned_map(images: int, most: int) -> np.ndarray:
  """Which of so many images a map shows: int [M], M at most `most`, evenly spread."""
  return np.unique(np.linspace(0, images - 1, min(images, most)).round().astype(int))


def taken(late: list) -> list[np.ndarray]:
  """The rows `at` of each (array on the devices, at)."""
  return [jax.device_get(array)[at] for array, at in late]


def must_stream(size: int, budget_gib: float) -> bool:
  """Whether `size` bytes of tiles are too much for a device; says so where they are.

  The other half of its free memory is the network's.
  """
  free = [memory.available_on(device) for device in jax.local_devices()]
  room = min((n // 2 for n in free if n is not None), default=size)
  gib = f"{size / 2**30:.2f} GiB of tiles"
  if size > budget_gib * 2**30:
    reason = f"{gib}, more than data.device_memory_gib={budget_gib:g}"
  elif size > room:
    reason = f"{gib}, more than half of the {2 * room / 2**30:.2f} GiB of memory free"
  else:
    reason = ""
  if reason:
    console.say(f"{reason}: streamed from disk, the numbers are the same")
  if jax.process_count() == 1:
    return bool(reason)
  from jax.experimental import multihost_utils  # all processes run one program

  return bool(multihost_utils.process_allgather(np.array(bool(reason))).any())


def parts(config, num_classes: int):
  """(model, optimizer, view) of a config: what `steps.compiled` is made of.

  Raises:
    InputError: an unknown model, attention or dtype.
  """
  dtype = compute_dtype(config.model.dtype)
  arguments = config.model.to_dict() | {"dtype": dtype}
  model = models.create(num_classes=num_classes, **arguments)
  tx = optimizer.create(config.optimizer)
  augment = config.augment.to_dict()
  for key in ("rotations", "train_rotations", "test_rotations"):  # those are the plan's
    augment.pop(key, None)
  if augment["normalise"] == initial.NORMALISE:  # mean and std are the weights' by now
    augment["normalise"] = "fixed"
  return model, tx, steps.View(**augment, dtype=dtype)


def objective(config) -> dict:
  """What `steps.compiled` is told of training besides `parts`: loss, ema.

  Raises:
    InputError: an unknown loss, or one that its arguments make impossible.
  """
  loss = losses.create(config.get("loss", "cross_entropy"))
  return {"loss": loss, "ema": config.optimizer.get("ema", 0.0)}


def check_ends(model, view: steps.View, loss, k: int) -> None:
  """Raises InputError where the loss, or a vote of `k` images, lacks an end point."""
  wanted = dict.fromkeys(loss.reads, "loss")
  wanted |= {"embedding": "evaluate_neighbours"} if k else {}
  if not wanted:
    return
  images = jax.ShapeDtypeStruct((1, view.size, view.size, 3), view.dtype)
  run = functools.partial(model.init_with_output, train=False)
  (_, ends), _ = jax.eval_shape(run, jax.random.key(0), images)
  for end, key in wanted.items():
    if end not in ends:
      raise InputError(
        f"{key} reads the end point {end!r}, which this network does not have: set"
        " model.head='multitask(embedding=64, bits=48)'"
      )


def compute_dtype(name: str) -> str:
  """'auto' is bfloat16 on an accelerator and float32 on a CPU, where that is faster."""
  if name == "auto":
    return "float32" if platform() == "cpu" else "bfloat16"
  return name
