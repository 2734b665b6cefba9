"""DenseNet-BC, with attention per dense block (Huang et al., arXiv 1608.06993).

Stages are numbered by their stride, as those of a ResNet: stage 1 is the stem, stages 2
to 5 are the paper's dense blocks 1 to 4. Paddings and pooling are PyTorch's.
"""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.attention import gates_only
from histojax.attention.series import Series
from histojax.errors import InputError, nearest
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.layers import ConvNorm, Kernel, Norm
from histojax.ops.batch_norm import moments, scale_shift, widen
from histojax.ops.convolution import conv
from histojax.spec import Stage

NORMS = ("batch", "frozen")
BOTTLENECK = 4  # a layer's 1x1 has that many times the channels of its 3x3


class DenseNet(nn.Module):
  """Stem, four dense blocks with transitions between them, norm, mean, a head.

  num_classes: K.
  attention: a spec over `GATES`, one for all stages or one per stage; it scales what a
    dense block gives, before the transition.
  stage_sizes: layers in each dense block.
  growth: channels that each layer adds (k in the paper).
  width: channels of the stem.
  head: a spec over `heads.HEADS`.
  freeze: the parts that are not trained: 'none', 'backbone' or 'stem|stage2'.
  norm: 'batch', or 'frozen': running statistics in training too; scale and bias learn.
  dtype: of the convolutions and maps; parameters, statistics, gates and logits are
    float32.

  Convolutions start as He et al. with fan-out, the head at N(0, 0.01).
  """

  family: ClassVar[str] = "densenet"  # of names in `pretrained`

  num_classes: int
  attention: str = "none"
  stage_sizes: tuple[int, int, int, int] = (6, 12, 24, 16)
  growth: int = 32
  width: int = 64
  head: str = "linear"
  freeze: str = "none"
  norm: str = "batch"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    return ("stem", "stage2", "stage3", "stage4", "stage5", "norm", "head")

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    self._gates()
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if self.norm not in NORMS:
      raise InputError(f"model.norm={self.norm!r}: {nearest(str(self.norm), NORMS)}")

  def _gates(self) -> tuple[Stage, ...]:
    return gates_only(self.attention, 4, "DenseNet")

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float, at least 32 x 32 -> logits [B, K] float32, end points.

    End points: `stage2` ... `stage5`, what the dense blocks give, and the last, normed
    `map` [B, h, w, C] in `dtype`; `features` [B, C] float32, and those of the head.
    """
    dtype, frozen = jnp.dtype(self.dtype), frozen_parts(self.freeze, self.parts)
    learns = train and self.norm == "batch"

    def run(module, part, *x):
      x = module(*x, train=learns and part not in frozen)
      return lax.stop_gradient(x) if part in frozen else x

    x = run(Stem(self.width, dtype, name="stem"), "stem", images)
    ends = {}
    for index, gates in enumerate(self._gates()):
      stage = f"stage{index + 2}"
      # Every norm of a block sees the same maps, and more: each map's moments are
      # computed once. (Out of training nobody reads them, and XLA drops them.)
      seen = moments(widen(x))
      for number in range(1, self.stage_sizes[index] + 1):
        layer = DenseLayer(self.growth, name=f"{stage}_layer{number}")
        new = run(layer, stage, x, seen)
        x = jnp.concatenate([x, new], axis=-1)
        both = zip(seen, moments(widen(new)), strict=True)
        seen = tuple(jnp.concatenate(pair) for pair in both)
      if gates:
        g = Series(gates, learns and stage not in frozen, name=f"{stage}_attention")(x)
        x = (x * g).astype(dtype)
        x = lax.stop_gradient(x) if stage in frozen else x
        seen = moments(widen(x))
      ends[stage] = x
      if index < 3:
        x = run(Transition(name=f"{stage}_transition"), stage, x, seen)
    x = run(NormRelu(x.shape[-1], name="norm"), "norm", x, seen)
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)
    head = heads.create(self.head, self.num_classes, dtype)
    logits, more = head(ends, train=train)
    return logits, ends | more


class Stem(nn.Module):
  """7x7 of stride 2, norm, ReLU, 3x3 max-pool of stride 2: a quarter of the side."""

  features: int
  dtype: jnp.dtype

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    layer = ConvNorm(self.features, 7, 2, name="1", dtype=self.dtype)
    return layer(x, train=train, act=nn.relu, pool=True)


class DenseLayer(nn.Module):
  """conv3x3(relu(norm(conv1x1(relu(norm(x)))))), `features` new channels."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array, seen: tuple, *, train: bool) -> jax.Array:
    x = NormRelu(x.shape[-1], name="norm0")(x, seen, train=train)
    layer = ConvNorm(BOTTLENECK * self.features, name="1", dtype=x.dtype)
    return conv_alone(layer(x, train=train, act=nn.relu), self.features, 3, "conv2")


class Transition(nn.Module):
  """pool2x2(conv1x1(relu(norm(x)))): half the channels, the mean of 2 x 2 places."""

  @nn.compact
  def __call__(self, x: jax.Array, seen: tuple, *, train: bool) -> jax.Array:
    x = NormRelu(x.shape[-1], name="norm0")(x, seen, train=train)
    x = conv_alone(x, x.shape[-1] // 2, 1, "conv1")
    batch, height, width, channels = x.shape
    height, width = height // 2, width // 2  # an odd last row or column is left out
    x = x[:, : 2 * height, : 2 * width]
    x = x.reshape(batch, height, 2, width, 2, channels)
    return x.mean((2, 4), dtype=jnp.float32).astype(x.dtype)


class NormRelu(Norm):
  """relu(norm(x)), for a norm that comes before its convolution."""

  def __call__(self, x: jax.Array, seen: tuple, *, train: bool) -> jax.Array:
    """seen: the `moments` of x over the batch, [C] each."""
    mean, squares = seen
    if train:
      a, c = self.from_batch(mean, squares - jnp.square(mean))
    else:
      a, c = self.from_running()
    return scale_shift(widen(x), a, c, relu=True, dtype=x.dtype)


def conv_alone(x: jax.Array, features: int, size: int, name: str) -> jax.Array:
  """A convolution whose norm comes elsewhere; inside a compact method."""
  kernel, _ = Kernel((size, size, x.shape[-1], features), name=name)()
  return conv(x, kernel.astype(x.dtype))
