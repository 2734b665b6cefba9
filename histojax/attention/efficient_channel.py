"""Efficient Channel Attention (Wang et al., CVPR 2020, arXiv 1910.03151)."""

import math
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp


class EfficientChannel(nn.Module):
  """s = sigmoid(w * z), z = mean_hw(x): each channel by its k neighbours (equation 9).

  k is the odd number nearest to (log2(C) + 1) / 2, as the authors' code rounds it, and
  at least 3 (equation 12; gamma = 2, b = 1). k parameters.
  """

  spatial_mean_only: ClassVar[bool] = True

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:  # -> [B, 1, 1, C]
    del train
    channels = x.shape[-1]
    z = x.mean((1, 2), keepdims=True, dtype=jnp.promote_types(x.dtype, jnp.float32))
    k = neighbours(channels)
    padded = jnp.pad(z, ((0, 0), (0, 0), (0, 0), (k // 2, k // 2)))
    taps = jnp.stack([padded[..., i : i + channels] for i in range(k)], axis=-1)
    start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # PyTorch's
    conv = nn.Dense(
      1, use_bias=False, kernel_init=start, precision="highest", name="conv"
    )
    return nn.sigmoid(conv(taps)[..., 0])


def neighbours(channels: int) -> int:
  """k for C channels: 5 from 128 to 2,047 channels, 7 for 2,048."""
  t = int((math.log2(channels) + 1) / 2)
  return max(t if t % 2 else t + 1, 3)
