"""What vision transformers are made of (Vaswani et al., arXiv 1706.03762, pre-norm)."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.attention.recorded import record
from histojax.errors import InputError
from histojax.spec import NONE

MLP_RATIO = 4
_START = nn.initializers.truncated_normal(0.02)


def no_attention_blocks(attention: str) -> None:
  """InputError unless the spec of attention blocks is 'none'."""
  if attention != NONE:
    raise InputError(
      f"attention={attention!r}: a vision transformer has no place for attention"
      " blocks; give 'none', or use a ResNet"
    )


def dense(features: int, dtype: jnp.dtype, name: str, bias: bool = True) -> nn.Dense:
  """A dense layer in `dtype`, its kernel [C, features] from N(0, 0.02), cut at two."""
  return nn.Dense(features, use_bias=bias, dtype=dtype, kernel_init=_START, name=name)


def layer_norm(eps: float, dtype: jnp.dtype, name: str) -> nn.LayerNorm:
  """Normalises the last axis, in float32; the result is in `dtype`."""
  # (x - mean)^2, not x^2 - mean^2: a token's mean can be large beside its deviation.
  return nn.LayerNorm(eps, dtype=dtype, use_fast_variance=False, name=name)


class SelfAttention(nn.Module):
  """proj(softmax(q k' / sqrt(d) + bias) v), `num_heads` times side by side.

  The softmax [..., heads, N, N] is recorded as `softmax` in the collection
  `attention_maps`, when the caller makes that collection mutable.
  """

  num_heads: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:  # [..., N, C] -> [..., N, C]
    return self.attend(x)

  def attend(self, x: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """The same with a bias broadcastable to [..., heads, N, N]."""
    width = x.shape[-1]
    packed = dense(3 * width, x.dtype, "qkv")(x)
    q, k, v = jnp.moveaxis(
      packed.reshape(*x.shape[:-1], 3, self.num_heads, width // self.num_heads), -3, 0
    )
    wide = jnp.promote_types(x.dtype, jnp.float32)  # of sums and softmax
    logits = jnp.einsum(
      "...qhd,...khd->...hqk", q * q.shape[-1] ** -0.5, k, preferred_element_type=wide
    )
    weights = jax.nn.softmax(logits if bias is None else logits + bias)
    record(self, "softmax", weights, "attention_maps")
    x = jnp.einsum("...hqk,...khd->...qhd", weights.astype(x.dtype), v)
    return dense(width, x.dtype, "proj")(x.reshape(*x.shape[:-2], width))


def residuals(
  x: jax.Array,
  attend: Callable[[jax.Array], jax.Array],
  *,
  train: bool,
  eps: float,
  layer_scale: bool = False,
  drop_path: float = 0.0,
) -> jax.Array:
  """x + s1 attend(norm1(x)), then x + s2 mlp(norm2(x)), the GELU being the exact one.

  To be called inside a linen module's compact method; the parameters belong to it.

  Args:
    x: [B, ..., C].
    attend: a layer of the caller's, from the shape of x to the same.
    eps: of both norms.
    layer_scale: whether there are factors s1, s2 per channel (Touvron et al., arXiv
      2103.17239), from 1 on as in DINOv2; else they are 1.
    drop_path: the share of images that skip a branch in training, which grows by
      1 / (1 - share) for the others (Huang et al., arXiv 1603.09382).
  """
  width, dtype = x.shape[-1], x.dtype

  def branch(number, x, layer):
    y = layer(layer_norm(eps, dtype, f"norm{number}")(x))
    if layer_scale:
      y = Scale(name=f"scale{number}")(y)
    if drop_path:
      whole = tuple(range(1, x.ndim))
      drop = nn.Dropout(drop_path, whole, name=f"drop{number}")
      y = drop(y, deterministic=not train)
    return x + y

  def mlp(x):
    x = dense(MLP_RATIO * width, dtype, "fc1")(x)
    return dense(width, dtype, "fc2")(nn.gelu(x, approximate=False))

  return branch(2, branch(1, x, attend), mlp)


class Scale(nn.Module):
  """A factor per channel."""

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    gamma = self.param("gamma", nn.initializers.ones, x.shape[-1:])
    return x * gamma.astype(x.dtype)
