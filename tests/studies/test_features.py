"""Cached features: what a head would have been fed, whole or absent."""

import dataclasses
import functools
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from test_together import home, images, prepared  # noqa: F401, fixtures

from histojax.data import cache
from histojax.engine import Engine
from histojax.interrupts import Interrupted
from histojax.studies import features, heads

NETWORKS = ("resnet_tiny", "vgg16", "densenet121", "swin_t", "vit_b16")


@pytest.fixture(scope="module")
def whole(images, home):  # noqa: F811
  """A prepared member, its engine and state, and its features."""
  one = prepared(images, home / "whole")
  engine = Engine(one.config, one.tiles)
  state = engine.init(3)
  return one, engine, state, features.cached(one.config, engine, state)


@functools.partial(jax.jit, static_argnames=("model", "view"))
def in_training(variables, tiles, row, key, *, model, view):
  pixels = view(tiles, row, key, train=True)
  options = {"train": True, "mutable": ["batch_stats"], "rngs": {"dropout": key}}
  return model.apply(variables, pixels, **options)


def fed(engine, state, tiles, row, key):
  """The features of a training step: [B, C], by the network in training."""
  variables = {"params": state.all_params, "batch_stats": state.batch_stats}
  (_, ends), updated = in_training(
    variables, tiles, row, key, model=engine.model, view=engine.view
  )
  for old, new in zip(*map(jax.tree.leaves, (variables["batch_stats"], updated))):  # noqa: B905
    assert (old == new).all()  # all that is frozen runs in inference mode
  return ends["features"]


def looked_up(one, engine, state, held, steps=range(6)):
  """Asserts that what `held` gives a step is what the network is fed there."""
  config = one.config
  look = heads.Lookup(held.turns, held.versions, config.augment.flip)
  resident = held.on(jax.sharding.SingleDeviceSharding(jax.devices()[0]))
  seen = set()
  for step, (tiles, row) in zip(steps, engine.batches(one.plan), strict=False):
    key = jax.random.fold_in(state.key, step)
    expected = fed(engine, state, tiles, row, key)
    found = look(resident, row, key, train=True)
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)
    assert np.abs(expected).max() > 0.01
    seen |= {float(angle) for angle in row["angle"]}
  return seen


@pytest.mark.full
def test_features_are_what_the_head_is_fed(whole):
  one, engine, state, held = whole
  assert held.array.shape == (30, 4, 4, 256)  # images, angles, flip versions, channels
  assert len(looked_up(one, engine, state, held)) == 4


@pytest.mark.full
@pytest.mark.parametrize("flip", ["horizontal", "all", "none"])
def test_whatever_the_flips(whole, images, home, flip):  # noqa: F811
  one = prepared(images, home / flip, **{"augment.flip": flip})
  engine = Engine(one.config, one.tiles, resident=whole[1].resident)
  held = features.cached(one.config, engine, whole[2])
  assert held.array.shape == (30, 4, features.VERSIONS[flip], 256)
  looked_up(one, engine, whole[2], held)


def test_angles_of_training_and_of_testing_are_there(whole):
  given, *_ = whole
  augment = given.config.augment.copy_and_resolve_references()
  with augment.unlocked():
    for rotations, training, testing, expected in (
      (36, "random", 36, 36), (36, "none", 1, 1), (36, "none", 36, 36),
      (8, "all", 36, 72),
    ):  # fmt: skip
      augment.rotations, augment.train_rotations = rotations, training
      augment.test_rotations = testing
      assert features.turns(augment) == expected


def test_every_one_of_36_angles_is_found():
  array = np.arange(2 * 36, dtype=np.float32).reshape(2, 36, 1, 1)
  held = features.Features(array, np.zeros(2, np.int32))
  tiles = held.on(jax.sharding.SingleDeviceSharding(jax.devices()[0]))
  angle = (np.arange(36) * 10.0).astype(np.float32)
  row = {"index": jnp.ones(36, jnp.int32), "angle": jnp.asarray(angle)}
  found = heads.Lookup(36, 1, "none")(tiles, row, None, train=False)
  np.testing.assert_array_equal(found[:, 0], 36 + np.arange(36))


def test_a_cache_is_of_its_weights_and_images(whole):
  one, engine, state, held = whole
  name = features.fingerprint(one.config, engine, state)
  assert name == features.fingerprint(one.config, engine, engine.init(3))
  assert name != features.fingerprint(one.config, engine, engine.init(4))
  digest = engine.tiles.digest.copy()
  digest[7] = "another"
  other = engine.guarded(dataclasses.replace(engine.tiles, digest=digest))
  assert name != features.fingerprint(one.config, other, state)
  head = engine.init(3).replace(params=jax.tree.map(lambda x: x + 1, state.params))
  assert name == features.fingerprint(one.config, engine, head)  # the head reads them


def test_what_is_damaged_or_half_built_is_built_again(whole, monkeypatch):
  one, engine, state, held = whole
  name = features.fingerprint(one.config, engine, state)
  path = cache.cache_root() / "features" / name / "features.npy"
  expected = path.read_bytes()
  path.unlink()  # what is mapped from it stays as it is
  path.write_bytes(expected[:4000] + b"\1\2\3\4" + expected[4004:])
  batches, seen = engine.batches, []

  def killed(plan):
    for batch in batches(plan):
      seen.append(batch)
      if len(seen) == 3:
        raise KeyboardInterrupt
      yield batch

  monkeypatch.setattr(engine, "batches", killed)
  with pytest.raises(KeyboardInterrupt):
    features.cached(one.config, engine, state)
  assert len(seen) == 3 and [p.name for p in path.parent.parent.glob(f"{name}.*")] == []
  monkeypatch.undo()
  features.cached(one.config, engine, state)
  assert path.read_bytes() == expected


def test_a_signal_ends_the_caching(whole):
  one, engine, state, _ = whole

  def poll():
    raise Interrupted(15)

  with pytest.raises(Interrupted):
    features.cached(one.config, engine, state, "another", poll)
  assert not [*(cache.cache_root() / "features").glob("another*")]


@pytest.mark.parametrize(
  ("changes", "sentence"),
  [
    ({}, ""),
    ({"model.freeze": "stem|stage2"}, "leaves more than the head to train"),
    ({"model.freeze": "none"}, "leaves more than the head to train"),
    ({"model.head": "fused"}, "reads maps"),
    ({"model.head": "fc"}, "reads maps"),
    ({"augment.zoom": 0.1}, "draw from more views than can be listed"),
    ({"augment.shift": 0.1}, "draw from more views than can be listed"),
    ({"select_on": "test"}, "every look at the test part"),
    ({"data.device_memory_gib": 1e-4}, "its features take 0.00 GiB, more than"),
  ],
)
def test_who_is_able_and_why_not(whole, changes, sentence):
  one, *_ = whole
  config = one.config.copy_and_resolve_references()
  with config.unlocked():
    for key, value in changes.items():
      group, _, name = key.partition(".")
      if name:
        config[group][name] = value
      else:
        config[group] = value
  found = features.able(config, one.tiles)
  assert (sentence in found) if sentence else found == ""


@pytest.mark.full
@pytest.mark.parametrize("name", NETWORKS)
def test_every_family_s_features(images, home, name):  # noqa: F811
  changes = {"model.name": name, "model.head": "linear", "augment.rotations": 2}
  if name in ("vit_b16",):
    changes |= {"model.patch": 16}
  one = prepared(images, home / name, **changes)
  assert features.able(one.config, one.tiles) == ""
  engine = Engine(one.config, one.tiles)
  state = engine.init(0)
  looked_up(one, engine, state, features.cached(one.config, engine, state), steps=(0,))


KILLED = """
import os, sys
sys.path[:0] = {paths!r}
import pathlib
from test_together import prepared
from histojax import console
from histojax.engine import Engine
from histojax.studies import features
one = prepared(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
if sys.argv[3] == "kill":
  advance = console.Progress.advance
  def kill(self, *arguments):
    advance(self, *arguments)
    if self.label == "caching features" and self.done > 100:
      os.kill(os.getpid(), 9)
  console.Progress.advance = kill
engine = Engine(one.config, one.tiles)
held = features.cached(one.config, engine, engine.init(3))
print(held.array.shape)
"""


@pytest.mark.full
def test_kill_9_amid_caching(whole, images, home, tmp_path):  # noqa: F811
  one, engine, state, held = whole
  environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
  paths = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "studies")]
  code = KILLED.format(paths=paths)
  command = [sys.executable, "-c", code, str(images), str(tmp_path / "run")]
  killed = subprocess.run([*command, "kill"], env=environment, capture_output=True)
  assert killed.returncode == -9, killed.stderr
  folder = tmp_path / "histojax" / "features"
  (left,) = folder.iterdir()  # what it was building, under a name that nobody opens
  assert "." in left.name and (left / "features.npy").exists()
  again = subprocess.run([*command, "go on"], env=environment, capture_output=True)
  assert again.returncode == 0, again.stderr
  (built,) = folder.iterdir()
  array = np.load(built / "features.npy")
  np.testing.assert_array_equal(array, held.array)
