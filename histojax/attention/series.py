"""Gates in series: each sees what the ones before it made of x."""

import math

import flax.linen as nn
import jax
from jax.typing import DTypeLike

from histojax.attention import GATES
from histojax.spec import Stage

# One array per gate, where `sow` by itself would gather a tuple.
_REPLACE = {"reduce_fn": lambda _, new: new, "init_fn": lambda: None}


class Series(nn.Module):
  """The product of the gates of one spec, such as 'se' or 'se+sam'.

  Every gate's factor is recorded as `<name>_gate` in the collection `gates`, when the
  caller makes that collection mutable, and costs nothing otherwise.
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
    known, product = {"bias": bias, "mean": mean, "dtype": dtype}, []
    for position, (name, kwargs) in enumerate(self.terms):
      repeats = sum(name == other for other, _ in self.terms[:position])
      label = f"{name}{repeats + 1}" if repeats else name
      gate = GATES[name](**kwargs, name=label)
      if getattr(gate, "wants_known", False):
        g = gate(x, train=self.train, **known)
      else:
        x = x if known["bias"] is None else x + known["bias"]
        known["bias"] = None
        g = gate(x, train=self.train)
      factors = g if isinstance(g, tuple) else (g,)
      g = math.prod(factors)
      if not self.is_initializing():
        self.sow("gates", f"{label}_gate", g, **_REPLACE)
      product += factors
      if position + 1 < len(self.terms):
        x = x if known["bias"] is None else x + known["bias"]
        x, known = (x * g).astype(x.dtype), dict.fromkeys(known)
    return product
