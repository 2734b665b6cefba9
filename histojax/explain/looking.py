"""Explanations of tiles: one compiled function, on all devices, for every fold."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from histojax import console, sharding
from histojax.data.plan import EvalPlan
from histojax.explain import blocks, gradcam, layers


@dataclasses.dataclass(frozen=True)
class LookPlan(EvalPlan):
  """Images upright, each with the `classes` int32 [N, n] that Grad-CAM is asked for."""

  classes: np.ndarray = None

  def batch(self, step: int) -> dict[str, np.ndarray]:
    view = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
    return super().batch(step) | {
      "classes": self.classes[np.minimum(view, self.views - 1)].astype(np.int32)
    }


def look(variables, tiles, row, *, model, layer, view) -> dict:
  """Of one batch: `probability` [B, K], `cam` [B, n, h, w], `channel`, `spatial`.

  Those two as in `blocks.Maps`; `place` [B, 2] is where the first class's Grad-CAM is
  largest, as shares of height and width: the place that non-local blocks are asked for.
  """
  images = view(tiles, row, None, train=False)
  wanted = blocks.COLLECTIONS if model.family == "vit" else blocks.COLLECTIONS[:1]
  logits, cam, kept = gradcam.apply(
    model, layer, variables, images, row["classes"], wanted
  )
  first = cam[:, 0].reshape(len(cam), -1).argmax(-1)
  place = jnp.stack(jnp.divmod(first, layer.width), axis=-1) + 0.5
  place = place / jnp.array([layer.height, layer.width], jnp.float32)
  found = {"probability": jax.nn.softmax(logits), "cam": cam, "place": place}
  return found | blocks.gather(kept, place, model.family)._asdict()


@functools.cache
def compiled(model, layer, view, mesh, tiles_shape: tuple[int, ...]):
  """`look`, its batch split over the devices: one program for all folds and seeds."""
  del tiles_shape
  function = functools.partial(look, model=model, layer=layer, view=view)
  return jax.jit(function, out_shardings=sharding.shardings(mesh)[1])


class Looker:
  """Explains images of an engine's tiles by its network.

  Raises:
    InputError: the network has no layer of that name.
  """

  def __init__(self, engine, layer: str = ""):
    # what is frozen stops the gradient, and a map of the stages before would be zero
    model = engine.model.clone(freeze="none")
    self.engine, self.layer = engine, layers.find(model, engine.view.size, layer)
    shape = engine.tiles.image.shape
    self._look = compiled(model, self.layer, engine.view, engine.mesh, shape)
    self.model = model

  def grid(self, name: str) -> layers.Grid:
    """That of a block's spatial map, by its name."""
    return layers.grid(self.model, name)

  def __call__(self, state, rows, classes, *, batch: int, keep=(), label="") -> dict:
    """What `look` finds of the images at `rows`, as NumPy arrays.

    Args:
      state: of the engine; its averages, where it has them, as in evaluation.
      classes: int [N, n], as in `LookPlan`.
      batch: how many images at once, at least; rounded up to the devices.
      keep: of what `look` returns, what to keep; by default all.
    """
    devices = self.engine.mesh.size
    plan = LookPlan(rows, -(-batch // devices) * devices, 1, np.asarray(classes))
    params, batch_stats = state.judged
    variables = {"params": params, "batch_stats": batch_stats}
    outputs = []
    with console.Progress(plan.views if label else 0, label, "image") as progress:
      for tiles, row in self.engine.batches(plan):
        del row["weight"]
        found = self._look(variables, tiles, row)
        outputs.append(jax.device_get({k: found[k] for k in keep or found}))
        progress.advance(plan.batch_size if label else 0)
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: plan.views], *outputs)
