"""Blocks in series: each sees what the ones before it made of x."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from histojax.attention import GATES, TRANSFORMS
from histojax.attention.recorded import record
from histojax.ops.batch_norm import widen
from histojax.ops.gating import channel_mean, split
from histojax.spec import Stage


class Series(nn.Module):
  """The product of the gates of one spec, such as 'se' or 'se+sam'.

  Every gate's factor is recorded as `<name>_gate` in the collection `gates`, when the
  caller makes that collection mutable, and costs nothing otherwise. Of a gate with two
  factors they are `<name>_channel` and `<name>_spatial`, too.
  """

  terms: Stage
  train: bool  # for gates with a norm of their own

  @property
  def spatial_mean_only(self) -> bool:
    """Whether all gates see only the mean over H, W; that of x g is then mean(x) g."""
    return all(
      getattr(GATES[name], "spatial_mean_only", False) for name, _ in self.terms
    )

  def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> broadcastable to it
    return math.prod(self.factors(x))

  @nn.compact
  def factors(
    self,
    x: jax.Array,
    *,
    bias: jax.Array | None = None,
    mean: jax.Array | None = None,
    dtype: DTypeLike | None = None,
  ) -> list[jax.Array]:
    """x [B, H, W, C] -> what it is to be multiplied with, each broadcastable to it.

    Args:
      bias: [C], what is yet to be added to x.
      mean: that of x + bias over H and W, [B, 1, 1, C], where it is known.
      dtype: of x before it was widened to float32, where it was.
    """
    product = []
    for position, (name, kwargs) in enumerate(self.terms):
      label = labelled(self.terms, position)
      gate = partial(GATES[name](**kwargs, name=label), train=self.train)
      if getattr(GATES[name], "spatial_mean_only", False) and mean is not None:
        g = gate(mean)
      elif getattr(GATES[name], "channel_mean_only", False) and (
        parts := split([*product, jnp.ones((1, 1, 1, 1), widen(x).dtype)], x.shape)
      ):
        p, q = parts
        g = gate(q * channel_mean(widen(x), bias, p, jnp.dtype(dtype or x.dtype)))
      elif getattr(GATES[name], "wants_known", False) and not product:
        g = gate(x, bias=bias, mean=mean, dtype=dtype)
      else:
        now = x if bias is None else x + bias
        g = gate((now * math.prod(product)).astype(x.dtype) if product else now)
      factors = g if isinstance(g, tuple) else (g,)
      g = math.prod(factors)
      record(self, f"{label}_gate", g)
      if len(factors) > 1:
        for kind, factor in zip(("channel", "spatial"), factors, strict=True):
          record(self, f"{label}_{kind}", factor)
      product += factors
      mean = None if mean is None or g.shape[1:3] != (1, 1) else mean * g
    return product


class Transforms(nn.Module):
  """The transforms of one spec, such as 'dnl', one after the other."""

  terms: Stage

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:  # [B, H, W, C], too
    for position, (name, kwargs) in enumerate(self.terms):
      label = labelled(self.terms, position)
      x = TRANSFORMS[name](**kwargs, name=label)(x, train=train)
    return x


def labelled(terms: Stage, position: int) -> str:
  """The name of a term in its series: 'se', and the second such 'se2'."""
  name = terms[position][0]
  repeats = sum(name == other for other, _ in terms[:position])
  return f"{name}{repeats + 1}" if repeats else name
