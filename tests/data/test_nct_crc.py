"""On the real files beside the project, a few of each set; skipped without them."""

import shutil
import types
import zipfile

import numpy as np
import pytest
from ml_collections import config_dict
from PIL import Image

from histojax.data import catalogue, nct_crc, splits, tiles
from histojax.errors import InputError


def find(source, test_source=""):
  data = dict(name="nct_crc", source=str(source), test_source=str(test_source))
  return catalogue.find(types.SimpleNamespace(**data))


@pytest.fixture
def real(shared_data):
  folder = shared_data / "nct_crc_partial"
  if not folder.is_dir():
    pytest.skip(f"needs {folder}")
  return folder


def zipped(folder, path):
  with zipfile.ZipFile(path, "w") as file:
    for image in sorted(folder.rglob("*.tif")):
      file.write(image, image.relative_to(folder.parent).as_posix())
  return path


def test_the_published_counts_add_up():
  assert sum(nct_crc.TRAIN.counts) == 100_000 and sum(nct_crc.TEST.counts) == 7_180


def test_the_real_folder_is_read_as_a_part(cache, real):
  dataset = find(real / "NCT-CRC-HE-100K")
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  assert found.classes == nct_crc.CLASSES and found.label.tolist() == list(range(9))
  assert found.image.shape == (9, 224, 224, 3)
  assert found.image_id[0] == "ADI/ADI-AAQEFMRI.tif"
  (note,) = dataset.notes
  assert note.startswith("NCT-CRC-HE-100K is here in part: 9 of 100,000 images (ADI 1,")
  assert dataset.licence == "CC BY 4.0" and "zenodo.1214456" in dataset.citation


def test_a_zip_of_it_is_the_same_images(cache, real, tmp_path):
  path = zipped(real / "NCT-CRC-HE-100K", tmp_path / "NCT-CRC-HE-100K.zip")
  folder, archive = find(real / "NCT-CRC-HE-100K"), find(path)
  one, other = (
    tiles.prepare(d, lambda h, w: (h, w), "full") for d in (folder, archive)
  )
  assert one.digest.tolist() == other.digest.tolist()
  assert one.image_id.tolist() == other.image_id.tolist()
  assert "not 6fd702d11df6292bc054397ae038a464: this is not the" in archive.notes[1]


def test_train_and_test_parts(cache, real, tmp_path):
  test = zipped(real / "CRC-VAL-HE-7K", tmp_path / "CRC-VAL-HE-7K.zip")
  dataset = find(real / "NCT-CRC-HE-100K", test)
  assert dataset.images == 10
  assert "CRC-VAL-HE-7K is here in part: 1 of 7,180" in dataset.notes[1]
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  assert sorted(found.split) == ["test"] + ["train"] * 9
  copies = find(real / "NCT-CRC-HE-100K", real / "CRC-VAL-HE-7K-jpg").notes
  assert copies[2].startswith(
    "35 images of CRC-VAL-HE-7K are copies, not the published"
  )


def test_the_hold_out_is_cut_from_the_100k_and_crc_val_only_tests(cache, made):
  """Three columns: train and validation of the 100K, test of CRC-VAL-HE-7K."""
  rng = np.random.default_rng(0)
  for name in nct_crc.CLASSES:
    (made.parent / "test" / name).mkdir(parents=True)
    for i in range(10):
      letters = "ABCDEFGHIJ"[i] * 8
      for folder, stem in (("set", letters), ("test", f"TCGA-{letters}")):
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(made.parent / folder / name / f"{name}-{stem}.tif")
  dataset = find(made, made.parent / "test")
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  config = config_dict.ConfigDict(
    {"protocol": "predefined", "seed": 0, "validation_fraction": 0.1}
  )
  parts = splits.make(found, config).parts()
  assert {k: len(rows) for k, rows in parts.items()} == {
    "train": 81, "validation": 9, "test": 90
  }  # fmt: skip
  for part, rows in parts.items():
    of_test = ["TCGA" in name for name in found.image_id[rows]]
    assert all(of_test) if part == "test" else not any(of_test)
    assert len(set(found.label[rows])) == 9
  with pytest.raises(InputError, match="is of CRC-VAL-HE-7K, which only tests where"):
    find(made.parent / "test", made)


def test_the_unnormalised_variant_is_known_by_its_name(made, tmp_path):
  shutil.copytree(made, tmp_path / "NCT-CRC-HE-100K-NONORM")
  notes = find(tmp_path / "NCT-CRC-HE-100K-NONORM").notes
  assert notes[0].startswith("NCT-CRC-HE-100K-NONORM is here in part: 9 of 100,000")
  assert notes[1].startswith("NCT-CRC-HE-100K-NONORM keeps the colours of the scanner")
  assert not any("NONORM" in note for note in find(made).notes)


@pytest.fixture
def made(tmp_path):
  """`<class>/<class>-AAAAAAAA.tif` of all nine classes: names, no pictures."""
  for name in nct_crc.CLASSES:
    (tmp_path / "set" / name).mkdir(parents=True)
    (tmp_path / "set" / name / f"{name}-AAAAAAAA.tif").touch()
  return tmp_path / "set"


def test_a_whole_set_is_recognised(made):
  letters = "ABCDEFGHIJ"
  for name, count in zip(nct_crc.CLASSES, nct_crc.TEST.counts, strict=True):
    (made / name / f"{name}-AAAAAAAA.tif").unlink()
    for i in range(count):
      tail = "".join(letters[int(digit)] for digit in f"{i:08d}")
      (made / name / f"{name}-TCGA-{tail}.tif").touch()
  assert find(made).notes == (
    "CRC-VAL-HE-7K: all 7,180 published images, as many of each class.",
  )


def test_what_cannot_be_right_is_one_sentence(made, tmp_path):
  (made / "ADI" / "notes.png").touch()
  assert find(made).notes[1] == "1 files do not carry a name of the published sets."
  shutil.copytree(made, tmp_path / "again")
  with pytest.raises(InputError, match="same image is there twice, as 'test/ADI/ADI-A"):
    find(made, tmp_path / "again")
  (made / "ADI" / "BACK-BBBBBBBB.tif").touch()
  with pytest.raises(InputError, match="is labelled ADI, but its name says BACK"):
    find(made)
  (made / "ADI" / "BACK-BBBBBBBB.tif").unlink()
  (made / "ADI" / "ADI-AAAAAAAA.jpg").touch()
  with pytest.raises(InputError, match="there twice, as 'ADI/ADI-AAAAAAAA.jpg' and"):
    find(made)
  shutil.rmtree(made / "TUM")
  with pytest.raises(InputError, match="has no images of TUM"):
    find(made)
  (made / "TUMOR").mkdir()
  (made / "TUMOR" / "x.tif").touch()
  with pytest.raises(
    InputError, match="class 'TUMOR'; did you mean 'TUM'.*name=folder"
  ):
    find(made)
