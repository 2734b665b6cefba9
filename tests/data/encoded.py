"""Encoded images as real files hold them, by Pillow or byte by byte."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def picture(height=24, width=40, seed=0) -> np.ndarray:
  """uint8 [H, W, 3], smooth, so that a JPEG keeps it."""
  rng = np.random.default_rng(seed)
  ramp = 15 + np.linspace(0, 1, height)[:, None, None] * rng.uniform(60, 120, 3)
  return (ramp + np.linspace(0, 1, width)[:, None] * rng.uniform(60, 120, 3)).astype(
    np.uint8
  )


def save(image, kind: str, **options) -> bytes:
  """`image` (array or PIL image) in one of Pillow's formats."""
  if isinstance(image, np.ndarray):
    image = Image.fromarray(image)
  buffer = io.BytesIO()
  image.save(buffer, kind, **options)
  return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
  checksum = struct.pack(">I", zlib.crc32(kind + data))
  return struct.pack(">I", len(data)) + kind + data + checksum


def png(samples: np.ndarray, colour: int, *extra: bytes, size=None) -> bytes:
  """A PNG of uint8 or uint16 [H, W, C]; `size` (w, h) is what its header claims."""
  height, width = samples.shape[:2]
  width, height = size or (width, height)
  depth = 8 * samples.dtype.itemsize
  rows = samples.astype(samples.dtype.newbyteorder(">"))
  raw = b"".join(b"\0" + row.tobytes() for row in rows)
  header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
  return b"".join([
    b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *extra,
    chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b""),
  ])  # fmt: skip


def insert(data: bytes, *extra: bytes) -> bytes:
  """A PNG with further chunks behind its header."""
  return data[:33] + b"".join(extra) + data[33:]


def cmyk(pixels: np.ndarray) -> np.ndarray:
  """uint8 [H, W, 4] with R = (1 - C)(1 - K), and some black in every pixel."""
  pixels = pixels.astype(float)
  black = 255 - pixels.max(-1, keepdims=True)
  colours = 255 - 255 * pixels / np.maximum(255 - black, 1)
  return np.concatenate([colours, black], -1).round().astype(np.uint8)


def cmyk_jpeg(pixels: np.ndarray) -> bytes:
  """As Photoshop writes it: inverted, with Adobe's marker."""
  image = Image.frombytes("CMYK", pixels.shape[1::-1], cmyk(pixels).tobytes())
  return save(image, "JPEG", quality=100, subsampling=0)


def cmyk_tiff(pixels: np.ndarray) -> bytes:
  image = Image.frombytes("CMYK", pixels.shape[1::-1], cmyk(pixels).tobytes())
  return save(image, "TIFF")


def plain_cmyk_jpeg(pixels: np.ndarray) -> bytes:
  """Without the marker, and not inverted."""
  inverse = (255 - cmyk(pixels)).tobytes()
  image = Image.frombytes("CMYK", pixels.shape[1::-1], inverse)
  data = save(image, "JPEG", quality=100, subsampling=0)
  at = data.index(b"\xff\xee\x00\x0eAdobe")
  return data[:at] + data[at + 16 :]


def ycck_jpeg(pixels: np.ndarray) -> bytes:
  """Adobe's other kind: CMY as YCbCr, transform 2 in the marker."""
  ink = cmyk(pixels)
  luma = np.asarray(Image.fromarray(ink[..., :3]).convert("YCbCr"))
  stored = np.concatenate([luma, 255 - ink[..., 3:]], -1)
  image = Image.frombytes("CMYK", pixels.shape[1::-1], (255 - stored).tobytes())
  data = bytearray(save(image, "JPEG", quality=100, subsampling=0))
  data[data.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2
  return bytes(data)


def turned(pixels: np.ndarray, orientation: int, kind: str, **options) -> bytes:
  exif = Image.Exif()
  exif[0x0112] = orientation
  return save(pixels, kind, exif=exif, **options)


def frames(pixels: np.ndarray, kind: str, **options) -> bytes:
  """Several pictures in one file: an animation, a stack, an MPO."""
  others = [Image.fromarray(255 - pixels), Image.fromarray(pixels // 2)]
  return save(pixels, kind, save_all=True, append_images=others, **options)


def pyramid(pixels: np.ndarray) -> bytes:
  """A TIFF whose second page is marked as a smaller copy of the first."""
  buffer, small = io.BytesIO(), Image.fromarray(np.ascontiguousarray(pixels[::2, ::2]))
  small.encoderinfo = {"tiffinfo": {254: 1}}
  Image.fromarray(pixels).save(buffer, "TIFF", save_all=True, append_images=[small])
  return buffer.getvalue()


def float_tiff(pixels: np.ndarray) -> bytes:
  return save(pixels[..., 0].astype(np.float32) / 255, "TIFF")


def rgb16_tiff(pixels: np.ndarray) -> bytes:
  """Little-endian, uncompressed RGB of 16 bits: Pillow reads these, never writes."""
  height, width = pixels.shape[:2]
  data = (pixels.astype("<u2") * 257).tobytes()
  tags = [
    (256, 4, width), (257, 4, height), (258, 3, None), (259, 3, 1), (262, 3, 2),
    (273, 4, None), (277, 3, 3), (278, 4, height), (279, 4, len(data)),
  ]  # fmt: skip
  depths = 8 + 2 + 12 * len(tags) + 4
  values = {258: depths, 273: depths + 6}
  entries = b"".join(
    struct.pack("<HHII", tag, kind, 3 if tag == 258 else 1, values.get(tag, value))
    for tag, kind, value in tags
  )
  directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
  return (
    b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<3H", 16, 16, 16) + data
  )
