"""The network of every config against an independent one, in float32.

Where the two differ by more than 1e-4, which a norm over few numbers does to rounding
in training, ours may be no farther from PyTorch in float64 than 1.5 times what PyTorch
in float32 is.
"""

import copy
import functools
import json
import os
import pathlib

import jax
import numpy as np
import pytest
import randomised
import systems
from test_configs import PARAMETERS
from test_full_size import difference, prepare

pytestmark = [pytest.mark.oracle, pytest.mark.full]


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name != "folder"])
def test_parity(name):
  import torch
  import torch_models

  case = systems.case(name)
  model, images, weights, variables = prepare(case)
  module = torch_models.build(case)
  found = {}

  @functools.partial(jax.jit, static_argnums=1)
  def logits(variables, train):
    return model.apply(variables, images, train=train, mutable=["batch_stats"])[0][0]

  for mode in ("eval", "train"):
    torch_models.load(module, weights)
    want = torch_models.logits(module, images, train=mode == "train")
    found[mode] = difference(logits(variables, mode == "train"), want)
    limit = 1e-4
    if found[mode] >= limit:  # then it is rounding, if PyTorch's own is as large
      torch_models.load(module, weights)
      exact = torch_models.logits(
        module.double(), images.astype(np.float64), train=mode == "train"
      )
      module.float()
      found[f"{mode}, rounding of PyTorch"] = limit = difference(want, exact)
      found[mode] = difference(logits(variables, mode == "train"), exact)
    assert found[mode] < 1.5 * limit, found
  torch_models.load(module, weights)
  want = torch_models.logits(module, images, train=False)
  for block in case.blocks:
    params = copy.deepcopy(variables["params"])
    randomised.scramble(params, block)
    scrambled = logits({**variables, "params": params}, False)
    assert difference(scrambled, want) > 1e-2, block
  if path := os.environ.get("PARITY_JSON"):
    package = systems.LIBRARY.get(case.torch_name, "torchvision")
    version = __import__(package).__version__.split("+")[0]
    held = json.loads(pathlib.Path(path).read_text() or "{}")
    about = {"oracle": f"{package} {version}", "torch": torch.__version__}
    held[name] = found | about | {"px": case.size, "batch": case.batch}
    pathlib.Path(path).write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
  assert np.isfinite(list(found.values())).all()
