"""The steps are pure functions of (state, tiles, row)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models, optimizer, sharding, steps

VIEW = steps.View(
  size=32,
  canvas="same",
  fill=(0, 0, 0),
  flip="both",
  normalise="fixed",
  mean=(0.5,) * 3,
  std=(0.25,) * 3,
  dtype="float32",
)


@pytest.fixture(scope="module")
def program():
  model = models.create("resnet_tiny", num_classes=3, attention="se(ratio=4)")
  mesh = sharding.mesh_for(6)
  return steps.compiled(model, optimizer.sgd(0.9, 0.0), VIEW, mesh, (6, 40, 40, 3))


@pytest.fixture(scope="module")
def tiles():
  rng = np.random.default_rng(0)
  return {
    "image": jnp.asarray(rng.integers(0, 255, (6, 40, 40, 3)), jnp.uint8),
    "extent": jnp.full((6, 2), 40, jnp.int32),
    "label": jnp.asarray([0, 1, 2, 0, 1, 2], jnp.int32),
  }


def row(rate):
  return {
    "index": jnp.arange(6, dtype=jnp.int32),
    "angle": jnp.arange(6, dtype=jnp.float32) * 10,
    "learning_rate": jnp.float32(rate),
  }


def run(program, tiles, rates, seed=0):
  state, losses = program.init(jax.random.key(seed)), []
  for rate in rates:
    state, metrics = program.train(state, tiles, row(rate))
    losses.append(float(metrics["loss"]))
  return state, losses


def test_one_batch_is_learned_by_heart(program, tiles):
  state, losses = run(program, tiles, [0.05] * 60)
  assert int(state.step) == 60
  assert losses[-1] < 0.2 < 0.9 < losses[0]


def test_equal_seeds_give_equal_bytes_and_others_do_not(program, tiles):
  first, again, other = (
    jax.tree.leaves(run(program, tiles, [0.01] * 3, seed)[0].params)
    for seed in (0, 0, 1)
  )
  assert all((a == b).all() for a, b in zip(first, again, strict=True))
  assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_every_step_draws_flips_of_its_own(program, tiles):
  _, losses = run(program, tiles, [0.0] * 3)  # nothing is learned: only views change
  assert len(set(losses)) == 3


def test_at_rate_zero_only_statistics_and_step_move(program, tiles):
  start = program.init(jax.random.key(0))
  before = jax.tree.map(np.array, (start.params, start.batch_stats))
  state, metrics = program.train(start, tiles, row(0.0))
  after = (state.params, state.batch_stats)
  same = [
    all((a == b).all() for a, b in zip(*map(jax.tree.leaves, pair), strict=True))
    for pair in zip(before, after, strict=True)
  ]
  assert same == [True, False]
  assert float(metrics["grad_norm"]) > 0


def test_evaluation_is_a_softmax_and_draws_nothing(program, tiles):
  state = program.init(jax.random.key(0))
  found = program.evaluate(state.params, state.batch_stats, tiles, row(0.0))
  again = program.evaluate(state.params, state.batch_stats, tiles, row(0.0))
  np.testing.assert_allclose(found["probability"].sum(-1), 1, rtol=1e-6)
  picked = found["probability"][jnp.arange(6), tiles["label"]]
  np.testing.assert_allclose(found["loss"], -np.log(picked), rtol=1e-5)
  assert (found["probability"] == again["probability"]).all()
