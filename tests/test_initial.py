"""Runs that start from a file of weights."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import ROOT
from ml_collections import config_dict
from safetensors.numpy import save_file
from sharded import small_config, textures

from histojax import initial, models, schedules, startup
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.models.pretrained import from_torch, torch_shapes


def weights_of(model, seed=0):
  """Random arrays under PyTorch's names, as an export would hold them."""
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
  )
  rng = np.random.default_rng(seed)
  found = {}
  for name, shape in torch_shapes(model, shapes).items():
    spread = 0.1 if len(shape) > 1 or name.endswith(("bias", "mean")) else 0.5
    center = 0 if spread == 0.1 else 1
    found[name] = rng.uniform(center - spread, center + spread, shape).astype("f")
  return found, shapes


@pytest.fixture
def exported(tmp_path):
  """(the file of a resnet_tiny of five classes, what it holds)."""
  held, _ = weights_of(models.create("resnet_tiny", num_classes=5))
  path = tmp_path / "tiny.safetensors"
  save_file(held, path)
  return path, held


def asked(path, mode="train", file="configs/folder.py", **changes):
  config = small_config({})
  with config.unlocked():
    config.init = config_dict.ConfigDict({"weights": str(path), "new": "head"})
    config.model.freeze = config.model.attention = "none"
    config.optimizer.ema = 0.0
  config.update_from_flattened_dict(changes)
  return startup.Request(config, config, file, "quick", mode, "", "test")


def engine_of(path, **changes):
  initial.find.cache_clear()
  return Engine(initial.resolve(asked(path, **changes)).config, textures())


def test_a_run_starts_from_the_file(exported):
  path, held = exported
  engine = engine_of(path)
  state = engine.init(0)
  model = engine.model
  held = {k: v for k, v in held.items() if not k.startswith("fc.")}
  shapes = {"params": state.all_params, "batch_stats": state.batch_stats}
  fresh = shapes["params"].pop("head")
  expected = from_torch(model, held, shapes)
  jax.tree.map(np.testing.assert_array_equal, shapes, expected)
  assert (np.asarray(fresh["out"]["kernel"]) != 0).all()
  assert not np.asarray(fresh["out"]["bias"]).any()
  assert re.search(
    r"tiny.safetensors \(sha256 \w{12}\): [\d,]+ of", engine.initial.told
  )
  assert engine.initial.told.endswith("; fresh from the seed: head")
  other = engine.init(1)
  assert (other.params["head"]["out"]["kernel"] != fresh["out"]["kernel"]).all()
  np.testing.assert_array_equal(
    other.params["stem"]["conv1"]["kernel"], state.params["stem"]["conv1"]["kernel"]
  )


def test_frozen_parts_and_averages_hold_the_weights_too(exported):
  changes = {"model.freeze": "all but stage5|head", "optimizer.ema": 0.9}
  engine = engine_of(exported[0], **changes)
  state = engine.init(0)
  assert set(state.params) == {"stage5_block1", "head"}
  given = engine.initial.arrays["params"]
  for name, part in state.frozen.items():
    jax.tree.map(np.testing.assert_array_equal, part, given[name])
  jax.tree.map(np.testing.assert_array_equal, state.ema["params"], state.params)
  np.testing.assert_array_equal(
    state.params["stage5_block1"]["conv1"]["kernel"],
    given["stage5_block1"]["conv1"]["kernel"],
  )


def test_weights_are_data_of_the_program(exported, tmp_path):
  """Another file is the same program, and no array of it is a constant there."""
  engine = engine_of(exported[0])
  other = tmp_path / "other.safetensors"
  save_file(weights_of(models.create("resnet_tiny", num_classes=3), seed=1)[0], other)
  program, abstract = engine.program, engine.abstract()
  assert engine_of(other).program is program
  text = program.train.lower(abstract, *next(engine.batches(plan(engine)))).as_text()
  assert max(map(len, re.findall(r'dense<"0x(\w+)"', text)), default=0) < 2000
  key = jax.random.key(0)
  text = program.init.lower(key, engine.initial.arrays).as_text()
  assert max(map(len, re.findall(r'dense<"0x(\w+)"', text)), default=0) < 2000


def plan(engine):
  from histojax.data.plan import TrainPlan

  rate = schedules.rate("constant", 0.02)
  return TrainPlan(np.arange(24), 8, 1, 0, 4, "random", rate)


def test_the_config_of_a_run_holds_the_checksum_and_the_normalisation(exported):
  path, _ = exported
  asking = asked(path, **{"augment.normalise": "weights"})
  config = initial.resolve(asking).config
  assert re.fullmatch(r"[0-9a-f]{64}", config.init.sha256)
  assert config.augment.mean == (0.485, 0.456, 0.406)
  assert "sha256" not in asking.config.init  # the one asked for stays as it was
  (path.parent / "config.json").write_text(
    '{"pretrained_cfg": {"mean": [0.5, 0.6, 0.7], "std": [0.1, 0.2, 0.3]}}'
  )
  initial.find.cache_clear()
  config = initial.resolve(asking).config
  assert config.augment.mean == (0.5, 0.6, 0.7)
  engine = Engine(config, textures())
  assert engine.view.normalise == "fixed" and engine.view.std == (0.1, 0.2, 0.3)
  assert "mean (0.5, 0.6, 0.7), std (0.1, 0.2, 0.3)" in engine.initial.told


@pytest.mark.parametrize(
  ("changes", "says"),
  [
    ({"init.weights": "no/such.pth"}, "init.weights='no/such.pth': no such file"),
    ({"init.weights": str(ROOT)}, "no file of weights"),
    ({"init.weights": str(ROOT / "README.md")}, "neither a .safetensors"),
    ({"init.weights": str(ROOT / "README.md" / "a")}, "no such file"),
    ({"init.weights": "", "augment.normalise": "weights"}, "init.weights names none"),
    ({"init.new": "nose"}, "unknown part 'nose'"),
    ({"init.new": ""}, "add 'head'"),
    ({"model.attention": "se"}, r"have no .*init.new='attention\|head'"),
  ],
)
def test_mistakes_are_one_sentence(exported, changes, says):
  with pytest.raises(InputError, match=says) as caught:
    engine_of(exported[0], **changes)
  assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_one_sentence(tmp_path):
  path = tmp_path / "vgg16.safetensors"
  save_file({f"features.{i}.weight": np.ones(3, "f") for i in range(9)}, path)
  with pytest.raises(InputError, match=r"vgg16.* another model: .*unused .* \(9\)"):
    engine_of(path)


def test_without_weights_nothing_changes():
  asking = asked("")
  assert initial.resolve(asking) is asking
  assert initial.start(asking.config, None, None) is None
