"""Gates in series: each sees what the ones before it made of x."""

import flax.linen as nn
import jax

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

  @property
  def spatial_mean_only(self) -> bool:
    """Whether all gates see only the mean over H, W; that of x g is then mean(x) g."""
    return all(
      getattr(GATES[name], "spatial_mean_only", False) for name, _ in self.terms
    )

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:  # [B, H, W, C] -> broadcastable to it
    product = None
    for position, (name, kwargs) in enumerate(self.terms):
      repeats = sum(name == other for other, _ in self.terms[:position])
      label = f"{name}{repeats + 1}" if repeats else name
      g = GATES[name](**kwargs, name=label)(x)
      if not self.is_initializing():
        self.sow("gates", f"{label}_gate", g, **_REPLACE)
      product = g if product is None else product * g
      x = (x * g).astype(x.dtype)
    return product
