"""Prediction files: what is written is read back, byte for byte and bit for bit."""

import csv

import numpy as np
import pytest

from histojax.errors import InputError
from histojax.evaluation import predictions

CLASSES = ["plain", 'with "quotes", commas', "prob_line\nbreak", "<b>é"]


def rows(n=5, seed=0):
  rng = np.random.default_rng(seed)
  return {
    "image_id": [f"a,{i}" for i in range(n - 1)] + ["odd\udcff.png"],
    "group": ["s 1"] * n,
    "label": rng.integers(0, 4, n),
    "probability": rng.dirichlet(np.ones(4), n),
  }


@pytest.mark.parametrize("angle", [None, np.arange(5) * 72.5])
def test_round_trip_is_exact(tmp_path, angle):
  path = tmp_path / "run" / "predictions.csv"
  held = rows()
  predictions.write(path, **held, classes=CLASSES, angle=angle)
  found = predictions.read(path)
  for name in ("image_id", "group", "label", "probability"):
    np.testing.assert_array_equal(found[name], np.asarray(held[name]), err_msg=name)
  np.testing.assert_array_equal(found["prediction"], held["probability"].argmax(1))
  assert found["classes"] == CLASSES
  assert ("angle" in found) == (angle is not None)
  if angle is not None:
    np.testing.assert_array_equal(found["angle"], angle)


def test_columns_are_named_and_labels_are_words(tmp_path):
  path = tmp_path / "predictions.csv"
  predictions.write(path, **rows(), classes=list("abcd"))
  with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
    head, first, *_ = csv.reader(file)
  assert head[:4] == ["image_id", "group", "label", "prediction"]
  assert head[4:] == ["prob_a", "prob_b", "prob_c", "prob_d"]
  assert first[2] in "abcd" and first[3] in "abcd"


def test_equal_arrays_give_equal_bytes_and_leave_nothing_behind(tmp_path):
  for name in ("one.csv", "two.csv"):
    predictions.write(tmp_path / name, **rows(), classes=CLASSES)
  one, two = sorted(tmp_path.iterdir())
  assert one.read_bytes() == two.read_bytes()


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
  path = tmp_path / "predictions.csv"
  predictions.write(path, **rows(), classes=CLASSES)
  before = path.read_bytes()

  def full(*_):
    raise OSError("disk full")

  monkeypatch.setattr("os.replace", full)
  with pytest.raises(OSError, match="disk full"):
    predictions.write(path, **rows(seed=1), classes=CLASSES)
  assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_no_rows(tmp_path):
  held = {"image_id": [], "group": [], "label": [], "probability": np.zeros((0, 2))}
  predictions.write(tmp_path / "p.csv", **held, classes=["a", "b"])
  found = predictions.read(tmp_path / "p.csv")
  assert found["probability"].shape == (0, 2) and found["classes"] == ["a", "b"]


HEAD = "image_id,group,label,prediction,prob_a,prob_b\n"


@pytest.mark.parametrize(
  "text",
  [
    "",
    "name,value\n1,2\n",
    HEAD + "1,g,a,zebra,0.5,0.5\n",
    HEAD + "1,g,a,b,0.5\n",
    HEAD + "1,g,a,b,half,0.5\n",
  ],
)
def test_damage_is_named(tmp_path, text):
  path = tmp_path / "predictions.csv"
  path.write_text(text)
  with pytest.raises(InputError, match="predictions.csv"):
    predictions.read(path)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(InputError, match="no such file"):
    predictions.read(tmp_path / "predictions.csv")
