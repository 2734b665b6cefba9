"""Random flips: two signs per image, which the affine sampling absorbs at no cost."""

import jax
import jax.numpy as jnp

from histojax.errors import InputError, nearest

FLIPS = ("none", "horizontal", "both", "all")


def signs(key, batch, flip, *, train):
  """Draws float32 [batch, 2] of +-1: the signs of each image's output x and y axis.

  'horizontal' mirrors left-right with probability 1/2, 'both' also top-bottom; nothing
  is drawn in evaluation, nor of 'all', whose four versions a plan deals out, and `key`
  may be None. Unknown flip: InputError.
  """
  if flip not in FLIPS:
    raise InputError(f"flip {flip!r} is unknown: {nearest(flip, FLIPS)}")
  if flip in ("none", "all") or not train:
    return jnp.ones((batch, 2), jnp.float32)
  drawn = jax.random.rademacher(key, (batch, 2), jnp.float32)
  return drawn if flip == "both" else drawn.at[:, 1].set(1.0)
