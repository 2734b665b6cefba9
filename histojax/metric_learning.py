"""Losses between the images of a batch: batch-hard triplets and Cauchy hashing.

Both compare every image of the batch with every other, over all devices.
"""

import jax.numpy as jnp

TINY = 1e-12  # under a root: its gradient at 0 stays finite


def batch_hard_triplet(embedding, labels, margin):
  """[B]: max(0, margin + max_p |a - p| - min_n |a - n|) of each anchor a.

  Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification", 2017,
  https://arxiv.org/abs/1703.07737, L_BH: p the farthest image of a's class, n the
  nearest of another, Euclidean. An anchor that lacks either costs nothing.

  Args:
    embedding: float32 [B, E], of unit length.
    labels: int32 [B].
  """
  # differences, not 2 - 2 cos: near 0 that would be all rounding
  square = jnp.square(embedding[:, None] - embedding[None]).sum(-1)  # [B, B]
  distance = jnp.sqrt(square + TINY)
  same, other = _pairs(labels)
  positive = jnp.where(same, distance, -jnp.inf).max(1)
  negative = jnp.where(other, distance, jnp.inf).min(1)
  whole = same.any(1) & other.any(1)
  gap = jnp.where(whole, positive, 0) - jnp.where(whole, negative, 0)
  return jnp.where(whole, jnp.maximum(0, margin + gap), 0)


def cauchy_hashing(codes, labels, gamma):
  """[B]: what each image has of the Cauchy cross entropy of all pairs.

  Cao et al., "Deep Cauchy Hashing for Hamming Space Retrieval", CVPR 2018, the L
  of its Cauchy cross-entropy loss:

    d_ij = K / 2 (1 - cos(h_i, h_j)),  L = sum_ij w_ij (s_ij log(d_ij / gamma)
                                           + log(1 + gamma / d_ij))

  so a pair of one class costs log(1 + d / gamma), another log(1 + gamma / d); w_ij is
  |S| / |S_1| or |S| / |S_0|, which weighs both kinds of pairs alike. Here over ordered
  pairs i != j and divided by |S|: the mean of [B] is the mean over pairs of one class
  plus the mean over pairs of two. The paper's second term, quantisation, is left out:
  no code is rounded here.

  Args:
    codes: float32 [B, K] in (-1, 1), K bits.
    labels: int32 [B].
  """
  batch, bits = codes.shape
  unit = codes / jnp.sqrt(jnp.square(codes).sum(-1, keepdims=True) + TINY)
  # |u - v|^2 / 2 is 1 - cos, without its rounding
  distance = bits / 4 * jnp.square(unit[:, None] - unit[None]).sum(-1)  # [B, B]
  same, other = _pairs(labels)
  near = jnp.log1p(distance / gamma)
  apart = near - jnp.log(jnp.maximum(distance, 1e-6) / gamma)  # log(1 + gamma / d)

  def share(cost, pairs):  # batch x what a row adds to the mean over these pairs
    return batch * jnp.where(pairs, cost, 0).sum(1) / jnp.maximum(pairs.sum(), 1)

  return share(near, same) + share(apart, other)


def _pairs(labels):
  """Which pairs are of one class, which of two: bool [B, B] each, none with itself."""
  equal = labels[:, None] == labels[None]
  return equal & ~jnp.eye(len(labels), dtype=bool), ~equal
