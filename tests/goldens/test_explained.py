"""Grad-CAM and rollout against PyTorch, on the same randomised weights, in float32."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.explain import blocks, gradcam, layers
from histojax.models.pretrained import from_torch, torch_shapes

pytestmark = pytest.mark.oracle
SMALL = {"width": 48, "depth": 3, "num_heads": 3, "grid": 4, "patch": 8}


@pytest.fixture(scope="module")
def oracle():
  import torch_models

  return torch_models


def prepare(name, images, factors=None, **kwargs):
  """(model, our variables, the same by PyTorch's names)."""
  model = models.create(name, num_classes=5, **kwargs)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.asarray(images[:1]), train=False)
  )
  weights = randomised.state(torch_shapes(model, shapes))
  for part, factor in (factors or {}).items():
    weights |= {k: v * factor for k, v in weights.items() if part in k}
  return model, from_torch(model, weights, shapes), weights


def load(module, weights, torch):
  arrays = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
  found = module.load_state_dict(arrays, strict=False)
  assert not found.unexpected_keys
  assert all(name.endswith("num_batches_tracked") for name in found.missing_keys)
  return module.eval()


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


@pytest.mark.parametrize("stage", [3, 5])
def test_grad_cam_against_autograd(stage, oracle):
  """Selvaraju's equations written in PyTorch, on torchvision's ResNet18."""
  torch = oracle.torch
  images = randomised.images(2, 96)
  model, variables, weights = prepare("resnet18", images)
  classes = np.array([[0, 3], [4, 1]])
  layer = layers.find(model, 96, f"stage{stage}")
  run = jax.jit(functools.partial(gradcam.apply, model, layer))
  logits, cam, _ = run(variables, images, jnp.asarray(classes))

  module = load(oracle.torchvision.models.resnet18(num_classes=5), weights, torch)
  held = {}
  part = getattr(module, f"layer{stage - 1}")
  part.register_forward_hook(lambda *call: held.update(a=call[-1]))
  y = module(torch.from_numpy(images.transpose(0, 3, 1, 2)))
  assert difference(logits, y.detach().numpy()) < 1e-4
  for n in range(2):
    chosen = y[torch.arange(2), torch.from_numpy(classes[:, n])].sum()
    (gradient,) = torch.autograd.grad(chosen, held["a"], retain_graph=True)
    alpha = gradient.mean((2, 3), keepdim=True)
    want = torch.relu((alpha * held["a"]).sum(1)).detach().numpy()
    assert want.max() > 0 and want.min() == 0
    far = difference(cam[:, n], want)
    print(f"stage{stage}, class {n}: largest relative difference {far:.1e}")
    assert far < 1e-4


def test_rollout_of_the_attention_of_timm(oracle):
  """The softmaxes of timm's blocks, multiplied up in a loop."""
  torch = oracle.torch
  images = randomised.images(2, 32)
  # far from uniform, so that the order of places and of blocks shows
  sharp = {"qkv.weight": 4.0}
  model, variables, weights = prepare("dinov2_vitb14", images, sharp, **SMALL)
  run = functools.partial(model.apply, train=False, mutable=["attention_maps"])
  _, kept = jax.jit(run)(variables, images)
  got = blocks.gather(kept, jnp.zeros((2, 2)), "vit").spatial["rollout"]

  module = oracle.timm.models.vision_transformer.VisionTransformer(
    img_size=32, patch_size=8, embed_dim=48, depth=3, num_heads=3, num_classes=5,
    init_values=1.0,
  )  # fmt: skip
  load(module, weights, torch)
  seen = []
  for block in module.blocks:
    block.attn.fused_attn = False
    block.attn.attn_drop.register_forward_hook(lambda *call: seen.append(call[-1]))
  with torch.no_grad():
    module(torch.from_numpy(images.transpose(0, 3, 1, 2)))
  assert len(seen) == 3
  want = np.zeros((2, 4, 4))
  for image in range(2):
    joint = np.eye(17)
    for softmax in seen:
      a = 0.5 * softmax[image].double().numpy().mean(0) + 0.5 * np.eye(17)
      joint = (a / a.sum(1, keepdims=True)) @ joint
    want[image] = joint[0, 1:].reshape(4, 4)
  assert np.ptp(want, axis=(1, 2)).min() > 0.01
  far = difference(got, want)
  print(f"largest relative difference {far:.1e}")
  assert far < 1e-4
