"""Backbones by name: `create` is the only door."""

import inspect
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.errors import InputError, nearest
from histojax.models import heads
from histojax.models.densenet import DenseNet
from histojax.models.inception import VGGInception
from histojax.models.resnet import ResNet
from histojax.models.swin import Swin
from histojax.models.vgg import VGG
from histojax.models.vit import ViT

MODELS = {
  "resnet18": partial(ResNet, block="basic", stage_sizes=(2, 2, 2, 2)),
  "resnet34": partial(ResNet, block="basic"),
  "resnet50": ResNet,
  "resnext50": partial(ResNet, inner=2, groups=32),
  # timm's, which has its attention by its name
  "skresnet50": partial(ResNet, attention="sk(groups=1, smallest=8, split=True)"),
  "senet154": partial(
    ResNet,
    attention="se(ratio=16)",
    stage_sizes=(3, 8, 36, 3),
    inner=4,
    groups=64,
    reduce_first=2,
    deep_stem=True,
    shortcut_kernel=3,
  ),
  "vgg16": VGG,
  "vgg16_bn": partial(VGG, norm="batch"),
  "vgg19": partial(VGG, stage_sizes=(2, 2, 4, 4, 4)),
  "vgg16_inception": VGGInception,
  "densenet121": DenseNet,
  "vit_b16": ViT,
  "dinov2_vitb14": partial(ViT, patch=14, grid=37, grid_offset=0.1, layer_scale=True),
  "swin_t": Swin,
  # Small enough to compile in seconds: for tests and for trying things out.
  "resnet_tiny": partial(ResNet, stage_sizes=(1, 1, 1, 1), width=8),
}
DTYPES = ("float32", "bfloat16")
# what leaves every network as it is, so that one without the argument takes it, too
NEUTRAL = {"norm": "batch", "stage_end": "none", "stride_in_1x1": False}


def create(
  name: str,
  *,
  num_classes: int,
  attention: str = "none",
  dtype: str = "float32",
  **kwargs: Any,
) -> nn.Module:
  """The model of that name, to be called as

      model.apply(variables, images, train=...) -> (logits [B, K] float32, end points)

  with images [B, H, W, 3] float. SE-ResNet50 is ('resnet50', attention='se(ratio=16)'),
  SKNet-50 is ('resnext50', attention='sk'). Where a row of `MODELS` has an attention of
  its own, 'none' leaves it, and any other spec takes its place. A value of `NEUTRAL`
  may go to a network without that argument.

  Raises:
    InputError: an unknown model, attention block, dtype or argument, each with the
      nearest valid name, or a value the model cannot be built of.
  """
  if name not in MODELS:
    raise InputError(f"model {name!r} is unknown; {nearest(name, MODELS)}")
  if dtype not in DTYPES:
    raise InputError(f"model.dtype={dtype!r}: use auto, float32 or bfloat16")
  if type(num_classes) is not int or num_classes < 2:
    raise InputError(f"num_classes={num_classes!r}: give a whole number of at least 2")
  accepted = inspect.signature(MODELS[name]).parameters.keys() - {"parent", "name"}
  for key in kwargs.keys() - accepted:
    if key in NEUTRAL and kwargs[key] == NEUTRAL[key]:
      del kwargs[key]
      continue
    known = nearest(key, sorted(accepted))
    raise InputError(f"{name} takes no argument {key!r}; {known}")
  if attention == "none":
    attention = getattr(MODELS[name], "keywords", {}).get("attention", attention)
  model = MODELS[name](
    num_classes=num_classes, attention=attention, dtype=dtype, **kwargs
  )
  model.check()
  heads.check(model.head, model.parts)
  return model


def parameter_count(params: Mapping[str, Any]) -> int:
  """How many numbers are trained: the elements of `params`, running statistics not."""
  return sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree.leaves(params))
