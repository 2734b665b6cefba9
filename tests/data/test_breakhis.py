"""Names, groups, lists and copies of BreakHis; real files where they are beside us."""

import csv
import re
import tarfile

import numpy as np
import pytest
from ml_collections import config_dict
from PIL import Image

from histojax.data import breakhis, catalogue, splits, tiles
from histojax.data.breakhis_slides import MAGNIFICATIONS, SLIDES
from histojax.data.listing import Item
from histojax.errors import InputError


def find(source, **changes):
  data = dict(name="breakhis", source=str(source), test_source="") | changes
  return catalogue.find(config_dict.ConfigDict(data))


def opened(dataset):
  return tiles.prepare(dataset, lambda h, w: (h, w), "full")


def published():
  """The name of every published file, as the paper and the archive spell it."""
  for slide, counts in SLIDES.items():
    kind, number = slide.split("_")
    side = "benign" if kind in ("A", "F", "PT", "TA") else "malignant"
    letter = side[0].upper()
    for magnification, count in zip(MAGNIFICATIONS, counts, strict=True):
      for i in range(count):
        yield (
          f"breast/{side}/SOB/{breakhis.SUBTYPES[kind]}/SOB_{letter}_{slide}/"
          f"{magnification}X/SOB_{letter}_{kind}-{number}-{magnification}"
          f"-{i + 1:03}.png"
        )


def listed(names):
  return [Item(name, f"/none/{name}", "breast", name) for name in names]


def read(names, magnification="all", task="binary", group_by="accession", **more):
  return breakhis.read(listed(names), magnification, task, group_by, **more)


def tree(root, slides, numbers=(1, 2), size=(12, 16), magnifications=(40, 400)):
  """`slides` such as B_A_14-22549AB with pictures that all differ."""
  rng = np.random.default_rng(0)
  for slide in slides:
    side, kind, number = slide.split("_")
    folder = {"B": "benign", "M": "malignant"}[side]
    for magnification in magnifications:
      where = root / "BreaKHis_v1" / "histology_slides" / "breast" / folder / "SOB"
      where = where / breakhis.SUBTYPES[kind] / f"SOB_{slide}" / f"{magnification}X"
      where.mkdir(parents=True, exist_ok=True)
      for i in numbers:
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        name = f"SOB_{side}_{kind}-{number}-{magnification}-{i:03d}.png"
        Image.fromarray(pixels).save(where / name)
  return root


def test_the_published_tables_add_up():
  sides = {"benign": np.zeros(4, int), "malignant": np.zeros(4, int)}
  for slide, counts in SLIDES.items():
    benign = slide.split("_")[0] in ("A", "F", "PT", "TA")
    sides["benign" if benign else "malignant"] += counts
  assert len(SLIDES) == 82
  assert sides["benign"].tolist() == [625, 644, 623, 588]
  assert sides["malignant"].tolist() == [1370, 1437, 1390, 1232]


def test_the_slides_are_those_of_the_facts(shared_data):
  path = shared_data.parent / "reference" / "breakhis_slides.csv"
  if not path.is_file():
    pytest.skip(f"needs {path}")
  with path.open() as file:
    rows = list(csv.DictReader(file))
  found = {f"{row['subtype']}_{row['slide']}": row for row in rows}
  assert SLIDES == {
    name: tuple(int(row[f"n{m}"]) for m in MAGNIFICATIONS)
    for name, row in found.items()
  }
  names = [n for n in published() if n.endswith("-001.png")]
  parsed = [breakhis.named(item) for item in listed(names)]
  accessions = {f"{p.subtype}_{p.slide}": p.accession for p in parsed}
  assert accessions == {name: row["accession"] for name, row in found.items()}
  sides = {f"{p.subtype}_{p.slide}": p.side for p in parsed}
  assert sides == {name: row["class"] for name, row in found.items()}


def test_all_published_names_are_recognised_and_grouped():
  names = list(published())
  items, notes = read(names)
  assert len(items) == 7909
  assert notes == (
    "BreakHis: all 7,909 published images (2,480 benign, 5,429 malignant), as many of"
    " each slide.",
    "Grouped by accession number: 70 groups (16 benign, 54 malignant) of 81 slides.",
  )
  for group_by, groups in (("accession", 70), ("slide", 81)):
    assert len({item.group for item in read(names, group_by=group_by)[0]}) == groups
  assert len({item.path.split("/")[-3] for item in items}) == 82
  items, notes = read(names, "40", "subtype")
  assert notes[0].startswith("BreakHis at 40X: all 1,995 published images (625 benign")
  counts = {name: 0 for name in breakhis.SUBTYPES.values()}
  for item in items:
    counts[item.label] += 1
  assert [*counts.values()] == [114, 253, 109, 149, 864, 156, 205, 145]


def test_the_real_files_are_read_as_a_part(cache, shared_data):
  folder = shared_data / "breakhis_partial"
  if not folder.is_dir():
    pytest.skip(f"needs {folder}")
  dataset = find(folder)
  found = opened(dataset)
  assert (dataset.images, found.image.shape[1:]) == (42, (460, 700, 3))
  assert found.classes == ("benign", "malignant")
  assert np.bincount(found.label).tolist() == [25, 17]
  assert dataset.group_name == "accession" and len(set(found.group)) == 19
  assert dataset.notes[0].startswith(
    "BreakHis is here in part: 42 of 7,909 images (25 b"
  )
  assert len(find(folder, magnification="400").notes) == 2
  assert find(folder, magnification="400").images == 26
  with (folder / "manifest.csv").open() as file:
    groups = {row["path"]: row["group"] for row in csv.DictReader(file)}
  assert groups == dict(zip(found.image_id, found.group, strict=True))


def test_resized_copies_are_read_without_their_magnification(cache, shared_data):
  folder = shared_data / "breakhis_224_resized"
  if not folder.is_dir():
    pytest.skip(f"needs {folder}")
  dataset = find(folder)
  assert np.bincount(opened(dataset).label).tolist() == [24, 36]
  assert dataset.notes[1].startswith("60 images are copies of BreakHis, resized")
  with pytest.raises(InputError, match="not tell its magnification.*magnification=all"):
    find(folder, magnification="40")


SIX = (
  "B_A_14-22549AB",
  "B_A_14-22549CD",
  "B_F_14-25197",
  "M_DC_14-2523",
  "M_DC_14-2985",
)


def test_sizes_that_differ_and_a_tar_of_the_tree(cache, tmp_path):
  root = tree(tmp_path / "made", SIX)
  tree(root, ["M_LC_15-570C"], size=(11, 16))  # as 700 x 456 beside 700 x 460
  with tarfile.open(tmp_path / "BreaKHis_v1.tar.gz", "w:gz") as file:
    file.add(root / "BreaKHis_v1", "BreaKHis_v1")
  one, other = opened(find(root)), opened(find(tmp_path / "BreaKHis_v1.tar.gz"))
  assert one.digest.tolist() == other.digest.tolist() and len(one) == 24
  assert {tuple(size) for size in one.extent.tolist()} == {(12, 16), (11, 16)}
  assert set(one.group) == {"14-22549", "14-25197", "14-2523", "14-2985", "15-570"}
  slides = opened(find(root, group_by="slide"))
  assert "14-22549CD" in slides.group and "15-570C" in slides.group


def test_the_slide_that_is_there_twice_is_kept_once(cache, tmp_path):
  root = tree(tmp_path / "made", (*SIX, "M_DC_14-13412"))
  copies = []
  for path in sorted(root.rglob("SOB_M_DC-14-13412-*.png")):
    copy = re.sub("ductal_carcinoma", "lobular_carcinoma", str(path))
    copies.append(root / copy.replace("DC_14", "LC_14").replace("DC-14", "LC-14"))
    copies[-1].parent.mkdir(parents=True, exist_ok=True)
    Image.open(path).save(copies[-1], compress_level=9)  # other bytes, same pixels
  found = opened(find(root))
  assert len(found) == 6 * 4 and len(found.duplicates) == len(copies) == 4
  names = {copy.relative_to(root).as_posix() for copy in copies}
  assert {d.image_id for d in found.duplicates} == names
  assert all("SOB_M_DC-14-13412" in d.of for d in found.duplicates)
  assert not names & set(found.image_id)
  assert len(opened(find(root, duplicates="keep"))) == 28
  assert opened(find(root)).duplicates == found.duplicates  # from the cache, too
  with pytest.raises(InputError, match="duplicates='once'.*expected|one of|keep"):
    opened(find(root, duplicates="once"))


def test_a_class_of_copies_only_is_named(cache, tmp_path):
  root = tree(tmp_path / "made", SIX, numbers=(1,), magnifications=(40,))
  for path in root.rglob("*.png"):
    Image.new("RGB", (16, 12), "red").save(path)
  with pytest.raises(
    InputError, match="every image of class 'malignant' has the pixel"
  ):
    opened(find(root))


def write_list(path, root, tests):
  rows = []
  for file in sorted(root.rglob("*.png")):
    part = "test" if any(slide in file.name for slide in tests) else "train"
    rows.append(f"{file.name}|{file.stem.split('-')[-2]}|1|{part}")
  path.write_text("\n".join(rows) + "\n")


def test_the_official_list_is_the_split(cache, tmp_path):
  root = tree(tmp_path / "made", SIX)
  write_list(tmp_path / "dsfold2.txt", root, ("14-25197", "14-2985"))
  for path, trial in ((tmp_path / "dsfold2.txt", 1), (tmp_path, 2)):
    dataset = find(root, fold_list=str(path), trial=trial)
    assert dataset.notes[1] == "Parts as dsfold2.txt says: 12 images train, 8 test."
  found = opened(dataset)
  split = config_dict.ConfigDict(
    {"protocol": "predefined", "seed": 0, "validation_fraction": 0.0}
  )
  test = found.image_id[splits.make(found, split).test]
  assert {name.split("/")[-3] for name in test} == {
    "SOB_B_F_14-25197",
    "SOB_M_DC_14-2985",
  }
  one = find(root, fold_list=str(tmp_path / "dsfold2.txt"), magnification="40")
  assert "are not here" not in one.notes[1] and one.images == 10
  (next(root.rglob("*14-2985-40-001.png"))).unlink()
  assert (
    "(1 that it names are not here)"
    in find(root, fold_list=str(path), trial=2).notes[1]
  )


def test_lists_that_cannot_be_used_are_one_sentence(tmp_path):
  root = tree(tmp_path / "made", SIX)
  path = tmp_path / "dsfold1.txt"
  with pytest.raises(InputError, match="no such file: .*dsfold1.txt; expected one of"):
    find(root, fold_list=str(path))
  with pytest.raises(InputError, match="no such file: .*dsfold3.txt"):
    find(root, fold_list=str(tmp_path), trial=3)
  path.write_text("SOB_B_A-14-22549AB-40-001.png|40|1\n")
  with pytest.raises(InputError, match="dsfold1.txt, line 1: expected <file>|<magn"):
    find(root, fold_list=str(path))
  path.write_text("SOB_B_A-14-22549AB-40-001.png|40|1|train\n")
  with pytest.raises(InputError, match="does not name .*-400-001.png', nor 18 others"):
    find(root, fold_list=str(path))
  path.write_text("a.png|40|1|train\na.png|40|1|test\n")
  with pytest.raises(InputError, match="line 2: 'a.png' is listed twice"):
    find(root, fold_list=str(path))


GOOD = "breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png"
OTHER = GOOD.replace("benign", "malignant").replace("B_A", "M_DC").replace(
  "adenosis", "ductal_carcinoma"
)  # fmt: skip


@pytest.mark.parametrize(
  "name, sentence",
  [
    ("breast/benign/a.png", "has no name of BreakHis, such as SOB_B_A-14-22549AB-40-0"),
    (GOOD.replace("40-001", "50-001"), "has no name of BreakHis"),
    (GOOD.replace("B_A-", "B_DC-"), "has no name of BreakHis"),
    (
      GOOD.replace("benign", "malignant"),
      "lies in malignant, but its name says benign",
    ),
    (GOOD.replace("adenosis", "fibroadenoma"), "lies in fibroadenoma, but its name"),
    (
      GOOD.replace("40X", "100X"),
      "lies in 100X, but its name says benign, adenosis, 40X",
    ),
    (
      "again/" + GOOD,
      "the same image is there twice, as 'breast/.*' and 'again/breast",
    ),
  ],
)
def test_what_cannot_be_right_is_one_sentence(name, sentence):
  assert len(read([GOOD, OTHER])[0]) == 2
  with pytest.raises(InputError, match=sentence):
    read([GOOD, OTHER, name])


def test_choices_and_missing_classes_are_one_sentence():
  with pytest.raises(
    InputError, match="data.magnification='40X'; did you mean '40'|40X"
  ):
    read([GOOD, OTHER], "40X")
  with pytest.raises(InputError, match="data.task='subtypes'.*did you mean 'subtype'"):
    read([GOOD, OTHER], task="subtypes")
  with pytest.raises(InputError, match="data.group_by='patient'"):
    read([GOOD, OTHER], group_by="patient")
  with pytest.raises(
    InputError, match="no images of malignant: each of benign, malign"
  ):
    read([GOOD])
  with pytest.raises(InputError, match="no images of benign, malignant at 100X"):
    read([GOOD, OTHER], "100")
  with pytest.raises(InputError, match="no images of fibroadenoma, lobular_carcinoma"):
    read([GOOD, OTHER], task="subtype")
  with pytest.raises(InputError, match="data.name=breakhis has one source"):
    find("", test_source="/none")
  with pytest.raises(InputError, match="fold_list names images of BreakHis: set"):
    find("", fold_list="dsfold1.txt")


def test_more_than_was_published_is_noted():
  names = [*published(), GOOD.replace("-001", "-999")]
  assert (
    "1 slides have more images than were published, such as A_14-22549AB at 40X."
    in (read(names)[1])
  )
