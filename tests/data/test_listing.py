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


def test_a_folder_is_read_by_its_manifest(image_folder):
  root = image_folder(classes=("image", "mask"), groups=1, per_group=2)
  rows = [("image/0_0.png", "x", "p1"), ("image/0_1.png", "y", "p2")]
  path = write_manifest(root / "manifest.csv", rows)
  assert listing.scan(str(root)) == listing.scan(str(path))
  assert [i.label for i in listing.scan(str(root))] == ["x", "y"]


def test_two_folders_mark_train_and_test(image_folder, tmp_path):
  train = image_folder(groups=2, root=tmp_path / "train")
  test = image_folder(groups=1, root=tmp_path / "test")
  items = listing.scan(str(train), str(test))
  assert {i.split for i in items} == {"train", "test"}
  assert len({i.image_id for i in items}) == len(items) == 3 * 2 * 2 + 3 * 2
  extra = image_folder(classes=("a", "new"), root=tmp_path / "other")
  with pytest.raises(InputError, match="'new/1_0.png' is of class 'new'; known: a, b"):
    listing.scan(str(train), str(extra))


def test_two_folders_share_no_group_by_equal_file_names(image_folder, tmp_path):
  sides = [image_folder(root=tmp_path / name) for name in ("train", "test")]
  items = listing.scan(*map(str, sides))
  assert len({i.group for i in items}) == len(items)  # a 1.png here is not that there
  for root in sides:  # but a patient is the same patient
    write_manifest(root / "m.csv", [("a/0_0.png", "a", "p"), ("b/0_0.png", "b", "p")])
  items = listing.scan(*(str(root / "m.csv") for root in sides))
  assert {i.group for i in items} == {"p"} and len({i.image_id for i in items}) == 4


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
    (
      [("a/0_0.png", "a"), ("./a//0_0.png", "b")],
      ("path", "label"),
      "line 3: a/0_0.png is listed twice .first on line 2",
    ),
    ([("a", "a")], ("path", "label"), "line 2: this is a folder, not an image"),
    ([("x" * 10_000, "a")], ("path", "label"), "line 2: .* is 10,000 characters long"),
    ([("a/0_0.png", "x" * 10_000)], ("path", "label"), "the label .* is 10,000 char"),
    ([("a/0_0.png", "x\0")], ("path", "label"), "line 2"),
    ([("a/0_0.png", "x" * 200_000)], ("path", "label"), "line 2: field larger than"),
    ([("a/0_0.png", "a", "tset")], ("path", "label", "split"), "did you mean 'test'"),
    ([("a/0_0.png", "a")], ("path", "label"), "one class only"),
    ([], ("path", "label"), "no images"),
  ],
)
def test_bad_manifests_are_one_sentence(image_folder, rows, columns, message):
  path = write_manifest(image_folder() / "m.csv", rows, columns)
  with pytest.raises(InputError, match=message):
    listing.scan(str(path))


def test_a_manifest_of_another_encoding_names_the_line(image_folder):
  path = image_folder() / "m.csv"
  text = "path,label\na/0_0.png,g\u00fct\nb/0_0.png,b\n"
  path.write_bytes(b"path,label\nb/0_0.png,b\n" + text[11:].encode("latin-1"))
  with pytest.raises(InputError, match="m.csv, line 3 is not UTF-8: save it .*Excel"):
    listing.scan(str(path))
  path.write_bytes(text.encode("utf-16"))  # Excel's "Unicode text"
  with pytest.raises(InputError, match="line 1 is not UTF-8"):
    listing.scan(str(path))
  path.write_bytes(text.encode("utf-8-sig"))
  assert {i.label for i in listing.scan(str(path))} == {"g\u00fct", "b"}


def test_names_that_are_not_utf8_are_named(image_folder):
  root = image_folder()
  os.rename(root / "a" / "0_0.png", os.fsencode(root / "a") + b"/\xff.png")
  with pytest.raises(InputError, match=r"a/.udcff.png' is not UTF-8: rename it") as e:
    listing.scan(str(root))
  str(e.value).encode()  # can be printed
  os.rename(root, os.fsencode(root) + b"\xff")
  with pytest.raises(InputError, match="data.source: .* is not UTF-8") as e:
    listing.scan(f"{root}\udcff")
  str(e.value).encode()


def test_linked_folders_are_read_once(image_folder, tmp_path):
  root = image_folder(classes=("a", "b"), groups=1, per_group=1)
  elsewhere = image_folder(classes=("p1",), root=tmp_path / "elsewhere")
  os.symlink(elsewhere / "p1", root / "a" / "p1")
  os.symlink(root / "a", root / "a" / "again")  # a ring
  assert len(listing.scan(str(root))) == 2 + 10


def test_fixed_classes_are_held(image_folder):
  root = image_folder()
  assert listing.scan(str(root), "", ("c", "b", "a"))
  with pytest.raises(InputError, match="'c/0_0.png|c/.*' is of class 'c'; known: a, b"):
    listing.scan(str(root), "", ("a", "b"))
  with pytest.raises(InputError, match="'a/.*class 'a'; did you mean 'A'"):
    listing.scan(str(root), "", ("A", "b", "c"))
  with pytest.raises(InputError, match="has no images of d: each of a, b, c, d needs"):
    listing.scan(str(root), "", ("a", "b", "c", "d"))


def test_bad_sources_are_one_sentence(image_folder, tmp_path):
  with pytest.raises(InputError, match="data.source is empty"):
    listing.scan("")
  with pytest.raises(InputError, match="no such file or folder"):
    listing.scan(str(tmp_path / "missing"))
  with pytest.raises(InputError, match="data.test_source: no such file or folder"):
    listing.scan(str(image_folder()), str(tmp_path / "missing"))
  with pytest.raises(InputError, match="'xxxx.* is 10,000 characters long"):
    listing.scan("x" * 10_000)
  with pytest.raises(InputError, match="~nobody-here"):
    listing.scan("~nobody-here/images")
  (tmp_path / "set.h5").write_bytes(b"")
  with pytest.raises(InputError, match="set.h5 is neither a folder, an archive"):
    listing.scan(str(tmp_path / "set.h5"))
  (image_folder(root=tmp_path / "holed") / "void").mkdir()
  with pytest.raises(InputError, match="the class folder .*void holds no images"):
    listing.scan(str(tmp_path / "holed"))
  wrapped = image_folder(root=tmp_path / "wrapped" / "inside").parent
  with pytest.raises(
    InputError, match="one class only .'inside'.*data.source=.*inside"
  ):
    listing.scan(str(wrapped))
  (tmp_path / "empty").mkdir()
  with pytest.raises(InputError, match="no images"):
    listing.scan(str(tmp_path / "empty"))
  one = image_folder(classes=("only",), root=tmp_path / "one")
  with pytest.raises(InputError, match="one class only .'only'.: put the images of"):
    listing.scan(str(one))
