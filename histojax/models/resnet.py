"""ResNets with attention per stage (He et al., arXiv 1512.03385).

Stages are numbered as in the paper: stage 1 is the stem, stages 2 to 5 the blocks.
Paddings are PyTorch's, so converted weights give the same features.
"""

from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.attention import GATES, MIXERS, TRANSFORMS, mixer_and_gates
from histojax.attention.series import Transforms
from histojax.errors import InputError, nearest
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.layers import ConvNorm
from histojax.models.residual import Basic, Bottleneck, DeepStem, Stem
from histojax.spec import per_stage

BLOCKS = ("bottleneck", "basic")
NORMS = ("batch", "frozen")


class ResNet(nn.Module):
  """Stem, four stages of residual blocks, mean over the map, a head.

  num_classes: K.
  attention: a spec over `GATES` and `MIXERS`, one for all stages or one per stage
    ('none|se|se|se').
  stage_end: a spec over `TRANSFORMS`, behind the last block of a stage, such as
    'none|none|none|dnl'.
  stage_sizes: blocks in each stage.
  width: channels of the stem, and of the first stage's 3x3.
  block: 'bottleneck' (1x1, 3x3, 1x1), or 'basic' (3x3, 3x3) of ResNet18 and 34.
  inner, groups: the 3x3 has `inner` times that width, in `groups` groups: ResNeXt
    (Xie et al., arXiv 1611.05431) is 2, 32, and SKNet its 3x3 replaced by 'sk'.
  stride_in_1x1: the stride of a stage sits in the first 1x1 (v1: the paper, Caffe,
    Keras) or in the 3x3 (v1.5: torchvision, timm).
  reduce_first, deep_stem, shortcut_kernel: what SENet-154 changes in its trunk: the
    first 1x1 has half the channels, the stem is three 3x3, and a shortcut of stride 2
    is a 3x3 convolution.
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
  stage_end: str = "none"
  stage_sizes: tuple[int, int, int, int] = (3, 4, 6, 3)
  width: int = 64
  block: str = "bottleneck"
  inner: int = 1
  groups: int = 1
  stride_in_1x1: bool = False
  reduce_first: int = 1
  deep_stem: bool = False
  shortcut_kernel: int = 1
  head: str = "linear"
  freeze: str = "none"
  norm: str = "batch"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    return ("stem", "stage2", "stage3", "stage4", "stage5", "head")

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    mixers = [mixer[0] for mixer, _ in self._attention() if mixer]
    self._transforms()
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if self.norm not in NORMS:
      raise InputError(f"model.norm={self.norm!r}: {nearest(str(self.norm), NORMS)}")
    if self.block not in BLOCKS:
      raise InputError(
        f"model.block={self.block!r}: {nearest(str(self.block), BLOCKS)}"
      )
    if mixers and (self.block == "basic" or self.reduce_first > 1):
      raise InputError(
        f"attention={self.attention!r}: {mixers[0]!r} replaces the 3x3 convolution of a"
        " bottleneck, one with as many channels in as out: use a resnet50 or resnext50"
      )
    if self.block == "basic" and (
      self.stride_in_1x1 or (self.inner, self.groups, self.reduce_first) != (1, 1, 1)
    ):
      raise InputError(
        "model.stride_in_1x1, inner, groups and reduce_first are of bottlenecks: leave"
        " them out for a ResNet of basic blocks, which have two 3x3 convolutions"
      )

  def _attention(self):
    known = {**GATES, **MIXERS}
    stages = per_stage(self.attention, 4, known=known, what="attention")
    return [mixer_and_gates(stage) for stage in stages]

  def _transforms(self):
    return per_stage(self.stage_end, 4, known=TRANSFORMS, what="stage_end")

  def _block(self, stage: int, number: int, layer: partial) -> nn.Module:
    mixer, gates = self._attention()[stage]
    common = dict(
      features=self.width * 2**stage,
      strides=2 if stage > 0 and number == 1 else 1,
      gates=gates,
      layer=layer,
      name=f"stage{stage + 2}_block{number}",
    )
    if self.block == "basic":
      return Basic(**common)
    return Bottleneck(
      **common,
      inner=self.inner,
      groups=self.groups,
      reduce_first=self.reduce_first,
      stride_in_1x1=self.stride_in_1x1,
      shortcut_kernel=self.shortcut_kernel,
      mixer=mixer,
    )

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

    stem = DeepStem if self.deep_stem else Stem
    x = run(stem(self.width, layer, name="stem"), "stem", images)
    ends = {}
    for index, terms in enumerate(self._transforms()):
      stage = f"stage{index + 2}"
      for number in range(1, self.stage_sizes[index] + 1):
        x = run(self._block(index, number, layer), stage, x)
      if terms:
        x = run(Transforms(terms, name=f"{stage}_end"), stage, x)
      ends[stage] = x
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)  # [B, C]
    head = heads.create(self.head, self.num_classes, x.dtype)
    logits, more = head(ends, train=train_head)
    return logits, ends | more
