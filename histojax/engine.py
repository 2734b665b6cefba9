"""The model, its compiled steps and its images on the devices."""

import jax
import numpy as np

from histojax import console, models, optimizer, sharding, steps
from histojax.data import pipeline
from histojax.data.plan import EvalPlan
from histojax.data.tiles import Tiles
from histojax.ops.platform import platform


class Engine:
  """Everything of a run that lives on the devices, but the state.

  Args:
    config: the whole config.
    tiles: resident on the devices where they fit `data.device_memory_gib`, else
      streamed: the numbers are the same.

  Raises:
    InputError: an unknown model, attention or dtype; a batch that cannot be split.
  """

  def __init__(self, config, tiles: Tiles):
    self.tiles = tiles
    self.batch_size = config.evaluate_batch_size
    self.mesh = sharding.mesh_for(config.batch_size, config.evaluate_batch_size)
    self._split, self._replicated = sharding.shardings(self.mesh)
    model, tx, view = parts(config, len(tiles.classes))
    self.dtype = view.dtype
    streamed = tiles.image.nbytes > config.data.device_memory_gib * 2**30
    shape = ((config.batch_size if streamed else len(tiles)), *tiles.image.shape[1:])
    self.model, self.view, self.streamed = model, view, streamed
    self._program = steps.compiled(model, tx, view, self.mesh, shape)
    self._resident = None
    if not streamed:
      arrays = pipeline.host_arrays(tiles)
      self._resident = jax.device_put(arrays, self._replicated)
    self.train_step = self._program.train

  def init(self, seed: int) -> steps.TrainState:
    return self._program.init(jax.random.key(seed))

  def abstract(self) -> steps.TrainState:
    """Shapes, types and shardings of the state: what a restore fills in."""
    shapes = jax.eval_shape(self._program.init, jax.random.key(0))
    return jax.tree.map(
      lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self._replicated),
      shapes,
    )

  def batches(self, plan, start: int = 0):
    """Yields (tiles, row) on the devices from step `start` of a plan on."""
    rows = pipeline.rows(plan, self.tiles, start=start, streamed=self._resident is None)
    return pipeline.on_device(rows, self._resident, self._split, self._replicated)

  def predict(self, state, rows, rotations: int, *, poll, label: str = ""):
    """Looks at every image of `rows` at `rotations` angles.

    Args:
      poll: called between batches; raises where a signal has arrived.
      label: of a progress bar; '' shows none.

    Returns:
      Every view exactly once: `row` of the tiles, `label`, `angle` in degrees, `loss`
      [V], `probability` float32 [V, K].
    """
    plan, weights, outputs = EvalPlan(rows, self.batch_size, rotations), [], []
    params = state.all_params
    with console.Progress(plan.views if label else 0, label, "view") as progress:
      for arrays, row in self.batches(plan):
        weights.append(row.pop("weight"))
        outputs.append(self._program.evaluate(params, state.batch_stats, arrays, row))
        if len(outputs) > 1:  # one batch ahead of the device, no more
          jax.block_until_ready(outputs[-2])
          progress.advance(plan.batch_size if label else 0)
        poll()
    weights, outputs = jax.device_get((weights, outputs))
    keep = np.concatenate(weights) > 0
    if keep.sum() != plan.views:
      raise AssertionError(f"saw {keep.sum()} of {plan.views} views")
    row, angle = plan.view_of(np.arange(plan.views))
    found = {k: np.concatenate([o[k] for o in outputs])[keep] for k in outputs[0]}
    return found | {"row": row, "angle": angle, "label": self.tiles.label[row]}


def parts(config, num_classes: int):
  """(model, optimizer, view) of a config: what `steps.compiled` is made of.

  Raises:
    InputError: an unknown model, attention or dtype.
  """
  dtype = compute_dtype(config.model.dtype)
  arguments = config.model.to_dict() | {"dtype": dtype}
  model = models.create(num_classes=num_classes, **arguments)
  tx = optimizer.sgd(config.optimizer.momentum, config.optimizer.weight_decay)
  augment = config.augment.to_dict()
  for key in ("rotations", "train_rotations"):  # those are the plan's
    del augment[key]
  return model, tx, steps.View(**augment, dtype=dtype)


def compute_dtype(name: str) -> str:
  """'auto' is bfloat16 on an accelerator and float32 on a CPU, where that is faster."""
  if name == "auto":
    return "float32" if platform() == "cpu" else "bfloat16"
  return name
