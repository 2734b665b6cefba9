"""The blocks of residual networks: stem, basic block, bottleneck (arXiv 1512.03385).

Each is `blocks(x [B, H, W, C]) -> [B, H', W', C']` out of fused layers; the gates stand
after the last norm of the residual branch, before the addition.
"""

from functools import partial

import flax.linen as nn
import jax

from histojax.attention import MIXERS
from histojax.attention.series import Series
from histojax.ops.convolution import with_subsample
from histojax.spec import Stage, Term


class Stem(nn.Module):
  """7x7 of stride 2, norm, ReLU, 3x3 max-pool of stride 2: a quarter of the side."""

  features: int
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    layer = self.layer(self.features, 7, 2, name="1")
    return layer(x, train=train, act=nn.relu, pool=True)


class DeepStem(nn.Module):
  """Three 3x3, the first of stride 2, in the place of the 7x7; the last twice as wide.

  As in SENet-154 (Hu et al., arXiv 1709.01507, appendix).
  """

  features: int
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    for number, strides in ((1, 2), (2, 1)):
      layer = self.layer(self.features, 3, strides, name=f"_deep{number}")
      x = layer(x, train=train, act=nn.relu)
    layer = self.layer(2 * self.features, 3, 1, name="_deep3")
    return layer(x, train=train, act=nn.relu, pool=True)


class Basic(nn.Module):
  """relu(attention(conv3x3(conv3x3(x))) + shortcut(x)), `features` out."""

  features: int
  strides: int
  gates: Stage
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    x, shortcut = _shortcut(self, x, self.features, 1, train)
    first = self.layer(self.features, 3, self.strides, name="1")
    x = first(x, train=train, act=nn.relu)
    gate = Series(self.gates, train, name="attention") if self.gates else None
    last = self.layer(self.features, 3, name="2", zero_init=True)
    return last(x, train=train, residual=shortcut, gate=gate, act=nn.relu)


class Bottleneck(nn.Module):
  """relu(attention(conv1x1(conv3x3(conv1x1(x)))) + shortcut(x)), 4 * features out.

  inner, groups: the 3x3 has `inner * features` channels, in `groups` groups.
  reduce_first: the first 1x1 has that many times fewer.
  """

  features: int
  inner: int
  groups: int
  reduce_first: int
  strides: int
  stride_in_1x1: bool
  shortcut_kernel: int
  mixer: Term | None
  gates: Stage
  layer: partial

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    first, second = (self.strides, 1) if self.stride_in_1x1 else (1, self.strides)
    width, out = self.inner * self.features, 4 * self.features
    x, shortcut = _shortcut(self, x, out, self.shortcut_kernel, train)
    x = self.layer(width // self.reduce_first, 1, first, name="1")(
      x, train=train, act=nn.relu
    )
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


def _shortcut(block, x: jax.Array, out: int, kernel: int, train: bool) -> tuple:
  """x as the block's first layer is to read it, and what is added at the end."""
  if block.strides == 1 and x.shape[-1] == out:
    return x, x
  if kernel > 1 and block.strides > 1:
    layer = block.layer(out, kernel, block.strides, name="_shortcut")
    return x, layer(x, train=train)
  x, part = with_subsample(x, block.strides)
  return x, block.layer(out, 1, name="_shortcut")(part, train=train)
