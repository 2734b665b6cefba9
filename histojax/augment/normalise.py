"""Mean and standard deviation, and the one cast to the compute dtype."""

import jax.numpy as jnp
import numpy as np

from histojax.errors import InputError, nearest

NORMALISE = ("fixed", "image")
FLOOR = 5.0  # grey levels: an almost empty image is not blown up to noise


def normalised(pixels, how, *, mean, std, dtype):
  """float32 [B, H, W, 3] in 0..255 -> about zero mean and unit variance, cast last.

  `fixed`: (pixels / 255 - mean) / std, three numbers each in units where white is 1.
  `image`: by each image's own mean and deviation per channel, which takes away what
  stain and scanner do to a whole slide.

  Raises:
    InputError: another `how`.
  """
  if how not in NORMALISE:
    raise InputError(f"augment.normalise={how!r}: {nearest(how, NORMALISE)}")
  if how == "image":
    centred = pixels - pixels.mean((1, 2), keepdims=True)
    variance = jnp.square(centred).mean((1, 2), keepdims=True)
    return (centred * jnp.reciprocal(jnp.sqrt(variance + FLOOR**2))).astype(dtype)
  mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
  scale, shift = jnp.float32(1 / (255 * std)), jnp.float32(mean / std)
  return (pixels * scale - shift).astype(dtype)
