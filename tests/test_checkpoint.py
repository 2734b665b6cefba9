"""Checkpoints: each that was asked for is there, whole, and goes on as if unsaved."""

import dataclasses

import jax
import numpy as np
import pytest
from test_steps import VIEW, row, tiles  # noqa: F401, a fixture

from histojax import checkpoint, optimizer, sharding, steps
from histojax.errors import InputError
from histojax.models.vgg import VGG

HERE = jax.sharding.SingleDeviceSharding(jax.devices()[0])


def steps_in(folder):
  return sorted(int(path.name) for path in folder.iterdir())


def test_no_save_is_dropped_while_another_runs(tmp_path):
  state = {
    "a": jax.numpy.arange(4_000_000, dtype=np.float32)
  }  # 16 MB: a save takes long
  with checkpoint.Checkpoints(tmp_path, keep=9) as saved:
    for step in (1, 2, 3):
      saved.save("last", step, state)
      saved.save("best", step, state)
    saved.save("last", 4, state, wait=True)
    assert saved.latest("last") == 4  # what a signal's answer reads
  assert steps_in(tmp_path / "last") == [1, 2, 3, 4]
  assert steps_in(tmp_path / "best") == [3]  # each replaced the one before


def test_what_a_kill_left_of_older_checkpoints_is_cleared(tmp_path):
  with checkpoint.Checkpoints(tmp_path, keep=9) as saved:
    for step in (1, 2, 3):
      saved.save("last", step, {"a": jax.numpy.arange(9)}, wait=True)
  for path in sorted((tmp_path / "last" / "1").rglob("*"), reverse=True)[:-2]:
    path.rmdir() if path.is_dir() else path.unlink()  # half deleted
  (tmp_path / "last" / "4.orbax-checkpoint-tmp").mkdir()  # half written
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    assert saved.latest("last") == 3
    assert steps_in(tmp_path / "last") == [3]


@pytest.mark.full
def test_frozen_parts_and_dropout_resume_in_the_same_bytes(tmp_path, tiles):  # noqa: F811
  small = dict(stage_sizes=(1,) * 5, widths=(4, 4, 4, 8, 8), head="fc(hidden=16)")
  model = VGG(num_classes=3, **small, freeze="stage1")
  mesh, tx = sharding.mesh_for(6), optimizer.sgd(0.9, 1e-4)
  view = dataclasses.replace(VIEW, flip="none")  # dropout alone draws from the key
  program = steps.compiled(model, tx, view, mesh, (6, 40, 40, 3))

  def train(state, count):
    for _ in range(count):
      state, _ = program.train(state, tiles, row(0.1))
    return state

  def leaves(state):
    state = state.replace(key=jax.random.key_data(state.key))
    flat = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(k): np.asarray(v).tobytes() for k, v in flat}

  def fresh(seed=0):
    state = program.init(jax.random.key(seed))
    moved = jax.tree.map(lambda x: x + 0.25, state.frozen)  # not what `init` gives
    return state.replace(frozen=moved)

  _, replicated = sharding.shardings(mesh)
  shapes = jax.eval_shape(program.init, jax.random.key(0))
  abstract = jax.tree.map(
    lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=replicated), shapes
  )
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    state = train(fresh(), 2)
    saved.save("last", 2, state)
    whole = leaves(train(state, 3))
    restored = saved.restore("last", abstract)
  assert {k for k in whole if ".frozen" in k}
  assert leaves(train(restored, 3)) == whole
  other = fresh().replace(key=jax.random.key(9))  # only what is dropped differs
  assert (
    leaves(train(other, 5))[".params['head']['fc2']['kernel']"]
    != (whole[".params['head']['fc2']['kernel']"])
  )


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
  small = {"a": jax.numpy.zeros(3)}
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    assert saved.latest("last") is None
    saved.save("last", 5, small, wait=True)
    assert saved.latest("last") == 5
    abstract = {"a": jax.ShapeDtypeStruct((4,), np.float32, sharding=HERE)}
    with pytest.raises(InputError, match="does not fit this model"):
      saved.restore("last", abstract)


def test_a_checkpoint_is_not_changed_by_donation(tmp_path):
  state = {"a": jax.numpy.arange(1_000_000, dtype=np.float32)}
  bump = jax.jit(lambda s: {"a": s["a"] + 1}, donate_argnums=0)
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    saved.save("last", 1, state)
    for _ in range(5):
      state = bump(state)
    abstract = {"a": jax.ShapeDtypeStruct((1_000_000,), np.float32, sharding=HERE)}
    restored = saved.restore("last", abstract)
  np.testing.assert_array_equal(restored["a"], np.arange(1_000_000))
