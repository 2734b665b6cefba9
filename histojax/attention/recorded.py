"""Maps of attention, kept for figures: nothing where nobody asks for them."""

import flax.linen as nn
import jax


def record(module: nn.Module, name: str, value: jax.Array, kind: str = "gates") -> None:
  """Puts `value` into the collection `kind`, if the caller made it mutable.

  One array under each name, where `sow` by itself would gather a tuple.
  """
  if not module.is_initializing():
    replace = {"reduce_fn": lambda _, new: new, "init_fn": lambda: None}
    module.sow(kind, name, value, **replace)
