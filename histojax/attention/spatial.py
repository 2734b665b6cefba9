"""Spatial attention (Multiple Attention Fusion, CISP-BMEI 2021, equations 4 to 6)."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.errors import InputError, nearest

# name -> (function, the m and b it starts with): 1/2 near a mean of 0, and identity
_GATES = {
  "sigmoid": (nn.sigmoid, 1.0, 0.0),
  "none": (lambda z: z, 0.0, 1.0),
}


class SpatialAttention(nn.Module):
  """G = sigmoid(m mean_c(x) + b): a factor for each place.

  m and b are a 1x1 convolution of one channel: 2 parameters. The equations have no
  sigmoid, which makes x G quadratic in x and unbounded: that is gate='none'. Nor do
  they speak of b and of where m and b start.
  """

  gate: str = "sigmoid"
  channel_mean_only: ClassVar[bool] = True

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """x [B, H, W, C], or its mean over C, [B, H, W, 1] -> [B, H, W, 1] float32."""
    del train
    if self.gate not in _GATES:
      raise InputError(f"sam(gate={self.gate}): {nearest(self.gate, _GATES)}")
    act, m, b = _GATES[self.gate]
    wide = jnp.promote_types(x.dtype, jnp.float32)
    mean = x.mean(-1, keepdims=True, dtype=wide)
    start = {"kernel_init": nn.initializers.constant(m)}
    start["bias_init"] = nn.initializers.constant(b)
    return act(nn.Dense(1, precision="highest", name="conv", **start)(mean))
