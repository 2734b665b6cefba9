"""What an image file gives away before a pixel of it is decoded.

Classes that were collected, cropped or saved differently differ in the size and the
encoding of their files: who knows those needs no tissue (class-dependent JPEG
artefacts: Ignatov & Malivenko 2024, arXiv 2409.11546).
"""

import io

from histojax.data.decode import FORMATS

FEATURES = (
  "bytes",
  "bytes_per_pixel",
  "height",
  "width",
  "format",  # its place in FORMATS; -1 for others
  "channels",
  "bits",  # per sample
  "palette",
  "exif",
  "colour_profile",
  "progressive",
  "tables",  # of quantisation, JPEG's; 0 for others, as all that follow
  "luma_sum",
  "luma_first",
  "chroma_sum",
  "chroma_first",
  "quality",  # libjpeg's 1..100 that comes nearest
)
_LUMA = 3688  # sum of the 64 steps of the standard's luminance table (Annex K)


def features(encoded: bytes) -> tuple[float, ...]:
  """FEATURES of an image that `decode.size` can read."""
  from PIL import Image

  with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
    width, height = image.size
    info, mode = image.info, image.mode
    tables = [*getattr(image, "quantization", {}).values()]
    luma, chroma = (tables + [[0]] * 2)[:2]
    return (
      len(encoded),
      len(encoded) / (width * height),
      height,
      width,
      FORMATS.index(image.format) if image.format in FORMATS else -1,
      len(image.getbands()),
      1 if mode == "1" else 16 if mode.startswith("I;16") else 8,
      mode == "P",
      "exif" in info or (image.format == "PNG" and b"eXIf" in encoded),
      "icc_profile" in info,
      bool(info.get("progressive")),
      len(tables),
      sum(luma),
      luma[0],
      sum(chroma),
      chroma[0],
      quality(sum(luma)),
    )


def quality(luma_sum: int) -> float:
  """The libjpeg quality whose scaled standard table has this sum; 0 without a table.

  libjpeg scales the standard's steps by 5000 / q percent below q = 50, and by 200 - 2 q
  from there on. It rounds and clips them: this is within 0.5 of q from 20 to 99.
  """
  if not luma_sum:
    return 0.0
  scale = 100 * luma_sum / _LUMA
  return 5000 / scale if scale > 100 else (200 - scale) / 2
