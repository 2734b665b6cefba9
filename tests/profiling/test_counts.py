"""Multiply-accumulates are those of the literature, to the last one."""

import functools

import jax
import jax.numpy as jnp
import pytest

from histojax import models, optimizer, steps
from histojax.profiling import counts

VIEW = steps.View(
  size=224, canvas="same", fill=(0, 0, 0), flip="none", normalise="fixed",
  mean=(0.5,) * 3, std=(0.25,) * 3, dtype="bfloat16",
)  # fmt: skip
PUBLISHED = {  # 224 px, 1,000 classes; torchvision, timm and the official figures agree
  ("resnet50", "none"): 4_089_184_256,
  ("resnet50", "se(ratio=16)"): 4_091_699_200,
  ("resnet50", "cbam"): 4_095_573_110,
  ("resnext50", "sk"): 4_462_710_784,
  ("vgg16", "none"): 15_470_264_320,
  ("vgg16_bn", "none"): 15_470_264_320,
  ("vgg19", "none"): 19_632_062_464,
  ("densenet121", "none"): 2_834_161_664,
  ("vit_b16", "none"): 17_563_828_224,
  ("swin_t", "none"): 4_490_566_656,
}


def count(name, attention="none", batch=2, size=224, **kwargs):
  model = models.create(
    name, num_classes=1000, attention=attention, dtype="bfloat16", **kwargs
  )
  tx = optimizer.sgd(0.9, 0.0)
  start = functools.partial(steps.init, model=model, tx=tx, view=VIEW)
  state = jax.eval_shape(start, jax.random.key(0))
  images = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.bfloat16)
  return counts.count(model, state, images), [*state.params, *state.frozen]


@pytest.mark.parametrize(("name", "attention"), PUBLISHED)
def test_the_published_multiply_accumulates(name, attention):
  assert count(name, attention)[0].macs == PUBLISHED[name, attention]


@pytest.mark.parametrize(
  ("size", "backbone"), [(224, 23_161_227_264), (518, 151_573_718_016)]
)
def test_dinov2_at_two_sizes(size, backbone):
  """Without interpolating the positions, which no image has a part in."""
  found, layers = count("dinov2_vitb14", size=size)
  assert found.macs == backbone + 768 * 1000
  assert all(found.by_layer(layers))


def test_a_stride_in_the_1x1_saves_what_it_is_known_to_save():
  assert count("resnet50", stride_in_1x1=True)[0].macs == 3_857_973_248


def test_training_is_three_passes_less_the_gradient_of_the_images():
  found, layers = count("resnet50")
  (stem,) = found.by_layer(layers)["stem"]
  assert stem.macs == 2 * 64 * 112 * 112 * 7 * 7 * 3
  assert found.total("flops") == 6 * found.macs - 2 * stem.macs / 2
  assert all(found.by_layer(layers))  # every operation belongs to a layer


def test_frozen_stages_cost_their_forward_pass():
  found, layers = count("resnet50", freeze="stem|stage2|stage3")
  by_layer = found.by_layer(layers)
  assert {op.gradients for op in by_layer["stage3_block4"]} == {0}
  assert {op.gradients for op in by_layer["stage4_block1"]} == {1, 2}
  assert {op.gradients for op in by_layer["stage5_block1"]} == {2}
  assert not sum(op.backward_bytes for op in by_layer["stem"])


def test_the_least_bytes_of_a_convolution():
  found, layers = count("resnet50")
  (stem,) = found.by_layer(layers)["stem"]
  images, out, weights = 2 * 224 * 224 * 3, 2 * 112 * 112 * 64, 7 * 7 * 3 * 64
  assert stem.forward_bytes == 2 * (images + out + weights)
  assert stem.backward_bytes == 2 * (images + 2 * out + weights)
