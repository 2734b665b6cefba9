"""data.on_error=skip: counted and named, and nothing else changes."""

import json
import shutil

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from test_tiles import prepare

from histojax import experiment, startup
from histojax.data import skipped
from histojax.errors import InputError

QUICK = {
  "epochs": 1,
  "batch_size": 8,
  "evaluate_batch_size": 16,
  "augment.size": 32,
  "augment.rotations": 4,
  "model.name": "resnet_tiny",
  "split.folds": 3,
  "split.validation_fraction": 0.4,
}


@pytest.fixture
def damaged(image_folder):
  """30 images of 20 x 24; and two of them larger, which are damaged."""
  root = image_folder()
  large = np.zeros((400, 300, 3), np.uint8)
  Image.fromarray(large).save(root / "a" / "0_0x.png")
  data = (root / "a" / "0_0x.png").read_bytes()
  (root / "a" / "0_0x.png").write_bytes(data[:-40])  # its header is whole
  (root / "c" / "9_9.jpg").write_bytes(b"")
  return root


def without(root, target):
  shutil.copytree(root, target)
  (target / "a" / "0_0x.png").unlink()
  (target / "c" / "9_9.jpg").unlink()
  return target


def test_the_tiles_are_those_of_the_folder_without(damaged, tmp_path, cache):
  found = prepare(damaged, on_error="skip")
  whole = prepare(without(damaged, tmp_path / "whole"))
  for name in ("image", "extent", "label", "group", "image_id", "split", "digest"):
    np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), name)
  assert found.classes == whole.classes and not whole.skipped
  assert [row.image_id for row in found.skipped] == ["a/0_0x.png", "c/9_9.jpg"]
  assert [row.kind for row in found.skipped] == ["truncated", "empty"]


def test_refuse_does_not_take_what_skip_has_built(damaged, cache):
  prepare(damaged, on_error="skip")
  with pytest.raises(InputError) as caught:
    prepare(damaged)
  said = str(caught.value)
  assert said.startswith("cannot read image a/0_0x.png: it ends too early")
  assert "(and 1 more cannot); repair it, remove it, or set" in said


def test_an_unknown_word_is_refused(damaged, cache):
  with pytest.raises(InputError, match="data.on_error='skp': did you mean 'skip'"):
    prepare(damaged, on_error="skp")


def test_a_class_of_which_nothing_is_left_is_named(image_folder, cache):
  root = image_folder()
  for path in (root / "b").iterdir():
    path.write_bytes(b"")
  with pytest.raises(InputError, match="no image of class 'b' can be read: 10 are sk"):
    prepare(root, on_error="skip")
  assert not list(cache.glob("tiles/*"))


def test_a_split_of_which_nothing_is_left_is_named(image_folder, cache):
  root = image_folder(groups=2, per_group=1)
  rows = ["path,label,group,split"]
  for path in sorted(root.glob("*/*.png")):
    side = "test" if path.name.startswith("1") else "train"
    rows.append(f"{path.relative_to(root)},{path.parent.name},,{side}")
    if side == "test":
      path.write_bytes(b"")
  (root / "manifest.csv").write_text("\n".join(rows) + "\n")
  with pytest.raises(InputError, match="no image of split 'test' can be read: 3 are"):
    prepare(root / "manifest.csv", on_error="skip")


def test_the_sentence_counts_kinds_and_names_the_first():
  rows = [skipped.Skipped(f"a/{i}.png", "truncated", "cut") for i in range(7)]
  rows.append(skipped.Skipped("b/1.png", "empty", "the file is empty"))
  assert skipped.sentence(rows, kept=12) == (
    "8 of 20 images cannot be read and are left out (data.on_error=skip): 7 truncated"
    " (a/0.png, a/1.png, a/2.png, a/3.png, a/4.png, ...), 1 empty (b/1.png)."
  )
  assert skipped.by_kind(rows)["empty"] == {
    "images": 1,
    "first": [{"image_id": "b/1.png", "why": "the file is empty"}],
  }


def run(source, workdir, on_error):
  file = str(ROOT / "configs" / "folder.py")
  config = startup.load_config(f"{file}:quick")
  config.update_from_flattened_dict(
    QUICK | {"data.source": str(source), "data.on_error": on_error}
  )
  base = startup.load_config(f"{file}:quick")
  asked = startup.Request(config, base, file, "quick", "train", str(workdir), "test")
  experiment.run(asked)
  return workdir


@pytest.mark.full
def test_screen_log_and_report_count_them(damaged, tmp_path, cache, capsys):
  folder = run(damaged, tmp_path / "run", "skip")
  said, log = capsys.readouterr().out, (folder / "log.txt").read_text()
  sentence = "2 of 32 images cannot be read and are left out (data.on_error=skip):"
  for text in (said, log, (folder / "report.html").read_text()):
    assert " ".join(text.split()).count(sentence) == 1
    assert "1 empty (c/9_9.jpg)" in text and "1 truncated (a/0_0x.png)" in text
  report = json.loads((folder / "report.json").read_text())
  assert report["dataset"]["images"] == 30
  assert list(report["dataset"]["skipped"]) == ["empty", "truncated"]


@pytest.mark.slow
def test_a_run_is_that_of_the_folder_without(damaged, tmp_path, cache):
  skip = run(damaged, tmp_path / "skip", "skip")
  refuse = run(without(damaged, tmp_path / "whole"), tmp_path / "refuse", "refuse")
  for name in ("split.json", "metrics.jsonl", "predictions.csv"):
    assert without_times(skip / name) == without_times(refuse / name), name
  report = json.loads((refuse / "report.json").read_text())
  assert report["dataset"]["skipped"] == {}


def without_times(path):
  if path.suffix != ".jsonl":
    return path.read_bytes()
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  times = ("seconds", "images_per_second", "time")
  return [{k: v for k, v in row.items() if k not in times} for row in rows]
