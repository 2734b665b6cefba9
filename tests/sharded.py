"""Trains a small network for a few steps on the devices there are, and looks at images.

With {"pmap": true} it does the steps under pmap as well, and to out.hlo it writes the
compiled step.

    python tests/sharded.py out.npz '{"model.attention": "cbam", ...}'

One process, or one of several as JAX_COORDINATOR_ADDRESS says; the first one writes
losses, final state and predictions. The images need no data set: nothing is built.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from absl import flags  # noqa: E402

from histojax import processes, schedules, startup  # noqa: E402

SMALL = {
  "epochs": 2,
  "batch_size": 8,
  "evaluate_batch_size": 8,
  "augment.size": 32,
  "augment.rotations": 4,
  "model.name": "resnet_tiny",
  "model.dtype": "float32",
}


def small_config(changes):
  config = startup.load_config(f"{ROOT / 'configs' / 'folder.py'}:quick")
  config.update_from_flattened_dict(SMALL | changes)
  return config


def textures(count=31):
  """Tiles of three classes, of unequal extents."""
  from histojax.data.tiles import Tiles

  rng = np.random.default_rng(0)
  label = np.arange(count, dtype=np.int32) % 3
  image = rng.integers(0, 200, (count, 40, 40, 3)).astype(np.uint8)
  for pixels, k in zip(image, label, strict=True):
    pixels[:: k + 2] //= 4
  name = np.asarray([f"{i:03d}" for i in range(count)])
  return Tiles(
    image=image,
    extent=rng.integers(30, 41, (count, 2)).astype(np.int32),
    label=label,
    group=name,
    image_id=name,
    split=np.full(count, ""),
    digest=name,
    classes=("a", "b", "c"),
  )


def main(path, changes):
  import jax

  from histojax.data.plan import TrainPlan
  from histojax.engine import Engine

  config, tiles = small_config(changes), textures()
  engine = Engine(config, tiles)
  rate = schedules.rate("constant", 0.02)
  plan = TrainPlan(
    np.arange(24), config.batch_size, config.epochs, 0, 4, "random", rate
  )
  state, found = engine.init(0), {}
  with jax.transfer_guard("disallow"):
    for step, batch in enumerate(engine.batches(plan)):
      state, metrics = engine.train_step(state, *batch)
      found |= {f"metrics/{step}/{k}": v for k, v in jax.device_get(metrics).items()}
    views = engine.predict(state, np.arange(31), 2, poll=lambda: None)
  found |= {f"views/{k}": v for k, v in views.items()}
  state = state.replace(key=jax.random.key_data(state.key))
  leaves = jax.tree_util.tree_leaves_with_path(jax.device_get(state))
  found |= {f"state{jax.tree_util.keystr(k)}": v for k, v in leaves}
  found["devices"] = jax.device_count()
  if processes.first():
    np.savez(path, **found)


def program(path, changes):
  """Writes the compiled training step."""
  from histojax.data.plan import TrainPlan
  from histojax.engine import Engine

  engine = Engine(small_config(changes), textures())
  rate = schedules.rate("constant", 0.02)
  plan = TrainPlan(np.arange(24), 8, 1, 0, 4, "random", rate)
  batch = next(iter(engine.batches(plan)))
  lowered = engine.train_step.lower(engine.abstract(), *batch)
  Path(path).write_text(lowered.compile().as_text())


def compare_with_pmap(path):
  """Writes how far our step is from the same step under pmap, with frozen norms.

  There each device sees its half of the batch alone, and this function averages the
  gradients; running statistics are normalised by, so that the two can agree.
  """
  import jax
  import jax.numpy as jnp
  import optax

  from histojax import sharding, steps
  from histojax.data import pipeline
  from histojax.engine import parts

  config = small_config({"model.norm": "frozen", "augment.flip": "none"})
  tiles = jax.tree.map(jnp.asarray, pipeline.host_arrays(textures()))
  model, tx, view = parts(config, 3)
  averaged = optax.stateless(lambda grads, _: jax.lax.pmean(grads, "devices"))
  average_then = optax.chain(averaged, tx)
  row = {
    "index": np.arange(8, dtype=np.int32),
    "angle": np.arange(8, dtype=np.float32) * 10,
    "learning_rate": np.float32(0.1),
  }
  mesh = sharding.mesh_for(8)
  ours = steps.compiled(model, tx, view, mesh, tiles["image"].shape)
  alone = jax.pmap(
    lambda state, row: steps.train_step(
      state, tiles, row, model=model, tx=average_then, view=view
    ),
    axis_name="devices",
    in_axes=(None, {"index": 0, "angle": 0, "learning_rate": None}),
  )

  def lived_in(state):  # as if the running statistics had seen images
    rng = np.random.default_rng(0)
    stats = jax.tree.map(lambda x: rng.uniform(0.5, 2, x.shape), state.batch_stats)
    return state.replace(batch_stats=jax.tree.map(np.float32, stats))

  begun = ours.init(jax.random.key(0))
  start = jax.tree.map(np.asarray, begun.params)
  here = jax.tree.map(np.asarray, lived_in(begun).replace(key=None))
  there = here.replace(opt_state=(optax.EmptyState(), here.opt_state))
  for _ in range(3):
    here, _ = ours.train(here.replace(key=jax.random.key(0)), tiles, row)
    halves = {k: v.reshape(2, -1) if np.ndim(v) else v for k, v in row.items()}
    both, _ = alone(there.replace(key=jax.random.key(0)), halves)
    first, second = (jax.tree.map(lambda x, i=i: x[i], both.params) for i in (0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    there = jax.tree.map(lambda x: np.asarray(x[0]), both.replace(key=None))

  def far(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return max(np.abs(a - b).max() / (np.abs(a).max() + 1e-6) for a, b in pairs)

  np.savez(path, difference=far(here.params, first), moved=far(here.params, start))


if __name__ == "__main__":
  flags.FLAGS.mark_as_parsed()  # grain reads absl flags
  with startup.joined():
    path, changes = sys.argv[1], json.loads(sys.argv[2])
    if "pmap" in changes:
      compare_with_pmap(path)
    elif path.endswith(".hlo"):
      program(path, changes)
    else:
      main(path, changes)
