"""All folds of a design: one run each, one report, and no fold twice."""

import csv
import io
import json
import re
import shutil

import numpy as np
import pytest
from test_experiment import request

from histojax import experiment, folds, leak_gap, steps
from histojax.errors import InputError
from histojax.evaluation import baselines, predictions

FOLDS = {
  "epochs": 1,
  "split.protocol": "kfold",
  "split.folds": 3,
  "split.fold": -1,
  "split.validation_fraction": 0.0,
  "select_on": "last",
}
HELD = ("predictions.csv", "predictions_views.csv", "split.json", "config.json")


class Killed(BaseException):
  """What a kill amid a run looks like from here."""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  """Two images of each of eighteen patients; in size those of test_experiment."""
  from PIL import Image

  root, rows = tmp_path_factory.mktemp("images"), ["path,label,group"]
  for k, name in enumerate("abc"):
    for i in range(12):
      rng = np.random.default_rng([k, i])
      pixels = rng.integers(0, 200, (40, 40, 3)).astype(np.uint8)
      pixels[:: k + 2, :, :] //= 4
      Image.fromarray(pixels).save(root / f"{name}{i}.png")
      rows.append(f"{name}{i}.png,{name},{name}{i // 2}")
  (root / "manifest.csv").write_text("\n".join(rows) + "\n")
  return root


@pytest.fixture(scope="module")
def home(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    patch.setattr(baselines, "TREES", 10)
    yield tmp_path_factory.mktemp("runs")


def asked(images, folder, mode="train", **changes):
  return request(images, folder, mode=mode, **(FOLDS | changes))


@pytest.fixture(scope="module")
def whole(images, home):
  """A run of three folds that nothing disturbed."""
  steps.compiled.cache_clear()  # as in a process of its own
  experiment.run(asked(images, home / "whole", evaluate_parts="train|test"))
  return home / "whole"


def report(folder):
  return json.loads((folder / "report.json").read_text())


def differing(one, other):
  """The files of results in which two runs of folds differ; their configs may."""
  places = ("", "fold0/", "fold1/", "fold2/")
  files = [place + name for place in places for name in HELD[:3]]
  return [f for f in files if (one / f).read_bytes() != (other / f).read_bytes()]


def test_every_fold_is_a_run_and_every_image_is_tested_once(whole):
  names = {path.name for path in whole.iterdir()}
  assert names >= {"fold0", "fold1", "fold2", *HELD, "report.json", "report.html"}
  pooled = predictions.read(whole / "predictions.csv")
  each = [predictions.read(whole / f"fold{i}" / "predictions.csv") for i in range(3)]
  assert sorted(pooled["image_id"]) == sorted(
    f"{n}{i}.png" for n in "abc" for i in range(12)
  )
  for key in ("image_id", "probability", "label"):
    np.testing.assert_array_equal(pooled[key], np.concatenate([e[key] for e in each]))
  groups = [set(fold["group"]) for fold in each]
  assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
  for i in range(3):
    held = json.loads((whole / f"fold{i}" / "config.json").read_text())
    assert held["split"]["fold"] == i
    assert (whole / f"fold{i}" / "report.html").is_file()
  assert "Fold by fold" in (whole / "report.html").read_text()


def test_the_report_holds_mean_deviation_and_the_pooled_matrix(whole):
  held, each = report(whole), [report(whole / f"fold{i}") for i in range(3)]
  for metric in ("accuracy", "balanced_accuracy", "macro_f1"):
    for column, of in (
      ("network", lambda r: r["scores"]["images"]),
      ("network, train", lambda r: r["parts"]["train"]),
      ("colour histogram", lambda r: r["baselines"]["colour_histogram"]["images"]),
    ):
      values = [of(r)[metric]["value"] for r in each]
      assert held["folds"]["mean"][column][metric] == pytest.approx(np.mean(values))
      deviation = np.sqrt(np.sum((values - np.mean(values)) ** 2) / 2)  # n - 1
      assert held["folds"]["sd"][column][metric] == pytest.approx(deviation)
  matrices = [r["scores"]["images"]["confusion"] for r in each]
  assert held["scores"]["images"]["confusion"] == np.sum(matrices, 0).tolist()
  assert held["scores"]["images"]["n"] == 36
  assert held["scores"]["images"]["groups"] == 18  # its intervals draw those
  colour = [r["baselines"]["mean_rgb"]["images"]["confusion"] for r in each]
  assert (
    held["baselines"]["mean_rgb"]["images"]["confusion"] == np.sum(colour, 0).tolist()
  )
  assert [row["fold"] for row in held["folds"]["rows"]] == [0, 1, 2]
  assert held["folds"]["corrected"]["count"] == 3
  assert held["split"]["shared_groups"] == 0 and len(held["split"]["parts"]) == 3


def test_parts_are_scored_as_they_are(whole):
  fold = whole / "fold0"
  found = predictions.read(fold / "predictions_train.csv")
  split = json.loads((fold / "split.json").read_text())
  assert sorted(found["image_id"]) == split["train"]
  accuracy = report(fold)["parts"]["train"]["accuracy"]["value"]
  assert accuracy == np.mean(found["prediction"] == found["label"])


def test_only_the_first_fold_compiles(whole):
  spent = [row["compile_seconds"] for row in report(whole)["folds"]["rows"]]
  assert spent[0] > 0 and spent[1:] == [0, 0], spent


def test_killed_and_continued_ends_in_the_same_bytes(whole, images, home, capsys):
  """The first fold is finished, the second trained but not reported."""
  folder, finish, calls = home / "killed", experiment.reporting.finish, []

  def until(*arguments):
    calls.append(1)
    if len(calls) == 2:
      raise Killed
    return finish(*arguments)

  wanted = asked(images, folder, evaluate_parts="train|test")
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(experiment.reporting, "finish", until)
    with pytest.raises(Killed):
      experiment.run(wanted)
  first = folder / "fold0" / "report.json"
  before = first.stat().st_mtime_ns
  assert not (folder / "fold1" / "report.json").exists()
  assert not (folder / "fold2").exists() and not (folder / "report.json").exists()
  with pytest.raises(InputError, match="no trained run of every fold"):
    experiment.run(wanted._replace(mode="evaluate"))
  capsys.readouterr()
  experiment.run(wanted)
  said = capsys.readouterr().out
  assert "fold 1 of 3 (fold0): finished before" in said
  assert "standard deviation" in said
  assert first.stat().st_mtime_ns == before
  assert report(folder / "fold1")["training"]["resumed_from_step"] == 3
  assert differing(folder, whole) == []
  experiment.run(wanted)  # and is shown, not repeated
  assert "complete" in capsys.readouterr().out


@pytest.mark.slow
def test_folds_of_several_machines_come_together(whole, images, home, capsys):
  folder = home / "machines"
  for i in (2, 0):
    experiment.run(asked(images, folder, **{"split.fold": i}))
    assert not (folder / "report.json").exists()
  capsys.readouterr()
  experiment.run(asked(images, folder))
  assert capsys.readouterr().out.count("finished before") == 2
  assert differing(folder, whole) == []


@pytest.mark.slow
def test_evaluate_scores_every_fold_again(whole, images, home):
  copy = home / "copy"
  shutil.copytree(whole, copy)
  for path in copy.glob("**/predictions*.csv"):
    path.unlink()
  wanted = asked(images, copy, mode="evaluate", evaluate_parts="train|test")
  experiment.run(wanted)
  assert differing(copy, whole) == []
  (copy / "fold1" / "predictions_mean_rgb.csv").unlink()
  (copy / "report.json").unlink()
  with pytest.raises(InputError, match="predictions_mean_rgb.csv: no such file"):
    experiment.run(wanted._replace(mode="train"))


@pytest.mark.slow
def test_folds_by_image_are_flagged(images, home):
  folder = home / "by_image"
  experiment.run(asked(images, folder, **{"split.grouped": False}))
  held = report(folder)
  assert held["split"]["shared_groups"] > 0
  assert any("both sides of the split" in s for s in held["verdict"]["doubts"])
  assert any("deals out images, not groups" in note for note in held["notes"])


def test_mistakes_leave_no_folder(images, home):
  for changes, sentence in (
    ({"split.folds": 7}, "class 'a' has 6 groups, too few for split.folds=7"),
    ({"split.fold": 3}, "split.fold=3: must be 0..2"),
    ({"split.protocol": "grouped"}, "split.fold=-1: must be 0..2"),
    ({"select_on": "validation"}, "no validation part"),
    ({"evaluate_parts": "trian|test"}, "evaluate_parts names 'trian': did you mean"),
    ({"evaluate_parts": "validation"}, "has no such part"),
    ({"model.name": "resnet51"}, "did you mean 'resnet50'"),
    ({"mode": "evaluate"}, "no trained run of every fold"),
  ):
    mode = changes.pop("mode", "train")
    with pytest.raises(InputError, match=sentence):
      experiment.run(asked(images, home / "none", mode=mode, **changes))
    assert not (home / "none").exists(), sentence


def test_one_fold_shares_the_folder_of_all(images, home):
  found = {
    str(experiment.default_workdir(asked(images, "", **{"split.fold": i}), data))
    for i in (-1, 0, 1)
    for data in [type("DataSet", (), {"fingerprint": "x"})]
  }
  assert len(found) == 1


def test_a_leak_gap_runs_each_split_once(images, home, capsys):
  """Stopped between the two, and continued."""
  folder, asked, done = home / "gap", [], experiment.run
  changes = {"epochs": 1, "select_on": "last"}
  wanted = request(images, folder, mode="leak_gap", **changes)

  def until(member):
    asked.append(member.workdir)
    if len(asked) == 2:
      raise KeyboardInterrupt
    done(member)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(experiment, "run", until)
    with pytest.raises(KeyboardInterrupt):
      leak_gap.run(wanted, "", "accuracy")
  first = folder / "leaky" / "seed0" / "report.json"
  before = first.stat().st_mtime_ns
  assert not (folder / "clean").exists() and not (folder / "leak_gap.json").exists()
  leak_gap.run(wanted, "", "accuracy")
  assert first.stat().st_mtime_ns == before
  said = capsys.readouterr().out
  assert (
    "Accuracy under a split (by image) is" in said and "groups on both sides" in said
  )

  held = json.loads((folder / "leak_gap.json").read_text())
  reports = {
    side: json.loads((folder / side / "seed0" / "report.json").read_text())
    for side in ("leaky", "clean")
  }
  scores = {k: r["scores"]["images"]["accuracy"] for k, r in reports.items()}
  found = held["gaps"][0]["network"]
  assert found["value"] == scores["leaky"]["value"] - scores["clean"]["value"]
  assert found["leaky"]["low"] == scores["leaky"]["low"]
  assert found["low"] <= found["value"] <= found["high"]
  assert set(held["gaps"][0]) >= {"network", "colour histogram", "mean RGB"}
  counts = [r["split"]["parts"]["train"]["images"] for r in reports.values()]
  assert counts[0] == counts[1]
  assert reports["leaky"]["split"]["shared_groups"] > 0
  assert reports["clean"]["split"]["shared_groups"] == 0
  page = (folder / "leak_gap.html").read_text()
  assert held["sentences"][0] in page and "Newcombe" in page
  assert not re.search(r"<script|https?://|url\(", page)
  rows = list(csv.reader(io.StringIO((folder / "leak_gap.csv").read_text())))
  assert any(row[1:2] == ["colour histogram"] for row in rows)
  assert (folder / "leak_gap.md").exists() and (folder / "leak_gap.tex").exists()


def test_copies_across_any_fold_are_noted_of_all():
  near = {"across": 2, "test_images": 1, "across_turned": 0, "labels_differ": 0}
  near |= {"blank": 3}
  audits = [near, near | {"across": 0}, near]
  told = folds.audited(
    [
      {"split": {"fold": i}, "audit": {"near": held, "stain": {"largest_shift": None}}}
      for i, held in enumerate(audits)
    ]
  )
  assert [note.partition(":")[0] for note in told] == ["Fold 0, 2", "Fold 0, 1, 2"]
  assert "1 test image has a copy or near-duplicate" in told[0]


@pytest.mark.slow
def test_a_leak_gap_of_folds_and_seeds(images, home):
  leak_gap.run(asked(images, home / "folds", "leak_gap"), "0,3", "accuracy")
  held = json.loads((home / "folds" / "leak_gap.json").read_text())
  assert held["seeds"] == [0, 3] and len(held["sentences"]) == 3
  values = [one["network"]["value"] for one in held["gaps"]]
  assert held["over_seeds"]["mean"] == pytest.approx(np.mean(values))
  assert all(one["network"]["paired"] for one in held["gaps"])
  config = json.loads((home / "folds/clean/seed3/config.json").read_text())
  assert config["seed"] == config["split"]["seed"] == 3


def test_mistakes_in_a_leak_gap_leave_no_folder(images, home):
  for seeds, metric, changes, sentence in (
    ("0,x", "accuracy", {}, "write numbers with commas"),
    ("1,1", "accuracy", {}, "same seed twice"),
    ("", "acuracy", {}, "did you mean 'accuracy'"),
    ("", "accuracy", {"split.folds": 9}, "too few for split.folds=9"),
  ):
    with pytest.raises(InputError, match=sentence):
      leak_gap.run(request(images, home / "none", **changes), seeds, metric)
    assert not (home / "none").exists()
