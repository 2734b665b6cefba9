import csv
import os

import pytest

from histojax.data import listing
from histojax.errors import InputError


def write_manifest(path, rows, columns=("path", "label", "group")):
  with path.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
  return path


def test_tree_gives_classes_by_folder_and_every_image_a_group(image_folder):
  root = image_folder(classes=("x", "y"), groups=2, per_group=1)
  (root / "x" / "deep").mkdir()
  os.rename(root / "x" / "0_0.png", root / "x" / "deep" / "0_0.PNG")
  (root / "x" / ".hidden.png").write_bytes(b"not an image")
  (root / "x" / "notes.txt").write_text("no image")
  items = listing.scan(str(root))
  assert [i.image_id for i in items] == [
    "x/1_0.png",
    "x/deep/0_0.PNG",
    "y/0_0.png",
    "y/1_0.png",
  ]
  assert [i.label for i in items] == ["x", "x", "y", "y"]
  assert all(i.group == i.image_id for i in items)


def test_manifest_gives_labels_groups_and_split(image_folder, tmp_path):
  root = image_folder(classes=("x", "y"), groups=1, per_group=2)
  rows = [
    ("x/0_0.png", "benign", "p1", "train"),
    ("y/0_1.png", "malignant", "", "test"),
  ]
  columns = ("path", "label", "group", "split")
  path = write_manifest(root / "m.csv", rows, columns)
  first, second = listing.scan(str(path))
  assert (first.label, first.group, first.split) == ("benign", "p1", "train")
  assert second.group == "y/0_1.png"  # no group: its own
  assert first.path == str(root / "x" / "0_0.png")


def test_two_folders_mark_train_and_test(image_folder, tmp_path):
  train = image_folder(groups=2, root=tmp_path / "train")
  test = image_folder(groups=1, root=tmp_path / "test")
  items = listing.scan(str(train), str(test))
  assert {i.split for i in items} == {"train", "test"}
  assert len({i.image_id for i in items}) == len(items) == 3 * 2 * 2 + 3 * 2
  extra = image_folder(classes=("a", "new"), root=tmp_path / "other")
  with pytest.raises(InputError, match="lacks: new"):
    listing.scan(str(train), str(extra))


def test_fingerprint_sees_every_change(image_folder):
  root = image_folder()
  seen = {listing.fingerprint(listing.scan(str(root)))}

  def changed():
    seen.add(listing.fingerprint(listing.scan(str(root))))
    return len(seen)

  assert changed() == 1
  target = root / "a" / "0_0.png"
  (root / "a" / "new.png").write_bytes(target.read_bytes())
  assert changed() == 2
  (root / "a" / "new.png").unlink()
  assert changed() == 2  # back to the first
  target.write_bytes((root / "b" / "0_0.png").read_bytes())
  assert changed() == 3
  os.rename(target, root / "b" / "moved.png")
  assert changed() == 4


@pytest.mark.parametrize(
  ("rows", "columns", "message"),
  [
    ([], ("file", "label"), "no column 'path'"),
    (
      [("a/0_0.png", "")],
      ("path", "label"),
      "line 2: path and label must not be empty",
    ),
    ([("a/no.png", "a")], ("path", "label"), "no such image"),
    ([("a/0_0.png", "a")] * 2, ("path", "label"), "listed twice .first on line 2"),
    ([("a/0_0.png", "a", "tset")], ("path", "label", "split"), "did you mean 'test'"),
    ([("a/0_0.png", "a")], ("path", "label"), "one class only"),
    ([], ("path", "label"), "no images"),
  ],
)
def test_bad_manifests_are_one_sentence(image_folder, rows, columns, message):
  path = write_manifest(image_folder() / "m.csv", rows, columns)
  with pytest.raises(InputError, match=message):
    listing.scan(str(path))


def test_bad_sources_are_one_sentence(image_folder, tmp_path):
  with pytest.raises(InputError, match="data.source is empty"):
    listing.scan("")
  with pytest.raises(InputError, match="no such file or folder"):
    listing.scan(str(tmp_path / "missing"))
  (tmp_path / "empty").mkdir()
  with pytest.raises(InputError, match="no images"):
    listing.scan(str(tmp_path / "empty"))
  one = image_folder(classes=("only",), root=tmp_path / "one")
  write_manifest(one / "manifest.csv", [])
  with pytest.raises(InputError, match="one class only.*did you mean.*manifest.csv"):
    listing.scan(str(one))
