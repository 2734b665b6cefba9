"""Vision transformers: ViT-B/16 (Dosovitskiy et al., arXiv 2010.11929) and DINOv2's
ViT-B/14 (Oquab et al., arXiv 2304.07193), which has factors on its branches.
"""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.errors import InputError
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.transformer import (
  SelfAttention,
  layer_norm,
  no_attention_blocks,
  residuals,
)
from histojax.ops.bicubic import bicubic

EPS = 1e-6


class ViT(nn.Module):
  """Patches and a [CLS] token, blocks of attention and MLP, norm, a head on [CLS].

  num_classes: K.
  attention: 'none'.
  patch: its side in pixels.
  width, depth, num_heads: channels of a token, number of blocks, heads of each.
  grid: the side of the map of learned positions, in patches. Images of another size are
    welcome: the map is interpolated bicubically, without antialias.
  grid_offset: what is added to the number of patches on a side, where the map is
    interpolated, to get the scale: DINOv2 reads its positions at (16 + 0.1) / 37.
  layer_scale: a factor per channel at the end of each branch.
  head: a spec over `heads.HEADS`.
  freeze: the parts that are not trained: 'none', 'backbone' or 'stem|block1|block2'.
  dtype: of tokens and products; parameters, norms, softmax and logits are float32.

  Kernels, positions and [CLS] start at N(0, 0.02), the head at N(0, 0.01).
  """

  family: ClassVar[str] = "vit"  # of names in `pretrained`

  num_classes: int
  attention: str = "none"
  patch: int = 16
  width: int = 768
  depth: int = 12
  num_heads: int = 12
  grid: int = 14
  grid_offset: float = 0.0
  layer_scale: bool = False
  head: str = "linear"
  freeze: str = "none"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    blocks = (f"block{number}" for number in range(1, self.depth + 1))
    return ("stem", *blocks, "norm", "head")

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    no_attention_blocks(self.attention)
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if self.width % self.num_heads:
      raise InputError(
        f"model.width={self.width} is not a multiple of num_heads={self.num_heads}"
      )

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float, of whole patches -> logits [B, K] float32, end points.

    End points: `map` [B, h, w, C], the normed tokens of the patches, in `dtype`;
    `features` [B, C] float32, that of [CLS]; and those of the head.

    Raises:
      InputError: a side that is no multiple of the patch's.
    """
    dtype, frozen = jnp.dtype(self.dtype), frozen_parts(self.freeze, self.parts)
    height, width = images.shape[1:3]
    if height % self.patch or width % self.patch:
      whole = max(height // self.patch, 1) * self.patch
      raise InputError(
        f"images of {height} x {width} px do not divide into patches of {self.patch};"
        f" give a multiple of it, such as {whole}"
      )

    def hold(part, x):
      return lax.stop_gradient(x) if part in frozen else x

    stem = Stem(self.patch, self.width, self.grid, self.grid_offset, name="stem")
    x = hold("stem", stem(images.astype(dtype)))
    for part in self.parts[1:-2]:
      block = Block(self.num_heads, self.layer_scale, name=part)
      x = hold(part, block(x, train=train))
    x = hold("norm", layer_norm(EPS, dtype, "norm")(x))  # [B, 1 + h w, C]
    shape = (len(x), height // self.patch, width // self.patch, self.width)
    ends = {"map": x[:, 1:].reshape(shape), "features": x[:, 0].astype(jnp.float32)}
    head = heads.create(self.head, self.num_classes, dtype)
    logits, more = head(ends, train=train)
    return logits, ends | more


class Stem(nn.Module):
  """[CLS] and the patches' linear images, plus positions: [B, 1 + h w, C]."""

  patch: int
  features: int
  grid: int
  offset: float

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    start, shape = nn.initializers.truncated_normal(0.02), (1, 1, self.features)
    token = self.param("cls_token", start, shape)
    shape = (1, 1 + self.grid**2, self.features)  # that of [CLS] comes first
    positions = self.param("pos_embed", start, shape)
    x = Patches(self.patch, self.features, name="patch")(x)
    batch, height, width, channels = x.shape
    tokens = jnp.broadcast_to(token.astype(x.dtype), (batch, 1, channels))
    x = jnp.concatenate([tokens, x.reshape(batch, -1, channels)], axis=1)
    return x + self._at(positions, height, width).astype(x.dtype)

  def _at(self, positions: jax.Array, height: int, width: int) -> jax.Array:
    """The positions [1, 1 + height * width, C] of a map of that size."""
    if (height, width) == (self.grid, self.grid):
      return positions
    table = positions[0, 1:].reshape(self.grid, self.grid, -1)
    down, right = (
      jnp.asarray(
        bicubic(self.grid, new, (new + self.offset) / self.grid), positions.dtype
      )
      for new in (height, width)
    )
    table = jnp.einsum("ih,hwc,jw->ijc", down, table, right, precision="highest")
    table = table.reshape(1, height * width, -1)
    return jnp.concatenate([positions[:, :1], table], axis=1)


class Patches(nn.Module):
  """A convolution with bias whose stride is its size, as one product of matrices."""

  patch: int
  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    p, (batch, height, width, channels) = self.patch, x.shape
    start = nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
    kernel = self.param("kernel", start, (p, p, channels, self.features))
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    height, width = height // p, width // p
    x = x[:, : height * p, : width * p]
    x = x.reshape(batch, height, p, width, p, channels).swapaxes(2, 3)
    x = x.reshape(batch, height, width, -1)
    kernel = kernel.reshape(-1, self.features)
    return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


class Block(nn.Module):
  """Attention among all tokens, and an MLP."""

  num_heads: int
  layer_scale: bool

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    attend = SelfAttention(self.num_heads, name="attn")
    scale = self.layer_scale
    return residuals(x, attend, train=train, eps=EPS, layer_scale=scale)
