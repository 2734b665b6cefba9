"""The layers that every backbone is built of."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.attention.series import Series
from histojax.ops.batch_norm import moments, scale_and_shift, scale_shift, shift, widen
from histojax.ops.conv_norm import conv_statistics, fold, second_moments
from histojax.ops.convolution import conv
from histojax.ops.gating import Branch, gated, gated_plain, split
from histojax.ops.norm_pool import scale_shift_max_pool
from histojax.ops.platform import platform

EPS, MOMENTUM = 1e-5, 0.9  # momentum as Flax counts it; PyTorch calls it 0.1


@dataclasses.dataclass(frozen=True)
class ConvNorm:
  """relu(norm(conv(x)) * gate + residual): one layer, because it is what can be fused.

  To be called inside a linen module's compact method. The parameters belong to that
  module, under `conv<name>/kernel`, `norm<name>/scale` and `norm<name>/bias`; the
  running statistics are `norm<name>/mean` and `norm<name>/var` in `batch_stats`, the
  variance being the biased one of the batch (PyTorch keeps n / (n - 1) times that).
  With `bias` there is a `conv<name>/bias` before the norm, which takes it out again in
  training: only the running mean holds it, and a norm in inference mode lets it learn.
  """

  features: int
  kernel: int = 1
  strides: int = 1
  name: str = ""
  dtype: Any = jnp.float32
  zero_init: bool = False  # of the norm's scale: a residual block starts as identity
  groups: int = 1
  dilation: int = 1
  bias: bool = False  # of the convolution, before the norm

  def __call__(
    self,
    x: jax.Array,
    *,
    train: bool,
    residual: jax.Array | None = None,
    gate: Series | None = None,
    act: Callable[[jax.Array], jax.Array] | None = None,
    pool: bool = False,
    mean: bool = False,
    mean_of_x: jax.Array | None = None,
  ) -> jax.Array | tuple[jax.Array, jax.Array]:
    """x [B, H, W, C] -> [B, H', W', features] in `dtype`; H' = (H - 1) // strides + 1.

    Args:
      train: normalise by the batch and update the running statistics, else use those.
      residual: [B, H', W', features], added before the activation.
      gate: what the normalised branch is multiplied with, before the addition.
      act: `nn.relu` (fused), another elementwise function, or None.
      pool: a 3x3 max-pool of stride 2 after a ReLU, without gate or residual.
      mean: also returns the result's mean over H', W', float32 [B, 1, 1, features].
      mean_of_x: that of x, where the layer before has returned it.
    """
    relu, scope = act is nn.relu, f"norm{self.name}"
    of_mean = gate is not None and gate.spatial_mean_only
    norm = Norm(self.features, self.zero_init, name=f"norm{self.name}")
    shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
    kernel, bias = Kernel(shape, self.bias, name=f"conv{self.name}")()
    x = x.astype(self.dtype)
    if self.kernel == 1 and self.strides > 1:
      x = x[:, :: self.strides, :: self.strides]

    # y a + c is the normalised convolution. Out of training, and in an expanding 1x1, a
    # and c are known before y is, and a goes into the weights. (On a CPU the products
    # that the latter needs cost more than the passes it saves.)
    expands = self.kernel == 1 and self.groups == 1 and self.features > x.shape[-1]
    folds = not train or (expands and platform() == "gpu")
    if folds:
      with jax.named_scope(scope):
        if train:
          mean_x, products = second_moments(x)
          mean_x = mean_x if mean_of_x is None else mean_of_x.mean((0, 1, 2))
          seen = conv_statistics(mean_x, products, kernel[0, 0])
          a, _ = norm.from_batch(*seen, bias)
          kernel, c = fold(kernel, a, norm.bias, mean_x, self.dtype)
          c = c.reshape(-1)
        else:
          a, c = norm.from_running()
          kernel, c = kernel * a, c if bias is None else c + bias * a
      y, a = self._conv(x, kernel), jnp.ones_like(a)
    else:
      y = widen(self._conv(x, kernel))
      with jax.named_scope(scope):
        mean_y, squares = moments(y, per_image=gate is not None)
        over_batch = mean_y if gate is None else mean_y.mean((0, 1, 2))
        a, c = norm.from_batch(over_batch, squares - jnp.square(over_batch), bias)

    if gate is None:
      with jax.named_scope(scope):
        if pool:
          z = scale_shift_max_pool(y, a, c, dtype=self.dtype)
        elif folds:
          z = shift(y, c, residual, relu=relu, dtype=self.dtype)
        else:
          z = scale_shift(y, a, c, residual, relu=relu, dtype=self.dtype, mean=mean)
          if mean:
            return z
    else:
      if folds and expands:
        mean_x = moments(x, per_image=True)[0] if mean_of_x is None else mean_of_x
        mean_y = jnp.matmul(mean_x, widen(kernel[0, 0]), precision="highest")
      elif folds:
        mean_y = moments(y, per_image=True)[0]
      mean_u = mean_y * a + c  # [B, 1, 1, C]
      if of_mean:
        g = gate(mean_u)
        with jax.named_scope(scope):
          z = scale_shift(y, a * g, c * g, residual, relu=relu, dtype=self.dtype)
      else:
        if not folds:
          with jax.named_scope(scope):
            y = widen(scale_shift(y, a, c, relu=False, dtype=self.dtype))
          c = jnp.zeros_like(c)
        branch = Branch(widen(y), c, mean_u, self.dtype)
        factors, end = gate.factors(branch), {"relu": relu, "dtype": self.dtype}
        parts = split(factors)
        with jax.named_scope("attention"):
          if parts:
            z = gated(branch, *parts, residual, **end)
          else:
            z = gated_plain(y, c, math.prod(factors), 1.0, residual, **end)
    z = z if relu or act is None else act(z)
    return (z, moments(z, per_image=True)[0]) if mean else z

  def _conv(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
    strides = 1 if self.kernel == 1 else self.strides
    with jax.named_scope(f"conv{self.name}"):
      return conv(
        x,
        kernel.astype(self.dtype),
        strides,
        groups=self.groups,
        dilation=self.dilation,
      )


class Kernel(nn.Module):
  """A convolution's weights, [k, k, C, F]; He et al. 2015, fan-out, normal; its bias.

  The bias is [F], from 0 on, or None where there is none.
  """

  shape: tuple[int, int, int, int]
  bias: bool = False

  @nn.compact
  def __call__(self) -> tuple[jax.Array, jax.Array | None]:
    initializer = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
    kernel = self.param("kernel", initializer, self.shape)
    zeros = nn.initializers.zeros
    return kernel, self.param("bias", zeros, self.shape[-1:]) if self.bias else None


class Norm(nn.Module):
  """The parameters and running statistics of a batch normalisation, float32."""

  features: int
  zero_init: bool = False

  def setup(self):
    shape = (self.features,)
    start = nn.initializers.constant(0.0 if self.zero_init else 1.0)
    self.scale = self.param("scale", start, shape)
    self.bias = self.param("bias", nn.initializers.zeros, shape)
    self.mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
    self.var = self.variable("batch_stats", "var", jnp.ones, shape)

  def from_batch(
    self, mean: jax.Array, variance: jax.Array, bias: jax.Array | None = None
  ) -> tuple:
    """The batch's mean and variance, [C] -> (a, c); updates the running ones.

    bias: what the convolution has yet to add; to the running mean it is added.
    """
    variance = jnp.maximum(variance, 0)  # a difference of rounded numbers
    if not self.is_initializing():
      seen = mean if bias is None else mean + bias
      for running, value in ((self.mean, seen), (self.var, variance)):
        running.value = MOMENTUM * running.value + (1 - MOMENTUM) * value
    return scale_and_shift(mean, variance, self.scale, self.bias, EPS)

  def from_running(self) -> tuple:
    """-> (a, c) [C] of the running statistics."""
    return scale_and_shift(self.mean.value, self.var.value, self.scale, self.bias, EPS)
