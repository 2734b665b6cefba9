"""VGG16's convolutions and one Inception block, as in 'VGG16Inception' of DALAResNet50.

The comparison (arXiv 2308.13150) names the network and defines it nowhere. Assumed:
VGG16 up to its last pooling, GoogLeNet's block 4b (Szegedy et al., arXiv 1409.4842,
table 1) with norms, the mean over the map, dropout, one dense layer.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.errors import InputError
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.layers import ConvNorm
from histojax.models.vgg import VGG


class VGGInception(VGG):
  """`VGG`, whose last pooled map goes through an `Inception` block before the head.

  branches: the block's widths: 1x1; 1x1 before 3x3, 3x3; 1x1 before 5x5, 5x5; 1x1 after
    the pool.

  norm: of the block, 'batch' or 'frozen'; the stages have none.

  The other arguments are VGG's.
  """

  head: str = "linear(dropout=0.5)"
  norm: str = "batch"
  branches: tuple[int, int, int, int, int, int] = (160, 112, 224, 24, 64, 64)

  @property
  def normed(self) -> bool:
    return False

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    super().check()
    if self.norm == "none":
      raise InputError("model.norm='none': an Inception block has norms; give 'batch'")

  @property
  def parts(self) -> tuple[str, ...]:
    return (*(f"stage{i}" for i in range(1, 6)), "inception", "head")

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float -> logits [B, K] float32, end points.

    End points are VGG's; `map` [B, h, w, 512] is that of the block.
    """
    x, ends = self.stages(images, train=train)
    frozen = "inception" in frozen_parts(self.freeze, self.parts)
    learns = train and self.norm != "frozen" and not frozen
    x = Inception(self.branches, name="inception")(x, train=learns)
    x = lax.stop_gradient(x) if frozen else x
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)
    head = heads.create(self.head, self.num_classes, x.dtype)
    logits, more = head(ends, train=train)
    return logits, ends | more


class Inception(nn.Module):
  """[conv1x1, conv3x3(conv1x1), conv5x5(conv1x1), conv1x1(pool3x3)], each with norm."""

  widths: tuple[int, int, int, int, int, int]

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    def layer(x, width, kernel, name):
      conv = ConvNorm(width, kernel, name=name, dtype=x.dtype)
      return conv(x, train=train, act=nn.relu)

    one, before3, three, before5, five, after = self.widths
    window = (1, 3, 3, 1)
    pooled = lax.reduce_window(x, -jnp.inf, lax.max, window, (1, 1, 1, 1), "SAME")
    branches = (
      layer(x, one, 1, "1"),
      layer(layer(x, before3, 1, "2_reduce"), three, 3, "2"),
      layer(layer(x, before5, 1, "3_reduce"), five, 5, "3"),
      layer(pooled, after, 1, "4"),
    )
    return jnp.concatenate(branches, axis=-1)  # [B, h, w, the sum of four widths]
