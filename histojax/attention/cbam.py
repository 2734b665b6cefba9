"""Convolutional Block Attention Module (Woo et al., ECCV 2018, arXiv 1807.06521)."""

from typing import ClassVar

import flax.linen as nn
import jax

from histojax.errors import InputError
from histojax.ops.convolution import conv
from histojax.ops.gating import Branch, channel_pool, highest


class CBAM(nn.Module):
  """M = M_c * M_s: what matters (channels), then where, seen after the channels.

  M_c = sigmoid(MLP(mean_hw(x)) + MLP(max_hw(x)))                        (equation 2)
  M_s = sigmoid(norm(conv([max_c(M_c x), mean_c(M_c x)])))               (equation 3)

  As in the authors' code: max before mean, a norm after the 7x7 convolution (the paper
  has none). 2 C^2 / ratio + C / ratio + C + 2 kernel^2 + 2 parameters.
  """

  ratio: int = 16
  kernel: int = 7
  wants_branch: ClassVar[bool] = True

  @nn.compact
  def __call__(
    self, x: jax.Array | Branch, *, train: bool
  ) -> tuple[jax.Array, jax.Array]:
    """x [B, H, W, C] -> M_c [B, 1, 1, C] and M_s [B, H, W, 1]."""
    if self.ratio < 1 or self.kernel not in range(1, 32, 2):
      raise InputError(
        f"cbam(ratio={self.ratio}, kernel={self.kernel}): the ratio must be at least 1,"
        " the kernel odd, from 1 to 31"
      )
    x = x if isinstance(x, Branch) else Branch(x)
    mean = x.wide.mean((1, 2), keepdims=True) + x.c if x.mean is None else x.mean
    top = highest(x.wide, x.dtype) + x.c
    channel = ChannelGate(self.ratio, name="channel")(mean, top)
    pooled = channel_pool(x.times(channel)[0], x.dtype)  # [B, H, W, 2]
    return channel, SpatialGate(self.kernel, name="spatial")(pooled, train=train)


class ChannelGate(nn.Module):
  """sigmoid(MLP(mean) + MLP(max)): one MLP C -> C / ratio -> C, ReLU, with biases."""

  ratio: int

  @nn.compact
  def __call__(self, mean: jax.Array, top: jax.Array) -> jax.Array:
    """Mean and max over H, W, each [B, 1, 1, C] -> [B, 1, 1, C]."""
    channels = mean.shape[-1]
    start = nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")  # PyTorch's
    fc1 = nn.Dense(max(1, channels // self.ratio), kernel_init=start, name="fc1")
    fc2 = nn.Dense(channels, kernel_init=start, name="fc2")
    return nn.sigmoid(fc2(nn.relu(fc1(mean))) + fc2(nn.relu(fc1(top))))


class SpatialGate(nn.Module):
  """sigmoid(norm(conv(pooled))), one channel; the norm's scale starts at 0, g at 1/2.

  The running statistics keep 0.99 of their value at each step (PyTorch's 0.01).
  """

  kernel: int

  @nn.compact
  def __call__(self, pooled: jax.Array, *, train: bool) -> jax.Array:
    """Max and mean over C, [B, H, W, 2] -> [B, H, W, 1]."""
    y = Conv(self.kernel, name="conv")(pooled)
    norm = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.99,
      epsilon=1e-5,
      use_fast_variance=False,
      scale_init=nn.initializers.zeros,
      name="norm",
    )
    return nn.sigmoid(norm(y))


class Conv(nn.Module):
  """2 -> 1 channels, no bias; He et al. 2015, fan-out, normal."""

  size: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    start = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
    return conv(x, self.param("kernel", start, (self.size, self.size, 2, 1)))
