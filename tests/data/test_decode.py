"""Every kind of file: its colours against the RGB it was made of, or its refusal."""

import warnings

import encoded
import numpy as np
import pytest
from PIL import Image

from histojax.data import decode

RGB = encoded.picture()
GREY = RGB[..., :1]
HALF = np.full((*RGB.shape[:2], 1), 128, np.uint8)
ON_WHITE = np.rint(RGB * (128 / 255) + 255 * (127 / 255)).astype(int)
WIDE = RGB.astype(np.uint16) * 257


def read(data):
  """int [H, W, 3]; a warning is an error here."""
  with warnings.catch_warnings():
    warnings.simplefilter("error")
    with decode.quiet():
      image = decode.rgb(data)
      assert decode.size(data) == image.size[::-1]
  return np.asarray(image).astype(int)


def transparent(pixels, kind, **options):
  return encoded.save(np.concatenate([pixels, HALF], -1), kind, **options)


CONVERTED = {
  "grey": (encoded.save(GREY[..., 0], "PNG"), GREY, 0),
  "grey jpeg": (encoded.save(GREY[..., 0], "JPEG", quality=100), GREY, 1),
  "bits": (
    encoded.save(Image.fromarray(GREY[..., 0] > 60), "PNG"),
    (GREY > 60) * 255,
    0,
  ),
  "palette": (encoded.save(Image.fromarray(GREY[..., 0]).convert("P"), "PNG"), GREY, 0),
  "gif": (encoded.save(GREY[..., 0], "GIF"), GREY, 0),
  "bmp": (encoded.save(RGB, "BMP"), RGB, 0),
  "webp": (encoded.save(RGB, "WEBP", lossless=True), RGB, 0),
  "rgba": (transparent(RGB, "PNG"), ON_WHITE, 1),
  "rgba tiff": (transparent(RGB, "TIFF"), ON_WHITE, 1),
  "rgba webp": (transparent(RGB, "WEBP", lossless=True, exact=True), ON_WHITE, 1),
  "la": (transparent(GREY, "PNG"), ON_WHITE[..., :1], 1),
  "one colour transparent": (
    encoded.png(GREY, 0, encoded.chunk(b"tRNS", b"\0" + GREY[3, 5].tobytes())),
    np.where(GREY == GREY[3, 5], 255, GREY),
    0,
  ),
  "palette transparent": (
    encoded.save(Image.fromarray(GREY[..., 0]).convert("P"), "PNG", transparency=0),
    np.where(GREY == 0, 255, GREY),
    0,
  ),
  "grey 16 png": (encoded.png(WIDE[..., :1], 0), GREY, 0),
  "grey 16 png, high byte only": (
    encoded.png(GREY.astype(np.uint16) * 256, 0),
    GREY,
    0,
  ),
  "grey 16 tiff": (encoded.save(WIDE[..., 0], "TIFF"), GREY, 0),
  "grey 16 tiff, 0 is white": (
    encoded.save(65535 - WIDE[..., 0], "TIFF", tiffinfo={262: 0}),
    GREY,
    0,
  ),
  "grey 16 one colour transparent": (
    encoded.png(WIDE[..., :1], 0, encoded.chunk(b"tRNS", WIDE[3, 5, :1].tobytes())),
    np.where(GREY == GREY[3, 5, 0], 255, GREY),
    0,
  ),
  "rgb 16 png": (encoded.png(WIDE, 2), RGB, 0),
  "rgb 16 one colour transparent": (
    encoded.png(WIDE // 257 * 256, 2, encoded.chunk(
      b"tRNS", (WIDE[3, 5] // 257 * 256).astype(">u2").tobytes()
    )),
    np.where((RGB == RGB[3, 5]).all(-1, keepdims=True), 255, RGB),
    0,
  ),
  "rgba 16 png": (
    encoded.png(np.concatenate([WIDE, HALF.astype(np.uint16) * 257], -1), 6),
    ON_WHITE,
    1,
  ),
  "rgb 16 tiff": (encoded.rgb16_tiff(RGB), RGB, 0),
  "cmyk tiff": (encoded.cmyk_tiff(RGB), RGB, 2),
  "cmyk jpeg of adobe": (encoded.cmyk_jpeg(RGB), RGB, 4),
  "cmyk jpeg": (encoded.plain_cmyk_jpeg(RGB), RGB, 4),
  "ycck jpeg": (encoded.ycck_jpeg(RGB), RGB, 6),
  "mpo": (encoded.frames(RGB, "MPO", quality=100, subsampling=0), RGB, 4),
  "pyramid": (encoded.pyramid(RGB), RGB, 0),
  "broken profile": (
    encoded.insert(encoded.save(RGB, "PNG"), encoded.chunk(b"iCCP", b"x\0\0nonsense")),
    RGB,
    0,
  ),
  "broken exif": (
    encoded.insert(encoded.save(RGB, "PNG"), encoded.chunk(b"eXIf", b"II*\0\xff\xff")),
    RGB,
    0,
  ),
  "something behind the end": (encoded.save(RGB, "PNG") * 2, RGB, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_converted_by_rule(name):
  data, expected, tolerance = CONVERTED[name]
  found = read(data)
  assert found.shape == RGB.shape
  assert np.abs(found - np.asarray(expected, int)).max() <= tolerance


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
  ("kind", "options"),
  [
    ("PNG", {}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("WEBP", {"lossless": True}),
    ("JPEG", {"quality": 100, "subsampling": 0}),
  ],
)
def test_turned_upright(orientation, kind, options):
  upright = {
    1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1],
    5: RGB.swapaxes(0, 1), 6: np.rot90(RGB, -1), 7: np.rot90(RGB, 2).swapaxes(0, 1),
    8: np.rot90(RGB),
  }[orientation]  # fmt: skip
  found = read(encoded.turned(RGB, orientation, kind, **options))
  assert found.shape == upright.shape
  assert np.abs(found - upright).max() <= 6


PNG, JPEG = encoded.save(RGB, "PNG"), encoded.save(RGB, "JPEG")
FLIPPED = PNG[:-20] + bytes([PNG[-20] ^ 1]) + PNG[-19:]
REFUSED = {
  "damaged header": (PNG[:16] + b"\1" + PNG[17:], "bad header", "begins as PNG"),
  "empty": (b"", "empty", "the file is empty"),
  "text": (b"path,label\n", "not an image", "none of PNG, JPEG, TIFF, BMP, WebP"),
  "another format": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image", "none of PNG"),
  "header only": (PNG[:20], "truncated", "ends too early"),
  "cut png": (PNG[:-30], "truncated", "ends too early (within a chunk)"),
  "cut png between chunks": (PNG[:-12], "truncated", "ends too early (its last chunk"),
  "cut jpeg": (JPEG[:-90], "truncated", "ends too early"),
  "cut tiff": (encoded.save(RGB, "TIFF")[:-500], "truncated", "ends too early"),
  "cut bmp": (encoded.save(RGB, "BMP")[:-500], "truncated", "ends too early"),
  "wrong checksum": (FLIPPED, "bad checksum", "chunk 'IDAT' is wrong"),
  "gif": (encoded.frames(RGB, "GIF"), "animated", "animation of 3 pictures"),
  "webp": (encoded.frames(RGB, "WEBP", lossless=True), "animated", "of 3 pictures"),
  "apng": (encoded.frames(RGB, "PNG"), "animated", "animation of 3 pictures"),
  "stack": (encoded.frames(RGB, "TIFF"), "several pages", "holds 3 pages"),
  "floats": (encoded.float_tiff(RGB), "not 8 or 16 bit", "pixels are floats"),
  "integers": (
    encoded.save(GREY[..., 0].astype(np.int32), "TIFF"),
    "not 8 or 16 bit",
    "32-bit or signed integers",
  ),
  "12 bits in 16": (encoded.png(WIDE[..., :1] // 16, 0), "dark 16 bit", "darker than"),
  "12 bits in 16, rgb": (encoded.png(WIDE // 16, 2), "dark 16 bit", "save it with 8"),
  "bomb": (
    encoded.png(GREY, 0, size=(60_000, 60_000)),
    "too large",
    "more than 178,956,970 pixels are declared",
  ),
  "small bomb": (
    encoded.png(GREY, 0, size=(9_460, 9_460)),
    "too large",
    "9,460 x 9,460 pixels are declared, no tile has more than 89,478,485",
  ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_kind(name):
  data, kind, why = REFUSED[name]
  with pytest.raises(decode.Unreadable) as caught:
    read(data)
  assert caught.value.kind == kind
  assert why in str(caught.value) and "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
  monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
  with pytest.raises(decode.Unreadable, match="9,460"), decode.quiet():
    decode.rgb(REFUSED["small bomb"][0])


def test_the_size_of_a_png_is_read_without_its_pixels():
  cut = PNG[:60]  # its pixels are gone
  assert decode.size(cut) == RGB.shape[:2]


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_a_damaged_tiff_says_nothing_of_its_own(compression, capfd):
  whole = encoded.save(RGB, "TIFF", compression=compression)
  rng = np.random.default_rng(0)
  refused = 0
  for _ in range(20):
    data = bytearray(whole)
    for at in rng.integers(8, len(data) - 250, 5):
      data[at] ^= rng.integers(1, 256)
    try:
      read(bytes(data))
    except decode.Unreadable:
      refused += 1
  assert refused > 5
  assert capfd.readouterr() == ("", "")  # libtiff would write to stderr


def test_another_format_is_not_tried_whatever_it_is():
  ppm = encoded.save(RGB, "PPM")  # Pillow would read it, as it would run PostScript
  with pytest.raises(decode.Unreadable, match="it is none of PNG"), decode.quiet():
    decode.rgb(ppm)
