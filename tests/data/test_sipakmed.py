"""SIPaKMeD from its published layout: written here from the facts, file by file."""

import numpy as np
import pytest
from ml_collections import config_dict
from PIL import Image

from histojax.data import catalogue, sipakmed, tiles
from histojax.data.listing import Item
from histojax.errors import InputError

CLASSES = (
  "Superficial-Intermediate", "Parabasal", "Koilocytotic", "Dyskeratotic", "Metaplastic"
)  # fmt: skip
CELLS = (831, 787, 825, 813, 793)


def find(source, **changes):
  data = dict(name="sipakmed", source=str(source), test_source="") | changes
  return catalogue.find(config_dict.ConfigDict(data))


@pytest.fixture
def made(tmp_path):
  """Two clusters of each class: 001 with two cells, 012 with three, contours beside."""
  for k, name in enumerate(CLASSES):
    folder = tmp_path / f"im_{name}" / f"im_{name}"
    (folder / "CROPPED").mkdir(parents=True)
    for cluster, cells in (("001", 2), ("012", 3)):
      Image.new("RGB", (60, 50), (k, 0, 0)).save(folder / f"{cluster}.bmp")
      (folder / f"{cluster}_cyt01.dat").write_text("1.0,2.0\n")
      for cell in range(1, cells + 1):
        pixels = np.random.default_rng([k, int(cluster), cell]).integers(
          0, 256, (20 + cell, 25, 3), np.uint8
        )
        path = folder / "CROPPED" / f"{cluster}_{cell:02d}"
        Image.fromarray(pixels).save(f"{path}.bmp")
        path.with_name(f"{path.name}_nuc.dat").write_text("1.0,2.0\n")
  return tmp_path


def names(counts):
  for name, count in zip(CLASSES, counts, strict=True):
    for i in range(count):
      yield f"im_{name}/im_{name}/CROPPED/{i // 5 + 1:03d}_{i % 5 + 1:02d}.bmp"


def listed(names):
  return [Item(name, f"/none/{name}", name.partition("/")[0], name) for name in names]


def test_cells_belong_to_their_cluster(cache, made):
  dataset = find(made)
  found = tiles.prepare(dataset, lambda h, w: (80, 80), "80")
  assert found.classes == CLASSES and found.image.shape == (25, 80, 80, 3)
  assert np.bincount(found.label).tolist() == [5] * 5
  rows = dict(zip(found.image_id, found.group, strict=True))
  cell = "im_Metaplastic/im_Metaplastic/CROPPED/012_03.bmp"
  assert rows[cell] == "Metaplastic/012" and len(set(found.group)) == 10
  assert dataset.group_name == "cluster" and "do not redistribute" in dataset.licence
  assert dataset.notes[0].startswith(
    "SIPaKMeD is here in part: 25 of 4,049 cells (Super"
  )
  assert dataset.notes[1:] == (
    "10 pictures of whole clusters are left aside: cells are classified.",
  )


def test_the_published_set_is_recognised():
  items, notes = sipakmed.read(listed(names(CELLS)))
  assert len(items) == 4049
  clusters = sum(-(-n // 5) for n in CELLS)
  assert notes == (
    "SIPaKMeD: all 4,049 published cells, as many of each class, of"
    f" {clusters} clusters.",
  )


@pytest.mark.parametrize(
  "name, sentence",
  [
    ("im_Koilo/CROPPED/001_01.bmp", "is of class 'Koilo'; did you mean 'Koilocytotic'"),
    ("Parabasal/CROPPED/001_01.bmp", "is in no folder of a class: im_<Class>/im_<C"),
    ("im_Parabasal/im_Metaplastic/CROPPED/9_01.bmp", "lies in folders of two classes"),
    ("im_Parabasal/im_Parabasal/CROPPED/001.bmp", "does not tell its cluster: expect"),
    (
      "im_Parabasal/CROPPED/001_01.png",
      "same cell is there twice, as 'im_Parabasal/im",
    ),
  ],
)
def test_what_cannot_be_right_is_one_sentence(name, sentence):
  good = listed(names([1] * 5))
  assert len(sipakmed.read(good)[0]) == 5
  with pytest.raises(InputError, match=sentence):
    sipakmed.read(good + listed([name]))


def test_missing_cells_and_copies_are_told(made):
  good = listed(names([1] * 5))
  with pytest.raises(
    InputError, match="has no cells of Koilocytotic: expected im_<Cla"
  ):
    sipakmed.read([item for item in good if "Koilo" not in item.image_id])
  copies = [item._replace(path=item.path.replace(".bmp", ".png")) for item in good]
  assert "5 cells are copies, not the published .bmp files." in sipakmed.read(copies)[1]
  with pytest.raises(InputError, match="data.name=sipakmed has one source"):
    find(made, test_source=str(made))
