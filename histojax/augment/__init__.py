"""Augmentation on the device: a pure function of (key, uint8 batch) -> float batch."""

from histojax.augment import flips, jitter, rotation
from histojax.augment.normalise import normalised
from histojax.ops import warp


def view(
  images, extent, angle, key, *,
  size, canvas, fill, flip, normalise, mean, std, dtype, train, index=None,
  sign=None, shift=0.0, zoom=0.0,
):  # fmt: skip
  """What the network sees of a batch of stored images; traced into the step.

  Rotation, crop, resize, flip, shift and zoom are one affine sampling; one trace serves
  all angles, extents and keys. Angles apply in evaluation too, since the published test
  set is rotated; the rest in training only. Images, index, extent and fill as in
  `warp.affine`, angle and canvas as in `rotation.matrix`, key (None where nothing is
  drawn), flip and train as in `flips.signs`, shift and zoom as in `jitter.jittered`;
  the rest as in `normalised`, where `normalise` is `how`. `sign` float32 [B, 2] are
  flips that a plan has dealt out, in place of drawn ones.

  Returns:
    [B, size, size, 3] in dtype, normalised. Unknown canvas or flip: InputError.
  """
  matrix, shape = rotation.matrix(angle, extent, size=size, canvas=canvas)
  if sign is None:
    sign = flips.signs(key, len(angle), flip, train=train)
  matrix = matrix.at[:, :, :2].multiply(sign[:, None, :])
  jitters = train and bool(shift or zoom)
  if jitters:
    matrix, factor = jitter.jittered(matrix, key, size=size, shift=shift, zoom=zoom)
    shape = shape / factor[:, None]  # of what the output sees
  spread, reach = rotation.footprint(shape, size=size)
  reach = None if jitters else reach  # the border of the image is anywhere
  if canvas != "expand" and max(images.shape[1:3]) <= size and not jitters:
    spread = None  # nothing stored is larger than the output: no reduction to antialias
  options = {"size": size, "fill": fill, "spread": spread, "reach": reach}
  pixels = warp.affine(images, matrix, extent, index=index, **options)
  return normalised(pixels, normalise, mean=mean, std=std, dtype=dtype)
