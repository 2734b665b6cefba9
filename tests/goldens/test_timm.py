"""Live against PyTorch: logits, statistics and gradients, all weights randomised.

In float64: a norm over four images, as SK's, would blow float32's rounding up.
"""

import copy

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.models.pretrained import from_torch, torch_names, torch_shapes

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def oracle():
  import torch_models

  return torch_models


@pytest.fixture(autouse=True)
def wide():
  with jax.enable_x64(True):
    yield


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


def prepare(case):
  """(model, images, weights by PyTorch's names, the same as our variables)."""
  model = models.create(**case.arguments()).clone(dtype="float64")
  images = randomised.images(case.batch, case.size).astype(np.float64)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.asarray(images[:1]), train=False)
  )
  weights = randomised.state(torch_shapes(model, shapes))
  variables = from_torch(model, weights, shapes)
  variables = jax.tree.map(lambda leaf: leaf.astype(np.float64), variables)
  return model, images, weights, variables


@pytest.mark.parametrize("case", cases.MODELS, ids=lambda case: case.name)
def test_logits_and_statistics(case, oracle):
  model, images, weights, variables = prepare(case)
  module = oracle.build(case).double()
  assert oracle.shapes(module) == torch_shapes(model, variables)
  oracle.load(module, weights)

  @jax.jit
  def run(variables):
    (train, _), stats = model.apply(
      variables, images, train=True, mutable=["batch_stats"]
    )
    return model.apply(variables, images, train=False)[0], train, stats

  got_eval, got_train, stats = run(variables)
  assert difference(got_eval, oracle.logits(module, images, train=False)) < 1e-6
  assert difference(got_train, oracle.logits(module, images, train=True)) < 1e-6

  samples = oracle.samples(module, images)
  state = {name: value.numpy() for name, value in module.state_dict().items()}
  for path, name in torch_names(model, stats).items():
    got = stats
    for key in path:
      got = got[key]
    if name.endswith("running_var"):
      # PyTorch keeps the unbiased variance, n / (n - 1) of ours.
      n = samples[name]
      kept = (0.99 if "SpatialGate" in name else 0.9) * weights[name]
      got = kept + (got - kept) * n / (n - 1)
    assert difference(got, state[name]) < 1e-6, name

  oracle.load(module, weights)
  want = oracle.logits(module, images, train=False)
  for block in case.blocks:
    params = copy.deepcopy(variables["params"])
    randomised.scramble(params, block)
    assert difference(run({**variables, "params": params})[0], want) > 1e-2, block


@pytest.mark.parametrize(
  "name",
  [
    *("resnet_tiny", "cbam_tiny", "sk_small", "vgg16"),
    *("basic_tiny", "senet_tiny", "skresnet_tiny"),
    *("se_sam_dnl_tiny", "literal_tiny", "light_tiny"),
    *("vgg16_bn", "vgg16_inception", "densenet", "vit", "dinov2", "swin"),
  ],
)
def test_gradients(name, oracle):
  """Of a cross entropy in train mode, every parameter."""
  import torch

  case = next(case for case in cases.MODELS if case.name == name)
  model, images, weights, variables = prepare(case)
  labels = np.arange(case.batch) % case.num_classes
  module = oracle.build(case).double().train()
  oracle.load(module, weights)
  output = module(torch.from_numpy(images).permute(0, 3, 1, 2))
  torch.nn.functional.cross_entropy(output, torch.from_numpy(labels)).backward()
  known = getattr(module, "timm_name", lambda name: name)
  named = {known(name): value for name, value in module.named_parameters()}

  @jax.jit
  def gradient(params):
    def loss(params):
      variables_ = {**variables, "params": params}
      (logits, _), _ = model.apply(
        variables_, images, train=True, mutable=["batch_stats"]
      )
      return -jax.nn.log_softmax(logits)[np.arange(case.batch), labels].mean()

    return jax.grad(loss)(params)

  got = {"params": gradient(variables["params"])}
  wanted = from_torch(
    model, {key: parameter.grad.numpy() for key, parameter in named.items()}, got
  )
  for (path, a), b in zip(
    jax.tree_util.tree_leaves_with_path(got), jax.tree.leaves(wanted), strict=True
  ):
    # A bias before a norm has no gradient; PyTorch's is what rounding leaves of it.
    none = max(np.abs(a).max(), np.abs(b).max()) < 1e-12
    # The head is float32 in a network of float64: so are logits of up to 30 here.
    assert none or difference(a, b) < 1e-5, path
