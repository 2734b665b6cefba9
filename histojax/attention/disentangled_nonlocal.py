"""Disentangled non-local block (Yin et al., ECCV 2020, arXiv 2006.06668)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.attention.recorded import record
from histojax.errors import InputError


class DisentangledNonLocal(nn.Module):
  """y_i = x_i + sum_j w(i, j) v_j: each place sees all others, in two ways.

  w(i, j) = softmax_j[(q_i - mean q)' (k_j - mean k) / sqrt(C/2)] + softmax_j[m_j]

  q, k: C -> C/2 and m: C -> 1 with biases, v: C -> C without; means over the places of
  an image. What a pair has in common, and how salient a place is by itself:
  2 C^2 + 2 C + 1 parameters. The sources differ:

  dnl                              as above, the formula of the cervical paper
  dnl(scale=False, gamma=True)     the authors' code, where q and k are exempt from
                                   weight decay; gamma, from 0, times the first sum
  dnl(temperature=0.05, out=True)  mmsegmentation: v: C -> C/2 with bias, and a last
                                   C/2 -> C with bias, from 0: 3 C / 2 more parameters

  The biases of q, k and m change nothing: the means and the softmax take them off.
  They are there because the sources' weights have them, and get no gradient.
  """

  scale: bool = True
  temperature: float = 1.0
  gamma: bool = False
  out: bool = False

  @nn.compact
  def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
    """x [B, H, W, C] -> the same shape and dtype; records both maps in `gates`."""
    del train
    batch, height, width, channels = x.shape
    half = channels // 2
    if half < 1 or not self.temperature > 0:
      raise InputError(
        f"dnl(temperature={self.temperature}) on {channels} channels: give a"
        " temperature above 0, and at least 2 channels"
      )
    places = x.reshape(batch, -1, channels)
    q = Project(half, name="query")(places)  # [B, N, C/2]
    k = Project(half, name="key")(places)
    v = Project(half if self.out else channels, self.out, name="value")(places)
    m = Project(1, name="mask")(places)  # [B, N, 1]

    q, k = (t - t.mean(1, keepdims=True) for t in (q, k))
    logits = jnp.einsum("bic,bjc->bij", q, k, precision="highest")
    logits = logits * ((half**-0.5 if self.scale else 1.0) / self.temperature)
    pairwise = nn.softmax(logits, axis=-1)  # [B, N, N]
    unary = nn.softmax(m[..., 0], axis=-1)  # [B, N]
    record(self, "dnl_pairwise", pairwise)
    record(self, "dnl_unary", unary.reshape(batch, height, width, 1))

    y = jnp.einsum("bij,bjc->bic", pairwise, v)
    if self.gamma:
      y = y * self.param("gamma", nn.initializers.zeros, (1,))
    y = y + jnp.einsum("bj,bjc->bc", unary, v)[:, None]
    if self.out:
      last = Project(channels, start=nn.initializers.zeros, name="out")
      y = last(y.astype(x.dtype))
    return (x + y.reshape(x.shape)).astype(x.dtype)


class Project(nn.Module):
  """A 1x1 convolution: x [B, N, C] -> [B, N, features], summed in float32."""

  features: int
  bias: bool = True
  start: nn.initializers.Initializer = nn.initializers.normal(0.01)

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    wide = jnp.promote_types(x.dtype, jnp.float32)
    kernel = self.param("kernel", self.start, (x.shape[-1], self.features))
    contract = (((x.ndim - 1,), (0,)), ((), ()))
    y = lax.dot_general(
      x, kernel.astype(x.dtype), contract, preferred_element_type=wide
    )
    if not self.bias:
      return y
    return y + self.param("bias", nn.initializers.zeros, (self.features,))
