"""ResNets of bottleneck blocks, with attention per stage (He et al., arXiv 1512.03385).

Stages are numbered as in the paper: stage 1 is the stem, stages 2 to 5 the blocks.
Paddings are PyTorch's, so converted weights give the same features.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.attention import GATES
from histojax.attention.series import Series
from histojax.models.layers import ConvNorm
from histojax.ops.max_pool import max_pool
from histojax.spec import Stage, per_stage

EXPANSION = 4


class ResNet(nn.Module):
  """Stem, four stages of bottlenecks, mean over the map, one dense layer.

  num_classes: K.
  attention: a spec over `GATES`, one for all stages or one per stage ('none|se|se|se').
  stage_sizes: blocks in each stage.
  width: channels of the stem, and of the first stage's 3x3.
  stride_in_1x1: the stride of a stage sits in the first 1x1 (v1: the paper, Caffe,
    Keras) or in the 3x3 (v1.5: torchvision, timm).
  dtype: of the convolutions and maps; parameters, statistics, gates and logits are
    float32.

  A block's last norm starts at scale 0 (Goyal et al. 2017, as timm), the head at
  N(0, 0.01).
  """

  num_classes: int
  attention: str = "none"
  stage_sizes: tuple[int, int, int, int] = (3, 4, 6, 3)
  width: int = 64
  stride_in_1x1: bool = False
  dtype: str = "float32"

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float -> logits [B, K] float32, and the end points by name.

    End points: `stage2` ... `stage5` [B, h, w, C] in `dtype`, `features` [B, C] in
    float32.
    """
    layer = partial(ConvNorm, dtype=jnp.dtype(self.dtype))
    gates = per_stage(self.attention, 4, known=GATES, what="attention")
    ends = {}
    x = Stem(self.width, layer, name="stem")(images, train=train)
    for index, blocks in enumerate(self.stage_sizes):
      stage = f"stage{index + 2}"
      for number in range(1, blocks + 1):
        block = Bottleneck(
          features=self.width * 2**index,
          strides=2 if index > 0 and number == 1 else 1,
          stride_in_1x1=self.stride_in_1x1,
          gates=gates[index],
          layer=layer,
          name=f"{stage}_block{number}",
        )
        x = block(x, train=train)
      ends[stage] = x
    ends["features"] = x.mean((1, 2), dtype=jnp.float32)  # [B, C]
    dense = nn.Dense(
      self.num_classes, kernel_init=nn.initializers.normal(0.01), name="head"
    )
    return dense(ends["features"]), ends


class Stem(nn.Module):
  """7x7 of stride 2, norm, ReLU, 3x3 max-pool of stride 2: a quarter of the side."""

  features: int
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    x = self.layer(self.features, 7, 2, name="1")(x, train=train, act=nn.relu)
    return max_pool(x)


class Bottleneck(nn.Module):
  """relu(attention(conv1x1(conv3x3(conv1x1(x)))) + shortcut(x)), 4 * features out."""

  features: int
  strides: int
  stride_in_1x1: bool
  gates: Stage
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    first, second = (self.strides, 1) if self.stride_in_1x1 else (1, self.strides)
    out = EXPANSION * self.features
    shortcut = x
    if self.strides != 1 or x.shape[-1] != out:
      shortcut = self.layer(out, 1, self.strides, name="_shortcut")(x, train=train)
    x = self.layer(self.features, 1, first, name="1")(x, train=train, act=nn.relu)
    x = self.layer(self.features, 3, second, name="2")(x, train=train, act=nn.relu)
    gate = Series(self.gates, name="attention") if self.gates else None
    last = self.layer(out, 1, name="3", zero_init=True)
    return last(x, train=train, residual=shortcut, gate=gate, act=nn.relu)
