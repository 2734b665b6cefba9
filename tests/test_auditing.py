import types

import numpy as np
import pytest
from PIL import Image

from histojax import auditing
from histojax.data import leakage
from histojax.data.catalogue import folder
from histojax.data.splits import Split
from histojax.data.tiles import prepare
from histojax.errors import InputError


@pytest.fixture
def planted(cache, image_folder):
  """(data set, tiles): 30 different images of 40 x 48, and a copy of the first."""
  root = image_folder(size=(40, 48))
  blocks = np.random.default_rng(0).integers(0, 255, (5, 6, 3)).astype(np.uint8)
  picture = Image.fromarray(blocks).resize((48, 40), Image.Resampling.BICUBIC)
  picture.save(root / "a" / "0_0.png")
  picture.transpose(Image.Transpose.ROTATE_180).save(root / "c" / "z.png")
  data = types.SimpleNamespace(source=str(root), test_source="")
  dataset = folder(data)
  return dataset, prepare(dataset, lambda h, w: (h, w), "full")


def halves(tiles):
  n = len(tiles)
  return Split(np.arange(n // 2), np.array([], int), np.arange(n // 2, n))


def config(**split):
  return types.SimpleNamespace(split=split)


def test_a_copy_on_both_sides_is_refused_or_said(planted, capsys):
  dataset, tiles = planted
  with pytest.raises(InputError) as error:
    auditing.check(config(on_leak="refuse"), dataset, tiles, [halves(tiles)])
  assert str(error.value).startswith(
    "split.on_leak=refuse, but 1 cluster of near-duplicates stands on both sides of"
    " train | test, as a/0_0.png and c/z.png: take the copies out"
  )
  auditing.check(config(), dataset, tiles, [halves(tiles)])
  said = " ".join(capsys.readouterr().out.split())
  assert "1 cluster of near-duplicates (2 images), 1 of them on both sides" in said
  with pytest.raises(InputError, match="did you mean 'refuse'"):
    auditing.check(config(on_leak="refuze"), dataset, tiles, [halves(tiles)])


def test_what_does_not_leak_is_not_refused(planted):
  dataset, tiles = planted
  n = len(tiles)
  clean = Split(np.r_[0:20, n - 1], np.array([], int), np.arange(20, n - 1))
  auditing.check(config(on_leak="refuse"), dataset, tiles, [clean])
  with pytest.raises(InputError, match="fold 1: 1 cluster"):
    designs = [clean, halves(tiles)]
    auditing.check(config(on_leak="refuse"), dataset, tiles, designs)


def test_an_audit_is_kept_with_its_picture(planted, tmp_path, monkeypatch):
  dataset, tiles = planted
  found, kept = auditing.audit(dataset, tiles, halves(tiles))
  with Image.open(kept / auditing.PICTURE) as picture:
    pixels = np.asarray(picture)
  left, right = pixels[:128, :128], pixels[:128, 132:260]
  np.testing.assert_allclose(left, right[::-1, ::-1], atol=1)
  run = types.SimpleNamespace(figures=tmp_path)
  assert auditing.picture(kept, run).read_bytes()
  (note,) = [n for n in auditing.notes(found) if "near-duplicate" in n]
  assert note.startswith("1 test image has a copy or near-duplicate")
  monkeypatch.setattr(leakage, "audit", lambda *_: pytest.fail("audited again"))
  assert auditing.audit(dataset, tiles, halves(tiles))[0] == found


def test_the_same_bytes_are_told_from_the_same_pixels(cache, image_folder):
  root = image_folder(groups=2)
  for name in ("a/0_0.png", "b/0_0.png"):
    first = (root / name).read_bytes()
    (root / name.replace("0_0", "copy")).write_bytes(first)
  Image.open(root / "b" / "0_0.png").save(root / "b" / "copy.png", compress_level=1)
  dataset = folder(types.SimpleNamespace(source=str(root), test_source=""))
  tiles = prepare(dataset, lambda h, w: (h, w), "full")
  found, _ = auditing.audit(dataset, tiles, halves(tiles))
  assert found["identical"]["images"] == 4 and found["identical"]["same_files"] == 2


def test_the_mode_prints_everything(planted, capsys):
  dataset, tiles = planted
  auditing.show(config(), dataset, tiles, [halves(tiles)])
  said = capsys.readouterr().out
  for part in ("a/0_0.png", "c/z.png", "180", "eosin", "audit.json", "1.1 times"):
    assert part in said
  with pytest.raises(InputError, match="on_leak=refuse"):
    auditing.show(config(on_leak="refuse"), dataset, tiles, [halves(tiles)])
