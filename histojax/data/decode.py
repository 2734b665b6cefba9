"""Encoded bytes -> RGB: the one place that knows what an image file may hold.

Read as it is, by its content and never by its extension: PNG, JPEG, TIFF, BMP, WebP and
GIF of 8 bits or less, grey, palette or RGB. Converted, by these rules:

    transparency      composited on white, the background of a slide
    16 bits           the high byte: exact for 8 bits stored as v * 257 or as v * 256
    CMYK, YCCK        R = (1 - C)(1 - K); a JPEG with Adobe's marker holds inverses
    Exif orientation  turned upright
    several pictures  the first, where the others are its previews (MPO, pyramidal TIFF)

Refused: what is damaged as far as the format can tell (of the six only PNG carries
checksums), animations and stacks, floats, 32-bit integers, Lab, 16-bit images so dark
that their white must be another value, and more pixels than MAX_PIXELS. Colour profiles
are not applied.
"""

import contextlib
import ctypes
import io
import logging
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np

MAX_PIXELS = 2**30 // 12  # 1/4 GiB as RGB, where Pillow begins to warn
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
_MAGIC = {
  b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF",
  b"BM": "BMP", b"RIFF": "WebP", b"GIF8": "GIF",
}  # fmt: skip
_DARK = 16  # of 255: 12 bits in a 16-bit file reach no higher
_TURNS = {  # Exif orientation -> PIL.Image.Transpose
  2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
  6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip
_ORIENTATION, _SUBFILE, _PHOTOMETRIC = 0x0112, 254, 262


class Unreadable(Exception):
  """Says why a file is not read; `kind`, in a few words, is what reports count."""

  def __init__(self, kind: str, why: str):
    super().__init__(why)
    self.kind = kind


def size(encoded: bytes) -> tuple[int, int]:
  """(height, width) of what `rgb` would return, from the header alone.

  Raises:
    Unreadable: no image, or one that is refused whatever its pixels are.
  """
  with _opened(encoded) as image:
    # Pillow turns TIFF by itself, and says its size accordingly
    turned = image.format != "TIFF" and _orientation(image, encoded) >= 5
    return image.size if turned else image.size[::-1]


def rgb(encoded: bytes):
  """The image as a PIL image of mode RGB, upright, at full size.

  Raises:
    Unreadable: it is damaged, or nothing that can be converted by rule.
  """
  from PIL import Image

  expected = size(encoded)
  with _opened(encoded) as image:
    if image.format == "PNG":
      _check_png(encoded)
    bits = _bits(image)
    image.load()
    turn = _TURNS.get(_orientation(image, encoded))
    image = _flat(image, bits)
    image = image.transpose(Image.Transpose[turn]) if turn else image
  if image.size != expected[::-1]:
    raise Unreadable("corrupt", "its header contradicts its pixels")
  return image


@contextlib.contextmanager
def quiet():
  """Within: neither Pillow nor libtiff speaks of damage, which is told by Unreadable.

  These are settings of the whole process: enter before any thread.
  """
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _mute_libtiff()
    yield


def _mute_libtiff() -> None:
  """Pillow silences its warnings, but its errors go to stderr line by line."""
  import PIL.Image  # noqa: F401, that loads it

  with contextlib.suppress(OSError, AttributeError):  # not Linux, or linked statically
    lines = Path("/proc/self/maps").read_text().splitlines()
    for path in {line.split()[-1] for line in lines if "libtiff" in line}:
      ctypes.CDLL(path).TIFFSetErrorHandler(None)


@contextlib.contextmanager
def _opened(encoded: bytes):
  """A PIL image of a known format with one picture; any failure is Unreadable."""
  from PIL import Image

  if not encoded:
    raise Unreadable("empty", "the file is empty")
  try:
    with Image.open(io.BytesIO(encoded), formats=FORMATS) as image:
      if image.width * image.height > MAX_PIXELS:
        raise Unreadable(
          "too large",
          f"{image.width:,} x {image.height:,} pixels are declared, no tile has more"
          f" than {MAX_PIXELS:,}",
        )
      _check_pictures(image)
      yield image
  except Unreadable:
    raise
  except Image.UnidentifiedImageError as error:
    raise _unidentified(encoded) from error
  except Image.DecompressionBombError as error:
    message = f"more than {2 * MAX_PIXELS:,} pixels are declared"
    raise Unreadable("too large", message) from error
  except MemoryError as error:  # not for its pixels: those were counted
    raise Unreadable("corrupt", "it asks for absurd amounts of memory") from error
  except Exception as error:  # Pillow raises nearly everything on damaged files
    text = " ".join(str(error).split()) or type(error).__name__
    cut = isinstance(error, EOFError) or "truncated" in text.lower()
    if cut:
      raise Unreadable("truncated", f"it ends too early ({text})") from error
    raise Unreadable("corrupt", f"it is damaged ({text})") from error


def _unidentified(encoded: bytes) -> Unreadable:
  for magic, name in _MAGIC.items():
    if encoded.startswith(magic):
      why = f"it begins as {name}, but its header is damaged or of an unknown kind"
      return Unreadable("bad header", why)
  return Unreadable("not an image", "it is none of PNG, JPEG, TIFF, BMP, WebP and GIF")


def _check_pictures(image) -> None:
  """Refuses an animation or a stack: which picture the label means is not known."""
  if image.format in ("JPEG", "MPO", "BMP") or not getattr(image, "is_animated", False):
    return
  if image.format != "TIFF":
    raise Unreadable("animated", f"it is an animation of {image.n_frames} pictures")
  pages = image.n_frames
  for page in range(1, pages):
    image.seek(page)
    if not image.tag_v2.get(_SUBFILE, 0) & 0b101:  # a smaller copy, or a mask
      raise Unreadable("several pages", f"it holds {pages} pages, not one image")
  image.seek(0)


def _check_png(encoded: bytes) -> None:
  """Compares every chunk with its checksum: Pillow passes over those of the pixels."""
  view, at, kind = memoryview(encoded), 8, b""
  while kind != b"IEND":
    if at + 12 > len(view):
      raise Unreadable("truncated", "it ends too early (its last chunk is missing)")
    length, kind = struct.unpack_from(">I4s", view, at)
    end = at + 12 + length
    if end > len(view):
      raise Unreadable("truncated", "it ends too early (within a chunk)")
    if zlib.crc32(view[at + 4 : end - 4]) != struct.unpack_from(">I", view, end - 4)[0]:
      name = kind.decode("latin-1")
      raise Unreadable("bad checksum", f"the checksum of its chunk {name!r} is wrong")
    at = end


def _orientation(image, encoded: bytes) -> int:
  """1..8; 1 where it says none, or in an Exif block that is broken."""
  # a PNG without the block would be decoded to its end in search of one
  marks = b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp"
  if image.format == "PNG" and not any(mark in encoded for mark in marks):
    return 1
  try:
    return int(image.getexif().get(_ORIENTATION, 1))
  except Exception:  # the pixels are whole all the same
    return 1


def _bits(image) -> int:
  """Bits per sample as stored, where they are more than 8; else 8."""
  for tile in image.tile if image.format in ("PNG", "TIFF") else ():
    raw = tile[3] if isinstance(tile[3], str) else tile[3][0]
    for bits in (12, 16):
      if f";{bits}" in str(raw):
        return bits
  return 8


def _flat(image, bits: int):
  """A loaded image of any mode -> mode RGB."""
  from PIL import Image, ImageChops

  if image.mode in ("F", "I", "LAB", "HSV"):
    names = {"F": "floats", "I": "32-bit or signed integers"}
    what = names.get(image.mode, f"{image.mode} colours")
    raise Unreadable("not 8 or 16 bit", f"its pixels are {what}: save it as 8-bit RGB")
  if image.mode.startswith("I;16"):
    image = Image.fromarray(_high_byte(image, bits))
  if bits > 8:
    bands = zip(image.getbands(), image.split(), strict=True)
    if max(band.getextrema()[1] for name, band in bands if name != "A") < _DARK:
      raise Unreadable(
        "dark 16 bit",
        f"it has {bits} bits but is darker than a sixteenth of them, so which value is"
        " white is not known: save it with 8 bits",
      )
  if image.mode == "CMYK" and image.format in ("JPEG", "MPO"):
    if "adobe" not in image.info:  # Pillow takes every CMYK JPEG for Adobe's
      image = ImageChops.invert(image)
  if image.has_transparency_data:
    if bits > 8 and isinstance(colour := image.info.get("transparency"), tuple):
      image.info["transparency"] = tuple(value >> 8 for value in colour)
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image)
  return image.convert("RGB")


def _high_byte(image, bits: int) -> np.ndarray:
  """uint8 [H, W] of one channel with more than 8 bits."""
  grey = np.asarray(image).astype(np.uint16)
  if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:  # 0 is white
    grey = 2**bits - 1 - grey
  transparent = image.info.get("transparency")
  if isinstance(transparent, int):
    grey = np.where(grey == transparent, 2**bits - 1, grey)
  return (grey >> (bits - 8)).astype(np.uint8)
