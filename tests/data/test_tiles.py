import json

import numpy as np
import pytest
from PIL import Image

from histojax.data import encoding, listing, tiles
from histojax.data.catalogue import DataSet
from histojax.data.folder import Folder
from histojax.errors import InputError


def dataset(root):
  items = listing.scan(str(root))
  return DataSet(
    name="folder",
    synthetic=False,
    description="",
    licence="",
    citation="",
    images=len(items),
    fingerprint=listing.fingerprint(items),
    builder=lambda **kwargs: Folder(items=items, **kwargs),
  )


def prepare(root, stored_size=lambda h, w: (h, w), geometry="full", on_error="refuse"):
  return tiles.prepare(dataset(root), stored_size, geometry, on_error)


def test_decodes_the_pixels_of_every_image(cache, image_folder):
  root = image_folder(groups=3, size=(20, 24))
  Image.new("RGB", (40, 10), (1, 2, 3)).save(root / "a" / "wide.png")
  found = prepare(root)
  assert found.image.shape == (19, 20, 40, 3) and found.classes == ("a", "b", "c")
  assert found.image_id.tolist() == sorted(found.image_id)
  for i, name in enumerate(found.image_id):
    expected = np.asarray(Image.open(root / name))
    height, width = found.extent[i]
    assert (height, width) == expected.shape[:2]
    np.testing.assert_array_equal(found.image[i, :height, :width], expected)
    assert found.classes[found.label[i]] == name[0]


def test_a_second_opening_reads_the_cache(cache, image_folder, monkeypatch):
  root = image_folder()
  first = prepare(root)
  monkeypatch.setattr(tiles, "fill", lambda *_: pytest.fail("decoded again"))
  second = prepare(root)
  np.testing.assert_array_equal(first.image, second.image)
  assert first.digest.tolist() == second.digest.tolist()


def test_added_removed_and_replaced_images_are_seen(cache, image_folder):
  root = image_folder()
  before = prepare(root)
  Image.new("RGB", (24, 20), "red").save(root / "a" / "added.png")
  assert len(prepare(root)) == len(before) + 1
  (root / "a" / "added.png").unlink()
  assert len(prepare(root)) == len(before)
  Image.new("RGB", (24, 20), "red").save(root / "a" / "0_0.png")
  after = prepare(root)
  row = after.image_id.tolist().index("a/0_0.png")
  assert (after.image[row] == (255, 0, 0)).all()
  assert after.digest[row] != before.digest[row]


def test_what_the_files_tell_stands_in_the_rows_of_their_images(cache, image_folder):
  root = image_folder(groups=2)
  for name, quality in (("z.jpg", 60), ("0_9.jpg", 90)):
    Image.open(root / "a" / "0_0.png").save(root / "b" / name, quality=quality)
  (root / "a" / "bad.png").write_bytes(b"no image")
  found = prepare(root, on_error="skip")
  assert len(found.files) == len(found) == 14
  for name, row in zip(found.image_id, found.files, strict=True):
    told = dict(zip(encoding.FEATURES, row, strict=True))
    assert told["bytes"] == (root / name).stat().st_size
    expected = {"b/z.jpg": 60, "b/0_9.jpg": 90}.get(name, 0)
    assert abs(told["quality"] - expected) < 0.5
  again = prepare(root, lambda h, w: (h // 2, w // 2), "half", on_error="skip")
  np.testing.assert_array_equal(again.files, found.files)  # not of what is stored


def test_copies_left_out_leave_no_row_of_their_file(cache, image_folder):
  root = image_folder(groups=2)
  Image.open(root / "a" / "0_0.png").save(root / "a" / "0_0.bmp")
  dropped = dataset(root)._replace(duplicates="drop")
  found = tiles.prepare(dropped, lambda h, w: (h, w), "full")
  assert len(found.files) == len(found) == 12
  sizes = [(root / name).stat().st_size for name in found.image_id]
  assert found.files[:, encoding.FEATURES.index("bytes")].tolist() == sizes


def test_resizing_is_antialiased(cache, image_folder):
  root = image_folder()
  stripes = np.zeros((40, 40, 3), np.uint8)
  stripes[:, ::2] = 255
  Image.fromarray(stripes).save(root / "a" / "stripes.png")
  found = prepare(root, lambda h, w: (h // 4, w // 4), "quarter")
  row = found.image_id.tolist().index("a/stripes.png")
  inner = found.image[row, 1:9, 1:9].astype(int)
  assert found.extent[row].tolist() == [10, 10]
  assert np.abs(inner - 127).max() < 8  # not 0 or 255, as without antialiasing


def test_identical_pixels_have_one_digest_whatever_the_file(cache, image_folder):
  root = image_folder()
  Image.open(root / "a" / "0_0.png").save(root / "b" / "copy.bmp")
  found = prepare(root)
  digest = dict(zip(found.image_id, found.digest, strict=True))
  assert digest["a/0_0.png"] == digest["b/copy.bmp"]
  assert len(set(digest.values())) == len(found) - 1


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_an_unreadable_image_is_named_and_nothing_is_left(cache, image_folder, content):
  root = image_folder()
  bad = root / "b" / "0_1.png"
  bad.write_bytes(bad.read_bytes()[:-300] if content == "truncated" else content)
  with pytest.raises(InputError, match="b/0_1.png"):
    prepare(root)
  assert not list(cache.glob("tiles/*"))


def test_exif_rotation_is_applied(cache, image_folder):
  root = image_folder()
  image = Image.new("RGB", (30, 10), "blue")
  exif = image.getexif()
  exif[0x0112] = 6
  image.save(root / "a" / "turned.png", exif=exif)
  found = prepare(root)
  row = found.image_id.tolist().index("a/turned.png")
  assert found.extent[row].tolist() == [30, 10]


def test_metadata_is_plain_json(cache, image_folder):
  prepare(image_folder())
  (folder,) = cache.glob("tiles/*")
  assert json.loads((folder / "tiles.json").read_text())["classes"] == ["a", "b", "c"]


def test_a_build_that_is_not_whole_is_named(cache, image_folder):
  whole = dataset(image_folder())
  with pytest.raises(InputError, match="30 of 31 images were built"):
    tiles.prepare(whole._replace(images=31), lambda h, w: (h, w), "full")
