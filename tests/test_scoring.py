"""From what a network said to the numbers of a report."""

import csv
import types

import numpy as np
import pytest
from scipy import optimize

from histojax import scoring
from histojax.data.tiles import Tiles
from histojax.evaluation import calibration, predictions, scores

CLASSES = ("a", "b", "c")


def views_of(tiles, rows, angles=4, seed=0, sharp=4.0):
  """What `Engine.predict` would say: too sure of itself, another thing each angle."""
  rng = np.random.default_rng(seed)
  row = np.repeat(rows, angles)
  logits = rng.normal(size=(len(row), 3)) + np.eye(3)[tiles.label[row]]
  p = np.exp(sharp * logits)
  p = np.float32(p / p.sum(-1, keepdims=True))
  angle = np.tile(np.arange(angles) * 360.0 / angles, len(rows))
  return {"row": row, "angle": angle, "label": tiles.label[row], "probability": p}


@pytest.fixture
def tiles():
  n = 90
  names = np.array([f"image{i:02d}" for i in range(n)], object)
  group = np.array([f"slide{i // 3:02d}" for i in range(n)], object)
  noise = np.random.default_rng(0).integers(0, 255, (n, 8, 8, 3)).astype(np.uint8)
  label = np.int32(np.arange(n) // 3 % 3)
  return Tiles(
    noise, np.full((n, 2), 8, np.int32), label, group, names, names, names, CLASSES,
    files=np.stack([label * 1000.0, np.ones(n)], axis=1),
  )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
  def predictions_of(what):
    return tmp_path / f"predictions_{what}.csv"

  return types.SimpleNamespace(predictions_of=predictions_of)


def whole(tiles, rows, **options):
  seen = scoring.described(tiles, views_of(tiles, rows, **options))
  images = scoring.aggregate.images_from_views(**seen)
  return seen, {k: images[k] for k in seen}


def test_rotated_copies_come_together_before_they_are_scored(tiles):
  seen, images = whole(tiles, np.arange(30))
  found = scoring.score(CLASSES, seen, images)
  assert [found[k]["n"] for k in ("images", "views", "groups")] == [30, 120, 10]
  p = seen["probability"].reshape(30, 4, 3)
  right = p.mean(1).argmax(-1) == tiles.label[:30]
  assert found["images"]["accuracy"]["value"] == pytest.approx(right.mean())
  right = p.argmax(-1) == tiles.label[:30, None]
  assert found["views"]["accuracy"]["value"] == pytest.approx(right.mean())
  assert found["images"]["accuracy"]["value"] != found["views"]["accuracy"]["value"]
  for level in ("images", "views", "groups"):
    assert {"macro_auroc", "macro_auprc", "reliability"} <= set(found[level]), level


def test_the_temperature_is_scipys_of_the_written_probabilities(tiles, folder):
  rows, test = np.arange(45, 90), np.arange(45)
  _, images = whole(tiles, test, seed=1)
  held = views_of(tiles, rows)
  (found,) = scoring.of_temperature(folder, tiles, held, images, True).values()
  written = predictions.read(folder.predictions_of("calibration"))
  assert written["image_id"].tolist() == tiles.image_id[rows].tolist()

  def loss(t):
    logits = np.log(written["probability"]) / t
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    return -logits[np.arange(45), written["label"]].mean()

  t = found["temperature"]
  bounds = {"bounds": (t / 3, t * 3), "method": "bounded", "options": {"xatol": 1e-10}}
  assert abs(t - optimize.minimize_scalar(loss, **bounds).x) < 1e-6 * t
  assert (found["on"], found["n"]) == ("validation", 45)
  assert 0.2 < t < 0.8  # what several sure answers average to is too cautious
  again = calibration.reliability(images["label"], images["probability"])
  assert found["before"]["ece"] == again["ece"]
  assert found["after"]["nll"] < found["before"]["nll"]
  assert "which chose the checkpoint" in found["note"]
  plain = scoring.of_temperature(folder, tiles, held, images, False)["calibration"]
  assert "chose" not in plain["note"] and "no temperature" not in plain["note"].lower()


def test_without_a_validation_part_there_is_no_temperature(tiles, folder):
  _, images = whole(tiles, np.arange(30))
  assert scoring.of_temperature(folder, tiles, None, images, False) == {}
  assert not folder.predictions_of("calibration").exists()


def test_a_temperature_at_its_bound_says_so(tiles, folder):
  held = views_of(tiles, np.arange(30))
  held["probability"] = np.float32(np.eye(3)[held["label"]] * 0.7 + 0.1)
  _, images = whole(tiles, np.arange(30))
  (found,) = scoring.of_temperature(folder, tiles, held, images, False).values()
  assert found["temperature"] == 0.01 and "too few mistakes" in found["note"]
  held["probability"] = held["probability"][:, [1, 2, 0]]  # always another class
  (found,) = scoring.of_temperature(folder, tiles, held, images, False).values()
  assert found["temperature"] == 1000 and "mistakes" not in found["note"]
  assert "the most that is searched" in found["note"]


def test_every_fold_has_its_own_temperature(tiles):
  _, first = whole(tiles, np.arange(30), seed=1)
  _, second = whole(tiles, np.arange(30, 70), seed=2)
  images = {k: np.concatenate([first[k], second[k]]) for k in first}
  reports = [
    {"scores": {"images": {"n": n}}, "calibration": {"temperature": t, "n": 9}}
    for n, t in ((30, 2.0), (40, 5.0))
  ]
  (found,) = scoring.of_temperatures(reports, images).values()
  parts = [(first, 2.0), (second, 5.0)]
  after = [calibration.tempered(part["probability"], t) for part, t in parts]
  again = calibration.reliability(images["label"], np.concatenate(after))
  assert found["after"]["ece"] == again["ece"] and found["after"]["nll"] == again["nll"]
  assert found["temperatures"] == [2.0, 5.0] and found["n"] == 18
  del reports[1]["calibration"]
  assert scoring.of_temperatures(reports, images) == {}


def test_patients_are_told_one_by_one(tiles):
  _, images = whole(tiles, np.arange(30))
  (rows,) = scoring.of_patients(images).values()
  assert [row["images"] for row in rows] == [3] * 10
  block = scores.score(
    images["label"], images["probability"].argmax(-1), images["group"], CLASSES
  )
  rate = np.mean([row["score"] for row in rows])
  assert block["recognition_rate"]["value"] == pytest.approx(rate)
  assert scoring.of_patients(images | {"group": images["image_id"]}) == {}


def test_files_are_a_baseline_where_images_are_files(tiles, folder, monkeypatch):
  monkeypatch.setattr(scoring.baselines, "TREES", 10)
  test, rest = np.arange(30), np.arange(30, 90)
  split = types.SimpleNamespace(train=rest, validation=rest[:0], test=test)
  _, images = whole(tiles, test)
  for why in ("", "they are arrays"):
    dataset = types.SimpleNamespace(not_files=why)
    found = scoring.of_baselines(folder, dataset, tiles, split, images)
    names = {"mean_rgb", "colour_histogram"} | ({"file"} if not why else set())
    assert set(found["baselines"]) == names | {"chance"}
    assert set(found["against"]["pairs"]) == names | {"majority"}
    if not why:  # their size gives the class away, and colour does not
      assert found["baselines"]["file"]["images"]["accuracy"]["value"] == 1
      assert found["baselines"]["file"]["groups"]["n"] == 10
      assert found["against"]["pairs"]["file"]["beaten"] is False
      with folder.predictions_of("file").open() as file:
        assert len(list(csv.reader(file))) == 31
  other = images | {"image_id": images["image_id"][::-1]}
  with pytest.raises(AssertionError, match="different images"):
    scoring.of_baselines(folder, dataset, tiles, split, other)
