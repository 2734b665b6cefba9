"""The "lightweight attention" of DALAResNet50 (arXiv 2308.13150), as far as known.

Its inside is not public: one module in the last stage of a ResNet50 is all that the
paper's available text says. So this is an assumption, and what it may be has a name.
"""

import flax.linen as nn
import jax

from histojax.attention.efficient_channel import EfficientChannel
from histojax.attention.recorded import record
from histojax.attention.squeeze_excite import SqueezeExcite
from histojax.errors import InputError, nearest

_GATES = {"se": SqueezeExcite, "eca": EfficientChannel}


class LightweightAttention(nn.Module):
  """x g(x), once on a stage's output: g is 'se' of ratio 16, or 'eca'.

  C^2 / 8 + C / 16 + C parameters, or the k of `EfficientChannel`.
  """

  gate: str = "se"

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """x [B, H, W, C] -> the same shape and dtype; records g in `gates`."""
    if self.gate not in _GATES:
      raise InputError(f"lam(gate={self.gate}): {nearest(self.gate, _GATES)}")
    g = _GATES[self.gate](name=self.gate)(x, train=train)  # [B, 1, 1, C]
    record(self, "lam_gate", g)
    return (x * g).astype(x.dtype)
