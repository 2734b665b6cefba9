"""Attention rollout (Abnar and Zuidema, ACL 2020, arXiv 2005.00928, section 3)."""

import jax
import jax.numpy as jnp


def rollout(weights: list[jax.Array]) -> jax.Array:
  """A_L ... A_1, A = 0.5 W + 0.5 I: of softmaxes [B, heads, N, N] -> [B, N, N].

  W is the mean over heads; the residual branch is the other half. From the first block
  to the last; row i says how much of each token of the input is in token i at the end.
  """
  product = None
  for softmax in weights:
    mean = softmax.mean(-3)
    a = 0.5 * mean + 0.5 * jnp.eye(mean.shape[-1], dtype=mean.dtype)
    a = a / a.sum(-1, keepdims=True)
    product = a if product is None else jnp.matmul(a, product, precision="highest")
  return product
