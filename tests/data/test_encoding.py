"""What a file tells before it is decoded: against what it was written with."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from histojax.data import encoding


def picture(size=(30, 20)):
  pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3))
  return Image.fromarray(pixels.astype(np.uint8))


def told(image=None, **options):
  buffer = io.BytesIO()
  (image or picture()).save(buffer, **options)
  encoded = buffer.getvalue()
  found = encoding.features(encoded)
  return dict(zip(encoding.FEATURES, found, strict=True)), encoded


@pytest.mark.parametrize("quality", [*range(20, 100, 7), 99])
def test_quality_is_what_the_file_was_saved_with(quality):
  found, encoded = told(format="JPEG", quality=quality)
  assert abs(found["quality"] - quality) < 0.5
  tables = Image.open(io.BytesIO(encoded)).quantization
  assert found["tables"] == len(tables) == 2
  assert (found["luma_sum"], found["chroma_sum"]) == (sum(tables[0]), sum(tables[1]))
  assert (found["luma_first"], found["chroma_first"]) == (tables[0][0], tables[1][0])


def test_coarser_tables_are_told_apart_where_they_are_clipped():
  found = [told(format="JPEG", quality=q)[0]["quality"] for q in (2, 5, 10, 15, 20)]
  assert found == sorted(found) and len(set(found)) == 5


def test_size_shape_and_container():
  found, encoded = told(format="JPEG")
  assert found["bytes"] == len(encoded)
  assert found["bytes_per_pixel"] == len(encoded) / 600
  assert (found["width"], found["height"]) == (30, 20)
  kinds = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")
  assert len({told(format=kind)[0]["format"] for kind in kinds}) == 6
  for kind in kinds:
    if kind != "JPEG":
      assert told(format=kind)[0]["quality"] == told(format=kind)[0]["tables"] == 0


def test_modes_and_marks():
  plain, _ = told(format="PNG")
  assert (plain["channels"], plain["bits"], plain["palette"], plain["exif"]) == (
    3, 8, False, False,
  )  # fmt: skip
  assert told(picture().convert("L"), format="PNG")[0]["channels"] == 1
  assert told(picture().convert("RGBA"), format="PNG")[0]["channels"] == 4
  assert told(picture().convert("P"), format="PNG")[0]["palette"]
  deep = Image.fromarray(np.zeros((20, 30), np.uint16))
  assert told(deep, format="PNG")[0]["bits"] == 16
  exif = picture().getexif()
  exif[0x0110] = "scanner"
  for kind in ("PNG", "JPEG", "WEBP"):
    assert told(format=kind, exif=exif)[0]["exif"], kind
    assert not told(format=kind)[0]["exif"], kind
  assert told(format="JPEG", progressive=True)[0]["progressive"]
  assert told(format="JPEG", icc_profile=b"profile")[0]["colour_profile"]


def test_no_pixel_is_decoded():
  """Cut after its header, a file tells the same; only its length is another."""
  found, encoded = told(picture((300, 200)), format="JPEG")
  short = encoding.features(encoded[: len(encoded) // 2])
  assert list(found.values())[2:] == list(short)[2:]


def test_ten_thousand_files_take_seconds():
  encoded = [told(picture((224, 224)), format=k)[1] for k in ("JPEG", "PNG")]
  start = time.process_time()
  for _ in range(100):
    for one in encoded:
      encoding.features(one)
  assert time.process_time() - start < 200 * 1e-3  # 10 s of 10,000
