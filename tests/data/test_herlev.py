"""Herlev: names, pictures as groups; the real part beside the project."""

import csv

import numpy as np
import pytest
from ml_collections import config_dict

from histojax.data import catalogue, herlev, tiles
from histojax.data.listing import Item
from histojax.errors import InputError

GOOD = [f"New/{name}/14900000{k}-1490-001.BMP" for k, name in enumerate(herlev.CLASSES)]


def read(names):
  return herlev.read([Item(name, f"/none/{name}", "New", name) for name in names])


def test_the_published_counts_add_up():
  assert sum(herlev.COUNTS.values()) == 917 and len(herlev.CLASSES) == 7


def test_the_real_cells_are_grouped_by_their_picture(cache, shared_data):
  folder = shared_data / "herlev_papsmear"
  if not folder.is_dir():
    pytest.skip(f"needs {folder}")
  data = dict(name="herlev", source=str(folder), test_source="")
  dataset = catalogue.find(config_dict.ConfigDict(data))
  found = tiles.prepare(dataset, lambda h, w: (64, 64), "64")
  assert found.classes == herlev.CLASSES and dataset.group_name == "picture"
  assert np.bincount(found.label).tolist() == [37, 35, 49, 91, 73, 98, 75]
  with (folder / "manifest.csv").open() as file:
    rows = {row["path"]: row for row in csv.DictReader(file)}
  groups = dict(zip(found.image_id, found.group, strict=True))
  assert groups == {path: row["group"] for path, row in rows.items()}
  labels = {
    i: found.classes[k] for i, k in zip(found.image_id, found.label, strict=True)
  }
  assert labels == {path: row["label"] for path, row in rows.items()}
  assert dataset.notes[0].startswith(
    "Herlev is here in part: 458 of 917 cells (normal_s"
  )


def test_contours_are_left_aside():
  items, notes = read([*GOOD, GOOD[0].replace("-001", "-001-d")])
  assert len(items) == 7 and items[3].group == "149000003"
  assert notes[1] == "1 pictures of contours (-d) are left aside."


@pytest.mark.parametrize(
  "name, sentence",
  [
    ("New/light/149000001-1490-001.BMP", "is of class 'light'; .*light_dysplastic"),
    ("New/light_dysplastic/cell.BMP", "has no name of Herlev, such as 149146837-14914"),
    ("Old/normal_columnar/149000002-1490-001.BMP", "same cell is there twice, as 'New"),
  ],
)
def test_what_cannot_be_right_is_one_sentence(name, sentence):
  assert len(read(GOOD)[0]) == 7
  with pytest.raises(InputError, match=sentence):
    read([*GOOD, name])
  with pytest.raises(InputError, match="no cells of carcinoma_in_situ"):
    read(GOOD[:-1])
