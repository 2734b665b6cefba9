"""Squeeze-and-Excitation (Hu et al., CVPR 2018, arXiv 1709.01507, equations 2, 3)."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.errors import InputError


class SqueezeExcite(nn.Module):
  """s = sigmoid(W2 relu(W1 z + b1) + b2), z = mean_hw(x): a factor for each channel.

  W1: C -> C / ratio, W2: C / ratio -> C, with biases as in the authors' Caffe models:
  2 C^2 / ratio + C / ratio + C parameters. As published, ratio = 16.
  """

  ratio: int = 16
  spatial_mean_only: ClassVar[bool] = True

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:  # -> [B, 1, 1, C]
    del train
    if self.ratio < 1:
      raise InputError(f"se(ratio={self.ratio}): the ratio must be at least 1")
    channels = x.shape[-1]
    z = x.mean((1, 2), keepdims=True, dtype=jnp.promote_types(x.dtype, jnp.float32))
    z = nn.relu(nn.Dense(max(1, channels // self.ratio), name="fc1")(z))
    return nn.sigmoid(nn.Dense(channels, name="fc2")(z))
