"""ResNets of bottleneck blocks, with attention per stage (He et al., arXiv 1512.03385).

Stages are numbered as in the paper: stage 1 is the stem, stages 2 to 5 the blocks.
Paddings are PyTorch's, so converted weights give the same features.
"""

from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.attention import GATES, MIXERS, mixer_and_gates
from histojax.attention.series import Series
from histojax.errors import InputError, nearest
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.layers import ConvNorm
from histojax.ops.convolution import with_subsample
from histojax.spec import Stage, Term, per_stage

EXPANSION = 4
NORMS = ("batch", "frozen")


class ResNet(nn.Module):
  """Stem, four stages of bottlenecks, mean over the map, a head.

  num_classes: K.
  attention: a spec over `GATES` and `MIXERS`, one for all stages or one per stage
    ('none|se|se|se').
  stage_sizes: blocks in each stage.
  width: channels of the stem, and of the first stage's 3x3.
  inner, groups: the 3x3 has `inner` times that width, in `groups` groups: ResNeXt
    (Xie et al., arXiv 1611.05431) is 2, 32, and SKNet its 3x3 replaced by 'sk'.
  stride_in_1x1: the stride of a stage sits in the first 1x1 (v1: the paper, Caffe,
    Keras) or in the 3x3 (v1.5: torchvision, timm).
  head: a spec over `heads.HEADS`.
  freeze: the parts that are not trained: 'none', 'backbone' or 'stem|stage2'.
  norm: 'batch', or 'frozen': running statistics in training too; scale and bias learn.
  dtype: of the convolutions and maps; parameters, statistics, gates and logits are
    float32.

  A block's last norm starts at scale 0 (Goyal et al. 2017, as timm), the head at
  N(0, 0.01).
  """

  family: ClassVar[str] = "resnet"  # of names in `pretrained`

  num_classes: int
  attention: str = "none"
  stage_sizes: tuple[int, int, int, int] = (3, 4, 6, 3)
  width: int = 64
  inner: int = 1
  groups: int = 1
  stride_in_1x1: bool = False
  head: str = "linear"
  freeze: str = "none"
  norm: str = "batch"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    return ("stem", "stage2", "stage3", "stage4", "stage5", "head")

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    self._attention()
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if self.norm not in NORMS:
      raise InputError(f"model.norm={self.norm!r}: {nearest(str(self.norm), NORMS)}")

  def _attention(self):
    known = {**GATES, **MIXERS}
    stages = per_stage(self.attention, 4, known=known, what="attention")
    return [mixer_and_gates(stage) for stage in stages]

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float -> logits [B, K] float32, and the end points by name.

    End points: `stage2` ... `stage5` and the last `map` [B, h, w, C] in `dtype`,
    `features` [B, C] in float32, and those of the head.
    """
    layer = partial(ConvNorm, dtype=jnp.dtype(self.dtype))
    frozen = frozen_parts(self.freeze, self.parts)
    train_head, train = train, train and self.norm == "batch"

    def run(module, part, x):
      x = module(x, train=train and part not in frozen)
      return lax.stop_gradient(x) if part in frozen else x

    x = run(Stem(self.width, layer, name="stem"), "stem", images)
    ends = {}
    for index, (mixer, gates) in enumerate(self._attention()):
      stage = f"stage{index + 2}"
      for number in range(1, self.stage_sizes[index] + 1):
        block = Bottleneck(
          features=self.width * 2**index,
          inner=self.inner,
          groups=self.groups,
          strides=2 if index > 0 and number == 1 else 1,
          stride_in_1x1=self.stride_in_1x1,
          mixer=mixer,
          gates=gates,
          layer=layer,
          name=f"{stage}_block{number}",
        )
        x = run(block, stage, x)
      ends[stage] = x
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)  # [B, C]
    head = heads.create(self.head, self.num_classes, x.dtype)
    logits, more = head(ends, train=train_head)
    return logits, ends | more


class Stem(nn.Module):
  """7x7 of stride 2, norm, ReLU, 3x3 max-pool of stride 2: a quarter of the side."""

  features: int
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    layer = self.layer(self.features, 7, 2, name="1")
    return layer(x, train=train, act=nn.relu, pool=True)


class Bottleneck(nn.Module):
  """relu(attention(conv1x1(conv3x3(conv1x1(x)))) + shortcut(x)), 4 * features out."""

  features: int
  inner: int
  groups: int
  strides: int
  stride_in_1x1: bool
  mixer: Term | None
  gates: Stage
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    first, second = (self.strides, 1) if self.stride_in_1x1 else (1, self.strides)
    width, out = self.inner * self.features, EXPANSION * self.features
    shortcut = x
    if self.strides != 1 or x.shape[-1] != out:
      x, part = with_subsample(x, self.strides)
      shortcut = self.layer(out, 1, name="_shortcut")(part, train=train)
    x = self.layer(width, 1, first, name="1")(x, train=train, act=nn.relu)
    mean = None
    if self.mixer:
      name, kwargs = self.mixer
      mixer = MIXERS[name](**kwargs, name="mixer")
      x = mixer(x, layer=self.layer, strides=second, train=train)
    else:
      middle = self.layer(width, 3, second, name="2", groups=self.groups)
      x, mean = middle(x, train=train, act=nn.relu, mean=True)
    gate = Series(self.gates, train, name="attention") if self.gates else None
    last = self.layer(out, 1, name="3", zero_init=True)
    return last(
      x, train=train, residual=shortcut, gate=gate, act=nn.relu, mean_of_x=mean
    )
