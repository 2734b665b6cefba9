"""Blocks in series: each sees what the ones before it made of x."""

import math
from functools import partial

import flax.linen as nn
import jax

from histojax.attention import GATES, TRANSFORMS
from histojax.attention.recorded import record
from histojax.ops.gating import Branch, split
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
  def factors(self, x: jax.Array | Branch) -> list[jax.Array]:
    """x [B, H, W, C] -> what it is to be multiplied with, each broadcastable to it."""
    x = x if isinstance(x, Branch) else Branch(x)
    product, mean = [], x.mean
    for position, (name, kwargs) in enumerate(self.terms):
      label = labelled(self.terms, position)
      gate = partial(GATES[name](**kwargs, name=label), train=self.train)
      if getattr(GATES[name], "spatial_mean_only", False) and mean is not None:
        g = gate(mean)
      elif getattr(GATES[name], "channel_mean_only", False) and (
        parts := split(product)
      ):
        p, q = parts
        seen = x.times(p)[0].mean(-1, keepdims=True)
        g = gate(seen if q is None else q * seen)
      elif getattr(GATES[name], "wants_branch", False) and not product:
        g = gate(x)
      else:
        g = gate((x.u * math.prod(product)).astype(x.y.dtype) if product else x.u)
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
