"""PathMNIST: arrays of one file, read by row, with parts and labels of its own."""

import hashlib
import io
import zipfile

import numpy as np
import pytest
from ml_collections import config_dict

from histojax.data import catalogue, nct_crc, pathmnist, splits, tiles
from histojax.errors import InputError

# info.py of MedMNIST 3.0: label -> what it stands for
LABELS = (
  "adipose", "background", "debris", "lymphocytes", "mucus", "smooth muscle",
  "normal colon mucosa", "cancer-associated stroma",
  "colorectal adenocarcinoma epithelium",
)  # fmt: skip
COUNTS = {"train": 18, "val": 9, "test": 9}


def find(source, **changes):
  data = dict(name="nct_crc", source=str(source), test_source="") | changes
  return catalogue.find(config_dict.ConfigDict(data))


def arrays(size=28):
  found, rng = {}, np.random.default_rng(0)
  for part, n in COUNTS.items():
    found[f"{part}_images"] = rng.integers(0, 256, (n, size, size, 3), np.uint8)
    found[f"{part}_labels"] = (np.arange(n)[:, None] * 4 % 9).astype(np.uint8)
  return found


@pytest.fixture
def written(tmp_path):
  def write(name="pathmnist.npz", **changes):
    np.savez_compressed(tmp_path / name, **arrays() | changes)
    return tmp_path / name

  return write


def test_labels_are_our_classes_in_their_order():
  assert nct_crc.CLASSES == (
    "ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"
  )  # fmt: skip
  words = {
    "ADI": "adipose", "BACK": "background", "DEB": "debris", "LYM": "lymphocytes",
    "MUC": "mucus", "MUS": "smooth muscle", "NORM": "normal colon mucosa",
    "STR": "cancer-associated stroma", "TUM": "colorectal adenocarcinoma epithelium",
  }  # fmt: skip
  assert tuple(words[name] for name in nct_crc.CLASSES) == LABELS
  assert sum(pathmnist.PARTS.values()) == 107_180


@pytest.mark.parametrize("size", [28, 64])
def test_every_image_is_read_with_its_part(cache, tmp_path, size):
  held = arrays(size)
  np.savez(tmp_path / "mine.npz", **held)
  dataset = find(tmp_path / "mine.npz")
  assert dataset.images == 36 and "PathMNIST of" in dataset.notes[0]
  assert "arrays" in dataset.not_files  # and so no baseline of files
  found = tiles.prepare(dataset, lambda h, w: (h, w), "full")
  assert found.classes == nct_crc.CLASSES and found.image.shape == (36, size, size, 3)
  for part, split in pathmnist.SPLITS.items():
    rows = np.flatnonzero(found.split == split)
    assert found.image_id[rows].tolist() == [
      f"{split}/{i:05}" for i in range(len(rows))
    ]
    np.testing.assert_array_equal(found.image[rows], held[f"{part}_images"])
    np.testing.assert_array_equal(found.label[rows], held[f"{part}_labels"][:, 0])
  split = config_dict.ConfigDict({"protocol": "predefined"})
  parts = splits.make(found, split).parts()
  assert {k: len(v) for k, v in parts.items()} == dict(train=18, validation=9, test=9)


def test_the_checksum_of_a_published_name_is_told(cache, written):
  path = written()
  assert find(path).notes[1].startswith("md5 of pathmnist.npz is ")
  assert "not a8b06965200029087d5bd730944a56c1: this is not" in find(path).notes[1]
  (remembered,) = (cache / "md5").iterdir()
  assert remembered.read_text() == hashlib.md5(path.read_bytes()).hexdigest()
  remembered.write_text(pathmnist.MD5["pathmnist.npz"])
  assert find(path).notes[1].endswith(", as published.")


def test_other_arrays_are_one_sentence(tmp_path, written):
  cases = {
    "train_images has the shape": {"train_images": np.zeros((18, 30, 30, 3), np.uint8)},
    "val_images has the shape": {"val_images": np.zeros((9, 28, 28), np.uint8)},
    "test_images are not bytes": {"test_images": np.zeros((9, 28, 28, 3))},
    "18 train_images, but 17 labels": {"train_labels": np.zeros((17, 1), np.uint8)},
    "not all from 0 to 8": {"val_labels": np.full((9, 1), 9)},
    "not one whole number per image": {"val_labels": np.zeros((9, 2), int)},
  }
  for sentence, changes in cases.items():
    with pytest.raises(InputError, match=sentence):
      find(written("other.npz", **changes))
  with pytest.raises(InputError, match="cannot be read as .npz .*llow_pickle"):
    find(written("other.npz", val_labels=np.array([{}] * 9, object)))
  held = arrays()
  del held["val_images"]
  np.savez(tmp_path / "less.npz", **held)
  with pytest.raises(InputError, match="is not PathMNIST: .*val_images.npy"):
    find(tmp_path / "less.npz")
  (tmp_path / "broken.npz").write_bytes(b"PK not a zip")
  with pytest.raises(InputError, match="broken.npz cannot be read as .npz"):
    find(tmp_path / "broken.npz")
  with pytest.raises(InputError, match="no such file: .*absent.npz"):
    find(tmp_path / "absent.npz")
  with pytest.raises(InputError, match="PathMNIST has a test part of its own"):
    find(written(), test_source="/none")


def test_an_object_array_of_images_is_not_unpickled(tmp_path):
  held = arrays()
  buffer = io.BytesIO()
  np.lib.format.write_array(buffer, np.array([{}] * 18, object), allow_pickle=True)
  np.savez(
    tmp_path / "code.npz", **{k: v for k, v in held.items() if "train_im" not in k}
  )
  with zipfile.ZipFile(tmp_path / "code.npz", "a") as archive:
    archive.writestr("train_images.npy", buffer.getvalue())
  with pytest.raises(InputError, match="train_images are not bytes"):
    find(tmp_path / "code.npz")
