"""Every config: it loads, builds the network its paper had, and takes two steps."""

import hashlib
import importlib
import json
import re

import jax
import numpy as np
import pytest
from conftest import ROOT

from histojax import models, rules, startup, steps
from histojax.data.tiles import Tiles
from histojax.engine import Engine, parts
from histojax.experiment import storage
from histojax.planning import make_plan

CLASSES = {
  "liver": ("poor", "moderate", "well"),
  "breakhis": ("benign", "malignant"),
  "sipakmed": ("Dyskeratotic", "Koilocytotic", "Metaplastic", "Parabasal", "S-I"),
  "nct_crc": ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"),
  "folder": ("a", "b"),
}  # fmt: skip
# Trained numbers of each system, as torchvision, timm and the papers' formulas have it.
PARAMETERS = {
  "liver_vgg16": 134_272_835,
  "liver_resnet50": 23_514_179,
  "liver_cbam": 26_046_771,
  "liver_senet": 26_045_171,
  "liver_sknet": 25_436_931,
  "breakhis_vgg_focal": 14_846_530,
  "breakhis_dala": 25_215_426,
  "breakhis_resnet50": 23_512_130,
  "breakhis_se_resnet50": 26_043_122,
  "breakhis_densenet121": 6_955_906,
  "breakhis_vgg16": 134_268_738,
  "breakhis_vgg16_inception": 15_165_522,
  "breakhis_vit": 85_800_194,
  "breakhis_swin": 27_520_892,
  "breakhis_dinov2": 86_582_018 - 768,  # the mask token is for its pre-training alone
  "sipakmed_resnet50": 23_518_277,
  "sipakmed_se": 24_469_877,
  "sipakmed_sam": 23_518_303,
  "sipakmed_dnl": 31_910_982,
  "sipakmed_se_sam": 24_469_903,
  "sipakmed_se_sam_fusion": 24_477_583,
  "sipakmed_multi_attention": 32_870_288,
  "sipakmed_vgg19": 139_590_725,
  "crc_resnet50_transfer": 23_526_473,
  "crc_resnet18": 11_181_129,
  "crc_resnet18_multitask": 11_217_081,
  "crc_resnet50": 23_526_473,
  "crc_vgg19": 139_607_113,
  "folder": 26_043_122,
}
TRAINED = {  # where parts are frozen
  "crc_resnet50_transfer": 14_983_177,
  "breakhis_dinov2": 1_538,
}

every_config = pytest.mark.parametrize("name", PARAMETERS)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
  monkeypatch.chdir(ROOT)


def load(name, variant=""):
  return startup.load_config(f"configs/{name}.py" + f":{variant}" * bool(variant))


def variants(name):
  return importlib.import_module(f"configs.{name}").VARIANTS


def abstract(config):
  """(model, state) of a config, in shapes."""
  model, tx, view = parts(config, len(CLASSES[config.data.name]))
  state = jax.eval_shape(
    lambda: steps.init(jax.random.key(0), model=model, tx=tx, view=view)
  )
  return model, state


def test_no_config_is_forgotten():
  names = {path.stem for path in (ROOT / "configs").glob("*.py")}
  studies = {name for name in names if name.startswith("ablate_")}  # tests/studies
  assert names - studies == set(PARAMETERS)


@every_config
def test_it_builds_the_network_of_its_row(name):
  config = rules.check(load(name), name)
  _, state = abstract(config)
  assert models.parameter_count(state.all_params) == PARAMETERS[name]
  trained = TRAINED.get(name, PARAMETERS[name])
  assert models.parameter_count(state.params) == trained


@every_config
def test_every_variant_can_be_built(name):
  seen = [load(name).model.to_dict()]
  for variant in variants(name):
    config = rules.check(load(name, variant), name)
    if config.model.to_dict() not in seen:
      seen.append(config.model.to_dict())
      abstract(config)


def test_no_two_configs_are_the_same_experiment():
  seen = {}
  for name in PARAMETERS:
    for variant in variants(name):
      config = load(name, variant).to_dict()
      for key in ("seed", "published", "log_every", "evaluate_batch_size"):
        config.pop(key)  # these change nothing that is computed
      text = json.dumps(config, sort_keys=True)
      key = hashlib.sha256(text.encode()).hexdigest()
      assert key not in seen, f"{name}:{variant} is {seen[key]}"
      seen[key] = f"{name}:{variant}"


def test_headers_state_what_was_measured():
  """A score of :quick in a header is that of results/quick.json."""
  held = json.loads((ROOT / "tests/benchmarks/results/quick.json").read_text())
  for name in sorted(held):
    told = " ".join(importlib.import_module(f"configs.{name}").__doc__.split())
    if stated := re.search(r"Ours, :quick.*? balanced accuracy ([\d.]+\d)", told):
      score = held[name]["balanced_accuracy"]["value"]
      assert stated[1] == f"{score:.2f}", f"configs/{name}.py: write {score:.2f}"


@pytest.mark.full
@every_config
def test_it_takes_two_steps(name):
  """At full size, on noise, through the real plan, pipeline and compiled step."""
  config = load(name)
  with config.unlocked():
    config.batch_size = config.evaluate_batch_size = 3
  stored, _ = storage(config.augment)
  classes = CLASSES[config.data.name]
  rng = np.random.default_rng(0)
  height, width = stored(230, 250)
  n = 3 * len(classes)
  texts = np.array([f"{i}" for i in range(n)], object)
  tiles = Tiles(
    image=rng.integers(0, 255, (n, height, width, 3), np.uint8),
    extent=np.tile(np.array([height, width], np.int32), (n, 1)),
    label=np.arange(n, dtype=np.int32) % len(classes),
    group=texts, image_id=texts, split=texts, digest=texts, classes=classes,
  )  # fmt: skip
  engine = Engine(config, tiles)
  plan = make_plan(config, np.arange(n), tiles)
  state = engine.init(0)
  before = [np.asarray(leaf) for leaf in jax.tree.leaves(state.params)]
  batches = engine.batches(plan)
  for _ in range(2):
    state, metrics = engine.train_step(state, *next(batches))
    assert np.isfinite(metrics["loss"])
  after = jax.tree.leaves(state.params)
  assert any((a != np.asarray(b)).any() for a, b in zip(before, after, strict=True))
  views = engine.predict(state, np.arange(2), 1, poll=lambda: None)
  np.testing.assert_allclose(views["probability"].sum(-1), 1, rtol=1e-5)
