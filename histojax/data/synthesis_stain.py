"""From dye to pixels: Beer-Lambert, then a scanner; both drawn once per slide.

I = I0 * 10^-(c_h * h + c_e * e + c_r * r), with unit vectors h, e, r of optical density
in R, G, B (Ruifrok and Johnston 2001; the reference vectors of haematoxylin and eosin
are near those of Macenko et al. 2009), perturbed per slide.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from histojax.data.synthesis_grades import spread

HAEMATOXYLIN = (0.58, 0.71, 0.38)
EOSIN = (0.16, 0.86, 0.46)
RED_CELL = (0.10, 0.76, 0.64)


@dataclasses.dataclass(frozen=True)
class Stain:
  """One slide's staining and scanner. Amounts and directions do not know the grade."""

  vectors: np.ndarray  # [3, 3] rows haematoxylin, eosin, red cell; amounts included
  white: np.ndarray  # [3] transmitted light of empty glass, 0..1
  gamma: float
  colour: np.ndarray  # [3, 3] colour matrix of the camera
  blur: float  # um
  noise: float  # standard deviation, 0..1
  tilt: np.ndarray  # [2] change of illumination across the field
  vignette: float
  flare: float  # stray light, which lifts the blacks

  @classmethod
  def draw(cls, rng: np.random.Generator) -> "Stain":
    vectors = np.array([HAEMATOXYLIN, EOSIN, RED_CELL])
    vectors = vectors * spread(rng, 0.10, (3, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    amount = [0.98, 0.90, 1.0] * spread(rng, np.array([0.27, 0.32, 0.25]), 3)
    saturation = rng.uniform(0.8, 1.12)
    grey = np.full((3, 3), 1 / 3)
    return cls(
      vectors=(vectors * amount[:, None]).astype(np.float32),
      white=np.clip(rng.normal([0.94, 0.93, 0.94], 0.02), 0.86, 1.0),
      gamma=float(spread(rng, 0.13)),
      colour=grey + saturation * (np.eye(3) - grey),
      blur=rng.uniform(0.18, 0.50),
      noise=rng.uniform(0.006, 0.018),
      tilt=rng.normal(0, 0.02, 2),
      vignette=rng.uniform(0.0, 0.06),
      flare=rng.uniform(0.0, 0.09),
    )


def develop(
  density: np.ndarray, stain: Stain, rng: np.random.Generator, um_per_pixel: float
) -> np.ndarray:
  """Concentrations [3, H, W] of haematoxylin, eosin, red cells -> uint8 [H, W, 3]."""
  _, height, width = density.shape
  dyes = np.einsum("dc,dhw->chw", stain.vectors, np.maximum(density, 0))  # [3, H, W]
  light = np.power(np.float32(10), -dyes)
  sigma = stain.blur / um_per_pixel
  light += stain.flare * (1 - light)
  light = ndimage.gaussian_filter(light, (0, sigma, sigma), truncate=3.0)
  # Contrast, exposure and white balance are set anew for every photograph.
  light = np.power(light, np.float32(stain.gamma * spread(rng, 0.15)))
  exposure = stain.white * spread(rng, 0.06) * spread(rng, 0.03, 3)
  light *= exposure.astype(np.float32)[:, None, None]
  y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
  x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
  lamp = (
    1 + stain.tilt[0] * y + stain.tilt[1] * x - stain.vignette * (y * y + x * x) / 2
  )
  light *= lamp.astype(np.float32)
  light = np.einsum("oc,chw->ohw", stain.colour.astype(np.float32), light)
  grain = rng.standard_normal(light.shape, dtype=np.float32)
  light += np.float32(stain.noise) * grain * np.sqrt(np.maximum(light, 0.02))
  pixels = np.clip(np.rint(255 * light), 0, 255).astype(np.uint8)
  return np.ascontiguousarray(np.moveaxis(pixels, 0, -1))
