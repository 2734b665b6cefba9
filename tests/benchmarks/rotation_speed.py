"""Images per second rotated by any angle, 224 px, uint8 in: ours or a peer's.

    PYTHONPATH=. python tests/benchmarks/rotation_speed.py ours|opencv|torchvision|...

Bilinear, on the same canvas, two threads where the library has threads. Ours also
normalises and returns float32, which is what a step reads; so do opencv_normalised,
torchvision and kornia. opencv, scipy and pillow return uint8. Prints JSON.
"""

import json
import statistics
import sys
import time

import numpy as np

BATCH, SIZE, REPEATS = 64, 224, 30
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8)
ANGLES = RNG.uniform(0, 360, BATCH).astype(np.float32)


def ours():
  import jax
  import jax.numpy as jnp

  from histojax import augment

  view = jax.jit(
    lambda images, extent, angle: augment.view(
      images, extent, angle, None, size=SIZE, canvas="same", fill=(0, 0, 0),
      flip="none", normalise="fixed", mean=(0.5,) * 3, std=(0.25,) * 3,
      dtype=jnp.float32, train=False,
    )
  )  # fmt: skip
  extent = np.full((BATCH, 2), SIZE, np.int32)
  arguments = jax.device_put((IMAGES, extent, ANGLES))
  return lambda: jax.block_until_ready(view(*arguments))


def opencv():
  import cv2

  cv2.setNumThreads(2)
  centre = ((SIZE - 1) / 2,) * 2
  matrices = [cv2.getRotationMatrix2D(centre, float(a), 1.0) for a in ANGLES]
  return lambda: [
    cv2.warpAffine(i, m, (SIZE, SIZE)) for i, m in zip(IMAGES, matrices, strict=True)
  ]


def opencv_normalised():
  rotated = opencv()
  mean, std = np.full(3, 127.5, np.float32), np.full(3, 63.75, np.float32)
  batch = np.empty((BATCH, SIZE, SIZE, 3), np.float32)

  def call():
    for place, image in enumerate(rotated()):
      np.subtract(image, mean, out=batch[place])
      batch[place] /= std
    return batch

  return call


def torchvision():
  """transforms.v2 takes one angle per call; uint8, its fast path on a CPU."""
  torch = _torch()
  from torchvision.transforms import InterpolationMode
  from torchvision.transforms.v2 import functional

  bilinear = InterpolationMode.BILINEAR
  images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)

  def call():
    rotated = [
      functional.rotate(i, float(a), interpolation=bilinear)
      for i, a in zip(images, ANGLES, strict=True)
    ]
    scaled = functional.to_dtype(torch.stack(rotated), torch.float32, scale=True)
    return functional.normalize(scaled, (0.5,) * 3, (0.25,) * 3)

  return call


def kornia():
  """One call for the batch, each image at its own angle; float32 throughout."""
  torch = _torch()
  from kornia.geometry import rotate

  images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2)
  angles = torch.from_numpy(ANGLES)

  def call():
    rotated = rotate(images.float(), angles, mode="bilinear", align_corners=True)
    return (rotated - 127.5) / 63.75

  return call


def _torch():
  import torch

  torch.set_num_threads(2)
  # torchvision's operators have no CPU schema in this combination; the names suffice
  library = torch.library.Library("torchvision", "DEF")
  for operator in ("nms", "qnms"):
    library.define(
      f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    )
  torch._kept = library
  return torch


def scipy():
  from scipy import ndimage

  return lambda: [
    ndimage.rotate(i, a, axes=(1, 0), reshape=False, order=1)
    for i, a in zip(IMAGES, ANGLES, strict=True)
  ]


def pillow():
  from PIL import Image

  images = [Image.fromarray(i) for i in IMAGES]
  return lambda: [
    np.asarray(i.rotate(float(a), Image.Resampling.BILINEAR))
    for i, a in zip(images, ANGLES, strict=True)
  ]


if __name__ == "__main__":
  sides = (ours, opencv, opencv_normalised, torchvision, kornia, scipy, pillow)
  call = {f.__name__: f for f in sides}[sys.argv[1]]()
  call()
  seconds = []
  for _ in range(REPEATS if sys.argv[1] != "scipy" else 3):
    start = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - start)
  print(json.dumps({"rotation": BATCH / statistics.median(seconds)}))
