"""VGG16 and VGG19 (Simonyan and Zisserman, arXiv 1409.1556, D and E), also with norms.

Stages are numbered as in the paper, 1 to 5, each ending in a max-pool. Layers, padding,
pooling to 7x7 and initial weights are torchvision's.
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
from histojax.models.layers import ConvNorm
from histojax.ops.convolution import conv
from histojax.ops.max_pool import max_pool_2x2
from histojax.spec import Stage

NORMS = ("none", "batch", "frozen")


class VGG(nn.Module):
  """Five stages of 3x3 convolutions with bias, and a head.

  num_classes: K.
  attention: a spec over `GATES`, one for all stages or one per stage; it scales what
    the stage's last activation gives, before the pooling.
  stage_sizes, widths: convolutions in each stage, and their channels.
  head: a spec over `heads.HEADS`: 'fc' is VGG's own, 'linear' the mean over the map and
    one dense layer.
  freeze: the parts that are not trained: 'none', 'backbone' or 'stage1|stage2'.
  norm: 'none'; 'batch' after every convolution; or 'frozen': with running statistics
    in training too.
  dtype: of the maps and hidden layers; parameters, gates and logits are float32.

  Convolutions start as He et al. with fan-out, dense layers at N(0, 0.01).
  """

  family: ClassVar[str] = "vgg"  # of names in `pretrained`

  num_classes: int
  attention: str = "none"
  stage_sizes: tuple[int, int, int, int, int] = (2, 2, 3, 3, 3)
  widths: tuple[int, int, int, int, int] = (64, 128, 256, 512, 512)
  head: str = "fc"
  freeze: str = "none"
  norm: str = "none"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    return (*(f"stage{i}" for i in range(1, 6)), "head")

  @property
  def normed(self) -> bool:
    """Whether the stages' convolutions have norms."""
    return self.norm != "none"

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    self._gates()
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if self.norm not in NORMS:
      raise InputError(f"model.norm={self.norm!r}: {nearest(str(self.norm), NORMS)}")

  def _gates(self) -> tuple[Stage, ...]:
    return gates_only(self.attention, 5, "VGG")

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float, at least 32 x 32 -> logits [B, K] float32, end points.

    End points: `stage1` ... `stage5` [B, h, w, C] in `dtype`, before their pooling;
    the last, pooled `map`; `features` [B, C] float32, its mean; and those of the head.
    With `train`, dropout draws from the stream `dropout`.
    """
    x, ends = self.stages(images, train=train)
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)
    head = heads.create(self.head, self.num_classes, x.dtype)
    logits, more = head(ends, train=train)
    return logits, ends | more

  def stages(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """The last stage's pooled map, and every stage's by name before its pooling."""
    frozen, learns = frozen_parts(self.freeze, self.parts), self.norm != "frozen"
    x, ends = images.astype(self.dtype), {}
    for index, gates in enumerate(self._gates()):
      part = f"stage{index + 1}"
      stage = VGGStage(
        self.widths[index],
        self.stage_sizes[index],
        gates,
        norm=self.normed,
        name=part,
      )
      x = stage(x, train=train and learns and part not in frozen)
      ends[part] = lax.stop_gradient(x) if part in frozen else x
      x = max_pool_2x2(ends[part])
    return x, ends


class VGGStage(nn.Module):
  """relu(conv3x3(x) + bias), or relu(norm(conv3x3(x) + bias)), `count` times, gates."""

  features: int
  count: int
  gates: Stage
  norm: bool

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    for number in range(1, self.count + 1):
      if self.norm:
        layer = ConvNorm(self.features, 3, name=f"{number}", dtype=x.dtype, bias=True)
        x = layer(x, train=train, act=nn.relu)
      else:
        x = Conv(self.features, name=f"conv{number}")(x)
    if self.gates:
      g = Series(self.gates, train, name="attention")(x)
      x = (x * g).astype(x.dtype)
    return x


class Conv(nn.Module):
  """relu(conv3x3(x) + bias)."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    start = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
    kernel = self.param("kernel", start, (3, 3, x.shape[-1], self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return nn.relu(conv(x, kernel.astype(x.dtype)) + bias.astype(x.dtype))
