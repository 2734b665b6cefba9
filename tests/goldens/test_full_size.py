"""Networks at full size in float32, live, all weights randomised.

Against torchvision and timm, eval and train mode.
"""

import copy
import functools

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.models.pretrained import from_torch, torch_shapes

pytestmark = [pytest.mark.oracle, pytest.mark.full]
FULL = {case.name: case for case in cases.FULL}


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


def prepare(case):
  """(model, images, weights by PyTorch's names, the same as our variables)."""
  model = models.create(**case.arguments())
  images = randomised.images(case.batch, case.size)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.asarray(images[:1]), train=False)
  )
  weights = randomised.state(torch_shapes(model, shapes))
  return model, images, weights, from_torch(model, weights, shapes)


@pytest.mark.parametrize("name", FULL)
def test_logits(name):
  import torch_models

  case = FULL[name]
  model, images, weights, variables = prepare(case)
  module = torch_models.build(case)
  assert torch_models.shapes(module) == torch_shapes(model, variables)

  @functools.partial(jax.jit, static_argnums=1)
  def logits(variables, train):
    return model.apply(variables, images, train=train, mutable=["batch_stats"])[0][0]

  for train in (False, True) if "batch_stats" in variables else (False,):
    torch_models.load(module, weights)
    got = logits(variables, train)
    want = torch_models.logits(module, images, train=train)
    if difference(got, want) >= 1e-4:  # SENet-154: PyTorch rounds more than that itself
      torch_models.load(module, weights)
      want = torch_models.logits(module.double(), images.astype("d"), train=train)
      module.float()
    assert difference(got, want) < 1e-4, train
  if "batch_stats" not in variables:  # nothing else tells the two modes apart
    text = [
      str(
        jax.make_jaxpr(functools.partial(model.apply, train=train))(variables, images)
      )
      for train in (False, True)
    ]
    assert text[0] == text[1]
  torch_models.load(module, weights)
  want = torch_models.logits(module, images, train=False)
  for block in case.blocks:
    params = copy.deepcopy(variables["params"])
    randomised.scramble(params, block)
    scrambled = logits({**variables, "params": params}, False)
    assert difference(scrambled, want) > 1e-2, block
