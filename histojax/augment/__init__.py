"""Augmentation on the device: a pure function of (key, uint8 batch) -> float batch."""

from histojax.augment import flips, rotation
from histojax.augment.normalise import normalised
from histojax.ops import warp


def view(
  images, extent, angle, key, *,
  size, canvas, fill, flip, normalise, mean, std, dtype, train, index=None,
):  # fmt: skip
  """What the network sees of a batch of stored images; traced into the step.

  Rotation, crop, resize and flip are one affine sampling; one trace serves all angles,
  extents and keys. Angles apply in evaluation too, since the published test set is
  rotated; flips in training only. Images, index, extent and fill as in `warp.affine`,
  angle and canvas as in `rotation.matrix`, key (None where nothing is drawn), flip and
  train as in `flips.signs`; the rest as in `normalised`, where `normalise` is `how`.

  Returns:
    [B, size, size, 3] in dtype, normalised. Unknown canvas or flip: InputError.
  """
  matrix, shape = rotation.matrix(angle, extent, size=size, canvas=canvas)
  sign = flips.signs(key, len(angle), flip, train=train)
  matrix = matrix.at[:, :, :2].multiply(sign[:, None, :])
  spread, reach = rotation.footprint(shape, size=size)
  if canvas != "expand" and max(images.shape[1:3]) <= size:
    spread = None  # nothing stored is larger than the output: no reduction to antialias
  options = {"size": size, "fill": fill, "spread": spread, "reach": reach}
  pixels = warp.affine(images, matrix, extent, index=index, **options)
  return normalised(pixels, normalise, mean=mean, std=std, dtype=dtype)
