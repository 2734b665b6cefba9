"""A config that compiles in seconds, for profiles of planted faults."""

import itertools
from functools import partial

from histojax import models
from histojax.models.resnet import ResNet
from histojax.profiling.measure import Bench

TEXT = """
import importlib.util
spec = importlib.util.spec_from_file_location("folder", {file!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
VARIANTS = ("",)

def get_config(variant=""):
  config = module.get_config("quick")
  config.update_from_flattened_dict({changes!r})
  return config
"""


def write_config(path, root, source, **changes):
  """A config file like configs/folder.py with small values; returns `path`."""
  changes = {
    "data.source": str(source), "model.name": "micro", "model.attention": "none",
    "batch_size": 8, "evaluate_batch_size": 16, "augment.size": 32,
    "augment.rotations": 4, "split.folds": 3, "split.validation_fraction": 0.4,
  } | changes  # fmt: skip
  text = TEXT.format(file=str(root / "configs" / "folder.py"), changes=changes)
  path.write_text(text)
  return path


def register(monkeypatch, name, stages, width=4):
  """A ResNet of that many blocks per stage, under `name` while the test lasts."""
  model = partial(ResNet, stage_sizes=stages, width=width)
  monkeypatch.setitem(models.MODELS, name, model)


def bench(config):
  """A Bench whose step is compiled and has run; nothing else is."""
  made = Bench(config)
  made.given = next(made.engine.batches(made.plan))
  arguments = made.engine.abstract(), *made.given
  made.step = made.engine.train_step.lower(*arguments).compile()
  made.state = made.engine.init(0)
  made.run(4, itertools.repeat(made.given))
  return made
