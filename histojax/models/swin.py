"""Swin transformers (Liu et al., arXiv 2103.14030).

Stages are numbered by their stride, as those of a ResNet: the stem cuts patches of
4 x 4 pixels, stages 2 to 5 are the paper's 1 to 4.
"""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from histojax.errors import InputError
from histojax.models import heads
from histojax.models.freezing import frozen_parts
from histojax.models.transformer import (
  SelfAttention,
  dense,
  layer_norm,
  no_attention_blocks,
  residuals,
)
from histojax.models.vit import Patches

EPS = 1e-5
WINDOW, SHIFT = 7, 3
AWAY = -100.0  # added to the logits of places that only the shift has made neighbours


class Swin(nn.Module):
  """Patches, four stages of attention within windows, norm, mean over the map, a head.

  num_classes: K.
  attention: 'none'.
  stage_sizes: blocks in each stage; every second one has its windows shifted.
  width, num_heads: channels of the first stage, doubled by each of the others; heads of
    each.
  drop_path: share of images that skip a branch of the last block in training; it grows
    linearly from 0 in the first.
  head: a spec over `heads.HEADS`.
  freeze: the parts that are not trained: 'none', 'backbone' or 'stem|stage2'.
  dtype: of tokens and products; parameters, norms, softmax and logits are float32.

  Kernels and tables start at N(0, 0.02), the head at N(0, 0.01).
  """

  family: ClassVar[str] = "swin"  # of names in `pretrained`

  num_classes: int
  attention: str = "none"
  stage_sizes: tuple[int, int, int, int] = (2, 2, 6, 2)
  width: int = 96
  num_heads: tuple[int, int, int, int] = (3, 6, 12, 24)
  drop_path: float = 0.2
  head: str = "linear"
  freeze: str = "none"
  dtype: str = "float32"

  @property
  def parts(self) -> tuple[str, ...]:
    return ("stem", "stage2", "stage3", "stage4", "stage5", "norm", "head")

  def check(self) -> None:
    """InputError where an argument is none that the network can be built of."""
    no_attention_blocks(self.attention)
    frozen_parts(self.freeze, self.parts)
    heads.check(self.head)
    if not 0 <= self.drop_path < 1:
      raise InputError(
        f"model.drop_path={self.drop_path!r}: give a share, 0 <= drop_path < 1"
      )
    for index, count in enumerate(self.num_heads):
      if self.width * 2**index % count:
        raise InputError(
          f"model.num_heads={self.num_heads}: stage{index + 2} has"
          f" {self.width * 2**index} channels, no multiple of {count}"
        )

  @nn.compact
  def __call__(
    self, images: jax.Array, *, train: bool
  ) -> tuple[jax.Array, dict[str, jax.Array]]:
    """images [B, H, W, 3] float -> logits [B, K] float32, and the end points by name.

    Any size: maps are padded to whole windows and to even sides, as torchvision's are.

    End points: `stage2` ... `stage5` and the last, normed `map` [B, h, w, C] in
    `dtype`; `features` [B, C] float32, its mean; and those of the head. With `train`,
    skipped branches draw from the stream `dropout`.
    """
    dtype, frozen = jnp.dtype(self.dtype), frozen_parts(self.freeze, self.parts)

    def run(module, part, x):
      x = module(x, train=train and part not in frozen)
      return lax.stop_gradient(x) if part in frozen else x

    x = run(Stem(self.width, name="stem"), "stem", images.astype(dtype))
    shares = iter(np.linspace(0, self.drop_path, sum(self.stage_sizes)))
    ends = {}
    for index, count in enumerate(self.stage_sizes):
      stage = f"stage{index + 2}"
      if index:
        x = run(Merge(name=f"{stage}_merge"), stage, x)
      for number in range(1, count + 1):
        shift = SHIFT if number % 2 == 0 else 0
        heads_ = self.num_heads[index]
        block = Block(heads_, shift, float(next(shares)), name=f"{stage}_block{number}")
        x = run(block, stage, x)
      ends[stage] = x
    x = layer_norm(EPS, dtype, "norm")(x)
    x = lax.stop_gradient(x) if "norm" in frozen else x
    ends["map"], ends["features"] = x, x.mean((1, 2), dtype=jnp.float32)
    head = heads.create(self.head, self.num_classes, dtype)
    logits, more = head(ends, train=train)
    return logits, ends | more


class Stem(nn.Module):
  """The linear images of patches of 4 x 4 pixels, normed: a quarter of the side."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    del train
    x = Patches(4, self.features, name="patch")(x)
    return layer_norm(EPS, x.dtype, "norm")(x)


class Merge(nn.Module):
  """A linear image of every 2 x 2 places, normed: half the side, twice the channels."""

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    del train
    batch, height, width, channels = x.shape
    x = jnp.pad(x, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    x = x.reshape(batch, -(-height // 2), 2, -(-width // 2), 2, channels)
    x = x.transpose(0, 1, 3, 4, 2, 5)  # the lower neighbour comes before the right one
    x = layer_norm(EPS, x.dtype, "norm")(x.reshape(*x.shape[:3], 4 * channels))
    return dense(2 * channels, x.dtype, "reduce", bias=False)(x)


class Block(nn.Module):
  """Attention within windows, and an MLP."""

  num_heads: int
  shift: int
  drop_path: float

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    attend = WindowAttention(self.num_heads, self.shift, name="attn")
    return residuals(x, attend, train=train, eps=EPS, drop_path=self.drop_path)


class WindowAttention(SelfAttention):
  """Attention among the 7 x 7 places of each window, with a bias by relative position.

  A shifted window holds the places of one that starts `shift` further down and right,
  around the edges of the map; there it keeps apart what is not adjacent. Along a side
  that is a single window nothing is shifted.
  """

  shift: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> [B, H, W, C]
    batch, height, width, channels = x.shape
    rows, columns = -(-height // WINDOW), -(-width // WINDOW)
    padding = (rows * WINDOW - height, columns * WINDOW - width)
    shifts = [self.shift if count > 1 else 0 for count in (rows, columns)]
    x = jnp.pad(x, ((0, 0), (0, padding[0]), (0, padding[1]), (0, 0)))
    x = jnp.roll(x, [-s for s in shifts], (1, 2)) if any(shifts) else x
    x = x.reshape(batch, rows, WINDOW, columns, WINDOW, channels).swapaxes(2, 3)
    x = x.reshape(batch, rows * columns, WINDOW**2, channels)

    shape = (self.num_heads, (2 * WINDOW - 1) ** 2)
    table = self.param("table", nn.initializers.truncated_normal(0.02), shape)
    # A product with ones and zeros: its gradient is one too, where that of a look-up is
    # a scatter, whose sums a GPU takes in any order.
    place = jax.nn.one_hot(relative_positions(), shape[1], dtype=table.dtype)
    bias = jnp.einsum("ht,qkt->hqk", table, place, precision="highest")
    if any(shifts):
      region = jnp.asarray(regions(rows, columns, *shifts))  # [windows, 49]
      apart = region[:, :, None] != region[:, None, :]
      bias = bias + jnp.where(apart, AWAY, 0.0).astype(bias.dtype)[:, None]

    x = self.attend(x, bias)
    x = x.reshape(batch, rows, columns, WINDOW, WINDOW, channels).swapaxes(2, 3)
    x = x.reshape(batch, rows * WINDOW, columns * WINDOW, channels)
    x = jnp.roll(x, shifts, (1, 2)) if any(shifts) else x
    return x[:, :height, :width]


def relative_positions() -> np.ndarray:
  """[49, 49]: for places q, k of a window, the entry of the table for q - k."""
  at = np.stack(np.divmod(np.arange(WINDOW**2), WINDOW))  # [2, 49]: row, column
  down, right = at[:, :, None] - at[:, None, :] + WINDOW - 1
  return down * (2 * WINDOW - 1) + right


def regions(rows: int, columns: int, down: int, right: int) -> np.ndarray:
  """[rows * columns, 49]: which part of the map each place of a shifted window is of.

  Along a side there are three: the windows that lie inside, and the last window's two
  shares, before and behind the edge.
  """

  def parts(count, shift):
    at = np.arange(count * WINDOW)
    return (at >= (count - 1) * WINDOW) * 1 + (shift and at >= count * WINDOW - shift)

  region = 3 * parts(rows, down)[:, None] + parts(columns, right)
  region = region.reshape(rows, WINDOW, columns, WINDOW).swapaxes(1, 2)
  return region.reshape(rows * columns, WINDOW**2)
