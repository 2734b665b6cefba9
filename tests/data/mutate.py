"""Damaged and unusual files, made of real or drawn images by a seed."""

import encoded
import numpy as np
from PIL import Image

SUFFIX = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"RIFF": "webp", b"GIF8": "gif"}
SUFFIX |= {b"II*\0": "tif", b"MM\0*": "tif", b"BM": "bmp"}


def suffix(data: bytes) -> str:
  """The honest extension; gif has none that is listed, so a png it will be."""
  found = next((name for magic, name in SUFFIX.items() if data.startswith(magic)), "")
  return {"": "png", "gif": "png"}.get(found, found)


def truncate(data, rng, other):
  return data[: rng.integers(1, len(data))]


def cut_the_end(data, rng, other):
  return data[: -rng.integers(1, min(60, len(data)))]


def flip(data, rng, other, count=1, upto=None):
  data = bytearray(data)
  for at in rng.integers(0, min(upto or len(data), len(data)), count):
    data[at] ^= rng.integers(1, 256)
  return bytes(data)


def flip_many(data, rng, other):
  return flip(data, rng, other, count=40)


def flip_header(data, rng, other):
  return flip(data, rng, other, count=2, upto=200)


def zero(data, rng, other):
  at, size = rng.integers(0, len(data)), rng.integers(1, 400)
  return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :]


def insert(data, rng, other):
  at = rng.integers(0, len(data))
  return data[:at] + rng.bytes(rng.integers(1, 200)) + data[at:]


def leave_out(data, rng, other):
  at = rng.integers(0, len(data))
  return data[:at] + data[at + rng.integers(1, 200) :]


def swap_header(data, rng, other):
  size = rng.integers(2, 64)
  return other[:size] + data[size:]


def concatenate(data, rng, other):
  return data + other


DAMAGES = (
  truncate, cut_the_end, flip, flip_many, flip_header, zero, insert, leave_out,
  swap_header, concatenate,
)  # fmt: skip


def with_alpha(pixels, value):
  return np.concatenate([pixels, np.full_like(pixels[..., :1], value)], -1)


VARIANTS = {  # pixels -> bytes
  "as png": lambda p: encoded.save(p, "PNG"),
  "as tiff": lambda p: encoded.save(p, "TIFF"),
  "as lzw tiff": lambda p: encoded.save(p, "TIFF", compression="tiff_lzw"),
  "as bmp": lambda p: encoded.save(p, "BMP"),
  "as webp": lambda p: encoded.save(p, "WEBP", lossless=True),
  "opaque rgba": lambda p: encoded.save(with_alpha(p, 255), "PNG"),
  "rgb 16 png": lambda p: encoded.png(p.astype(np.uint16) * 257, 2),
  "rgb 16 tiff": encoded.rgb16_tiff,
  "pyramid": encoded.pyramid,
  "broken profile": lambda p: encoded.insert(
    encoded.save(p, "PNG"), encoded.chunk(b"iCCP", b"x\0\0nonsense")
  ),
  "rgba": lambda p: encoded.save(with_alpha(p, 128), "PNG"),
  "grey": lambda p: encoded.save(p[..., 1], "PNG"),
  "grey 16": lambda p: encoded.png(p[..., :1].astype(np.uint16) * 257, 0),
  "palette": lambda p: encoded.save(Image.fromarray(p).quantize(32), "PNG"),
  "gif": lambda p: encoded.save(p[..., 1], "GIF"),
  "cmyk jpeg of adobe": encoded.cmyk_jpeg,
  "cmyk jpeg": encoded.plain_cmyk_jpeg,
  "ycck jpeg": encoded.ycck_jpeg,
  "cmyk tiff": encoded.cmyk_tiff,
  "mpo": lambda p: encoded.frames(p, "MPO"),
  "turned jpeg": lambda p: encoded.turned(p, 6, "JPEG"),
  "turned tiff": lambda p: encoded.turned(p, 8, "TIFF"),
  "animated gif": lambda p: encoded.frames(p, "GIF"),
  "animated webp": lambda p: encoded.frames(p, "WEBP"),
  "animated png": lambda p: encoded.frames(p, "PNG"),
  "stack": lambda p: encoded.frames(p, "TIFF"),
  "floats": encoded.float_tiff,
  "12 bits in 16": lambda p: encoded.png(p[..., :1].astype(np.uint16) * 16, 0),
  "bomb": lambda p: encoded.png(p[:4], 2, size=(50_000, 50_000)),
  "wrong checksum": lambda p: encoded.save(p, "PNG")[:-20] + bytes(20),
}
SAME = tuple(VARIANTS)[:10]  # these must give the very pixels
REFUSED = tuple(VARIANTS)[-8:]
NONSENSE = {
  "empty": lambda rng: b"",
  "text": lambda rng: b"slide,label\n1,benign\n" * 20,
  "html": lambda rng: b"<!doctype html><title>404</title><p>Not found" * 9,
  "random bytes": lambda rng: rng.bytes(3000),
  "random bytes as jpeg": lambda rng: b"\xff\xd8\xff\xe0\0\x10JFIF\0" + rng.bytes(2000),
}


def mutant(i: int, originals: list[bytes], pixels: list[np.ndarray], seed: int):
  """(name of the mutation, index of the original, extension, bytes) of number `i`.

  In turns: a real file damaged, an unusual one, an unusual one damaged, and every
  eighth time a file under another's extension, or nonsense.
  """
  rng = np.random.default_rng([seed, i])
  chosen, other = rng.integers(len(originals), size=2)
  data, damage = originals[chosen], DAMAGES[i // 4 % len(DAMAGES)]
  variant = list(VARIANTS)[i // 4 % len(VARIANTS)]
  if i % 8 == 7:
    wrong = {"jpg": "tif", "png": "jpg", "tif": "bmp"}[suffix(data)]
    return "other extension", chosen, wrong, data
  if i % 8 == 3:
    name = list(NONSENSE)[i // 8 % len(NONSENSE)]
    return name, chosen, "jpg", NONSENSE[name](rng)
  if i % 4 == 0:
    made = damage(data, rng, originals[other])
    return damage.__name__.replace("_", " "), chosen, suffix(data), made
  made = VARIANTS[variant](pixels[chosen])
  if i % 4 == 1:
    return variant, chosen, suffix(made), made
  damage = DAMAGES[rng.integers(len(DAMAGES))]
  bad = damage(made, rng, originals[other])
  return f"unusual, {damage.__name__.replace('_', ' ')}", chosen, suffix(made), bad
