"""What a step can be asked for: averages, weights, shares, flips, several losses."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import checkpoint, losses, optimizer, schedules, sharding, steps

VIEW = steps.View(
  size=16, canvas="same", fill=(0, 0, 0), flip="none", normalise="fixed",
  mean=(0.5,) * 3, std=(0.25,) * 3, dtype="float32",
)  # fmt: skip


class Micro(nn.Module):
  """A network that compiles in no time, with all that a loss may read."""

  num_classes: int = 3
  freeze: str = "none"
  parts = ("stem", "stage2", "head")

  @nn.compact
  def __call__(self, images, *, train):
    x = images.reshape(len(images), 4, 4, -1).mean((1, 2))
    x = nn.Dense(12, name="stem")(x)
    x = nn.BatchNorm(use_running_average=not train, name="stage2_norm")(x)
    x = nn.relu(x)
    unit = x / (jnp.linalg.norm(x, axis=-1, keepdims=True) + 1e-6)
    ends = {"embedding": unit, "hash": jnp.tanh(x - 1)}
    return nn.Dense(self.num_classes, name="head")(x), ends


@pytest.fixture(scope="module")
def tiles():
  rng = np.random.default_rng(0)
  return {
    "image": jnp.asarray(rng.integers(0, 255, (6, 16, 16, 3)), jnp.uint8),
    "extent": jnp.full((6, 2), 16, jnp.int32),
    "label": jnp.asarray([0, 1, 2, 0, 1, 2], jnp.int32),
  }


def row(**more):
  fixed = {"index": jnp.arange(6, dtype=jnp.int32), "angle": jnp.zeros(6)}
  return fixed | {"learning_rate": jnp.float32(0.05)} | more


def compiled(tx=None, view=VIEW, **options):
  tx = tx or optimizer.sgd(0.9, 0.0)
  return steps.compiled(
    Micro(), tx, view, sharding.mesh_for(6), (6, 16, 16, 3), **options
  )


def held(tree):
  return jax.tree.map(np.array, tree)


def test_averages_equal_a_loop(tiles):
  decay, program = 0.6, compiled(ema=0.6)
  state = program.init(jax.random.key(0))
  start = held({"params": state.params, "batch_stats": state.batch_stats})
  jax.tree.map(np.testing.assert_array_equal, held(state.ema), start)
  average = jax.tree.map(lambda x: np.zeros_like(x, np.float64), start)
  weights = []
  for t in range(30):
    state, _ = program.train(state, tiles, row())
    d = min(decay, t / (t + 9))
    weights.append(d)
    new = held({"params": state.params, "batch_stats": state.batch_stats})
    average = jax.tree.map(lambda a, n, d=d: d * a + (1 - d) * n, average, new)
    if t == 0:
      jax.tree.map(np.testing.assert_array_equal, held(state.ema), new)
  assert weights[0] == 0 and weights[-1] == decay
  close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
  jax.tree.map(close, held(state.ema), average)


def test_the_averages_are_judged_and_others_where_there_are_none(tiles):
  program, plain = compiled(ema=0.9), compiled()
  state = program.init(jax.random.key(0))
  for _ in range(5):
    state, _ = program.train(state, tiles, row())
  params, batch_stats = state.judged
  assert params is not state.params
  jax.tree.map(np.testing.assert_array_equal, params, state.ema["params"])
  jax.tree.map(np.testing.assert_array_equal, batch_stats, state.ema["batch_stats"])
  bare = plain.init(jax.random.key(0))
  assert bare.ema == {}
  jax.tree.map(np.testing.assert_array_equal, bare.judged[0], bare.params)


def test_averages_survive_a_checkpoint_to_the_bit(tiles, tmp_path):
  tx = optimizer.transformation("adamw", 0.9, 0.01, clip=1.0, by_part=True)
  program = compiled(tx, ema=0.9)
  share = {f"share_{part}": jnp.float32(part != "stem") for part in Micro.parts}

  def train(state, count):
    for _ in range(count):
      state, _ = program.train(state, tiles, row(**share))
    return state

  whole = train(program.init(jax.random.key(0)), 6)
  half = train(program.init(jax.random.key(0)), 3)
  abstract = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), half
  )
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    saved.save("last", 3, half, wait=True)
    restored = saved.restore("last", abstract)
  resumed = train(restored, 3)
  for field in ("params", "batch_stats", "opt_state", "ema"):
    chex.assert_trees_all_equal(getattr(resumed, field), getattr(whole, field))


def test_class_weights_weigh_and_compile_nothing(tiles):
  loss = losses.create("cross_entropy(weights=balanced)")
  program = compiled(optimizer.sgd(0.0, 0.0), loss=loss)

  def value(*weights):
    weights = jnp.tile(jnp.float32(weights), (6, 1))
    state = program.init(jax.random.key(0))
    return float(program.train(state, tiles, row(class_weights=weights))[1]["loss"])

  parts = [value(*np.eye(3)[k]) for k in range(3)]
  assert value(1, 1, 1) == pytest.approx(sum(parts), rel=1e-5)
  expected = parts[0] + 5 * parts[1] + parts[2] / 4
  assert value(1, 5, 0.25) == pytest.approx(expected, rel=1e-5)
  assert program.train._cache_size() == 1


def test_unfreezing_trains_part_by_part_and_compiles_nothing(tiles):
  shares = schedules.shares(Micro.parts, 0.5, "from_epoch(stage2=1, stem=2)")
  program = compiled(optimizer.transformation("adam", 0.9, 0.0, by_part=True))
  state, moved = program.init(jax.random.key(0)), []
  for epoch in range(3):
    before = held(state.params)
    share = {f"share_{k}": jnp.float32(v) for k, v in shares(epoch).items()}
    state, _ = program.train(state, tiles, row(**share))
    after = held(state.params)
    same = jax.tree.map(lambda a, b: bool((a == b).all()), before, after)
    moved.append([k for k in sorted(same) if not all(jax.tree.leaves(same[k]))])
  assert moved == [["head"], ["head", "stage2_norm"], ["head", "stage2_norm", "stem"]]
  assert program.train._cache_size() == 1


def test_dealt_flips_are_those_of_the_row(tiles):
  view = steps.View(**(vars(VIEW) | {"flip": "all"}))
  key = jax.random.key(0)
  view = jax.jit(functools.partial(view, train=True))
  plain = np.asarray(view(tiles, row(), key))
  sign = jnp.float32([[1, 1], [-1, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]])
  seen = np.asarray(view(tiles, row(flip=sign), key))
  for i, (x, y) in enumerate(np.int32(sign)):
    np.testing.assert_allclose(seen[i], plain[i, ::y, ::x], atol=1e-5)


@pytest.mark.parametrize(
  "spec", ["focal(gamma=2.0)", "cross_entropy(smoothing=0.1)", "multitask"]
)
def test_every_loss_learns_one_batch_by_heart(tiles, spec):
  program = compiled(loss=losses.create(spec))
  state = program.init(jax.random.key(0))
  start = program.evaluate(*state.judged, tiles, row())
  values = []
  for _ in range(100):
    state, metrics = program.train(state, tiles, row())
    values.append(float(metrics["loss"]))
  end = program.evaluate(*state.judged, tiles, row())
  assert values[-1] < 0.75 * values[0]
  assert end["loss"].mean() < 0.7 * start["loss"].mean()  # always cross entropy
  assert end["embedding"].shape == (6, 12)
