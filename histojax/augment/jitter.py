"""Random shift and zoom: three numbers per image, folded into the affine sampling."""

import jax
import jax.numpy as jnp


def jittered(matrix, key, *, size, shift, zoom):
  """The maps [B, 2, 3] after each picture was zoomed, then moved; and its zoom [B].

  The output pixel u shows what stood at (u - d) / z: z uniform in [1 - zoom, 1 + zoom],
  one for both axes, d uniform in [-shift, shift] of the side, for each axis its own.
  """
  zoom_key, shift_key = jax.random.split(jax.random.fold_in(key, 1))  # flips draw key
  ends = {"minval": -1.0, "maxval": 1.0}
  factor = 1 + zoom * jax.random.uniform(zoom_key, matrix.shape[:1], **ends)
  moved = shift * size * jax.random.uniform(shift_key, (*matrix.shape[:1], 2), **ends)
  linear = matrix[:, :, :2] / factor[:, None, None]
  offset = matrix[:, :, 2] - (linear * moved[:, None, :]).sum(-1)
  return jnp.concatenate([linear, offset[:, :, None]], axis=-1), factor
