"""Selective Kernel unit (Li et al., CVPR 2019, arXiv 1903.06586, equations 1 to 6)."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.attention.recorded import record
from histojax.errors import InputError

LARGEST = {"branches": 8, "smallest": 65_536}


class SelectiveKernel(nn.Module):
  """Each channel chooses among 3x3 convolutions of growing reach, by the whole map.

  U_m = relu(norm(conv3x3(x))), dilated by m (the paper's 3x3, 5x5, ...), m = 1 ... M
  z = relu(norm(W mean_hw(U_1 + ... + U_M))),  W: C -> d = max(C / ratio, smallest)
  a = softmax over m of V z,  V: d -> M C;     out = a_1 U_1 + ... + a_M U_M

  As in the authors' Caffe model of SKNet-50: M = 2 branches, G = 32 groups, r = 16,
  L = 32. M (9 C^2 / G + 2 C) + d (C + 2) + M C d parameters.

  With `split` each branch reads its own C / M of the channels of x, so that the first
  term is 9 C^2 / G + 2 M C: timm's skresnet50 is sk(groups=1, smallest=8, split=True).
  """

  branches: int = 2
  groups: int = 32
  ratio: int = 16
  smallest: int = 32
  split: bool = False

  @nn.compact
  def __call__(
    self, x: jax.Array, *, layer: partial, strides: int, train: bool
  ) -> jax.Array:
    """x [B, H, W, C] -> [B, H', W', C] in its dtype; H' = (H - 1) // strides + 1.

    Args:
      layer: makes a convolution with its norm: `models.layers.ConvNorm` and its dtype.
    """
    channels = x.shape[-1]
    for key in ("branches", "groups", "ratio", "smallest"):
      if not 1 <= getattr(self, key) <= LARGEST.get(key, math.inf):
        upto = f", at most {LARGEST[key]:,}" if key in LARGEST else ""
        raise InputError(f"sk({key}={getattr(self, key)}) must be at least 1{upto}")
    if channels % self.groups:
      raise InputError(
        f"sk(groups={self.groups}): {channels} channels cannot be split into"
        f" {self.groups} groups; give a divisor, such as sk(groups=4)"
      )
    read = self.branches if self.split else 1
    if channels // read % self.groups or channels % read:
      raise InputError(
        f"sk(split=True): {channels} channels cannot be split among {read} branches of"
        f" {self.groups} groups; give divisors of them"
      )
    given = jnp.split(x, read, axis=-1) if self.split else [x] * self.branches
    parts, means = [], []
    for m in range(1, self.branches + 1):
      branch = layer(
        channels, 3, strides, groups=self.groups, dilation=m, name=f"_branch{m}"
      )
      u, mean = branch(given[m - 1], train=train, act=nn.relu, mean=True)
      parts.append(u)
      means.append(mean[:, 0, 0])  # [B, C]
    dense = partial(nn.Dense, use_bias=False, kernel_init=nn.initializers.normal(0.01))
    width = max(channels // self.ratio, self.smallest)
    z = dense(width, name="fc1")(sum(means))  # [B, d]
    # images differ little: E[z^2] - E[z]^2 in float32 would be mostly rounding
    norm = nn.BatchNorm(not train, momentum=0.9, use_fast_variance=False, name="norm")
    logits = dense(self.branches * channels, name="fc2")(nn.relu(norm(z)))
    logits = logits.reshape(-1, 1, 1, self.branches, channels)
    a = nn.softmax(logits, axis=-2)  # [B, 1, 1, M, C]
    record(self, "sk_gate", a)
    mixed = sum(a[..., m, :] * u for m, u in enumerate(parts))
    return mixed.astype(x.dtype)
