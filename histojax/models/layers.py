"""The layers that every backbone is built of."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.attention.series import Series
from histojax.ops.batch_norm import moments, scale_and_shift, scale_shift, widen
from histojax.ops.convolution import conv

EPS, MOMENTUM = 1e-5, 0.9  # momentum as Flax counts it; PyTorch calls it 0.1


@dataclasses.dataclass(frozen=True)
class ConvNorm:
  """relu(norm(conv(x)) * gate + residual): one layer, because it is what can be fused.

  To be called inside a linen module's compact method. The parameters belong to that
  module, under `conv<name>/kernel`, `norm<name>/scale` and `norm<name>/bias`; the
  running statistics are `norm<name>/mean` and `norm<name>/var` in `batch_stats`, the
  variance being the biased one of the batch (PyTorch keeps n / (n - 1) times that).
  """

  features: int
  kernel: int = 1
  strides: int = 1
  name: str = ""
  dtype: Any = jnp.float32
  zero_init: bool = False  # of the norm's scale: a residual block starts as identity
  groups: int = 1
  dilation: int = 1

  def __call__(
    self,
    x: jax.Array,
    *,
    train: bool,
    residual: jax.Array | None = None,
    gate: Series | None = None,
    act: Callable[[jax.Array], jax.Array] | None = None,
  ) -> jax.Array:
    """x [B, H, W, C] -> [B, H', W', features] in `dtype`; H' = (H - 1) // strides + 1.

    Args:
      train: normalise by the batch and update the running statistics, else use those.
      residual: [B, H', W', features], added before the activation.
      gate: what the normalised branch is multiplied with, before the addition.
      act: `nn.relu` (fused), another elementwise function, or None.
    """
    norm = Norm(self.features, self.zero_init, name=f"norm{self.name}")
    shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.features)
    kernel = Kernel(shape, name=f"conv{self.name}")()
    x = x.astype(self.dtype)
    if train:
      y = widen(conv(x, kernel.astype(self.dtype), self.strides))
      per_image, squares = moments(y)  # [B, 1, 1, C], [C]
      a, c = norm.from_batch(per_image.mean((0, 1, 2)), squares)
    else:
      # The running statistics are known before the convolution: a goes into the kernel.
      a, c = norm.from_running()
      y = conv(x, (kernel * a).astype(self.dtype), self.strides)
      a = jnp.ones_like(a)
      per_image = None
    relu = act is nn.relu
    if gate is None:
      z = scale_shift(y, a, c, residual, relu=relu, dtype=self.dtype)
    elif gate.spatial_mean_only:
      if per_image is None:
        per_image = moments(y)[0]
      g = gate(per_image * a + c)  # [B, 1, 1, C]
      z = scale_shift(y, a * g, c * g, residual, relu=relu, dtype=self.dtype)
    else:
      normalised = scale_shift(y, a, c, relu=False, dtype=self.dtype)
      z = normalised * gate(normalised)
      z = z.astype(self.dtype) if residual is None else z + residual
      z = (nn.relu(z) if relu else z).astype(self.dtype)
    return z if relu or act is None else act(z)


class Kernel(nn.Module):
  """The weights of a convolution, [k, k, C, F]; He et al. 2015, fan-out, normal."""

  shape: tuple[int, int, int, int]

  @nn.compact
  def __call__(self) -> jax.Array:
    initializer = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
    return self.param("kernel", initializer, self.shape)


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

  def from_batch(self, mean: jax.Array, squares: jax.Array) -> tuple:
    """The batch's mean and mean of squares, [C] -> (a, c); updates the running ones."""
    variance = jnp.maximum(squares - jnp.square(mean), 0)
    if not self.is_initializing():
      for running, value in ((self.mean, mean), (self.var, variance)):
        running.value = MOMENTUM * running.value + (1 - MOMENTUM) * value
    return scale_and_shift(mean, variance, self.scale, self.bias, EPS)

  def from_running(self) -> tuple:
    """-> (a, c) [C] of the running statistics."""
    return scale_and_shift(self.mean.value, self.var.value, self.scale, self.bias, EPS)
