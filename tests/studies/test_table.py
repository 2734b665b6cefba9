"""A study's result, from member folders that were written with known predictions."""

import csv
import io
import json
import re

import numpy as np
import pytest
from conftest import ROOT

from histojax import runs, startup
from histojax.evaluation import (
  canvas,
  comparison,
  confusion,
  intervals,
  paired,
  pooled,
  predictions,
)
from histojax.studies import (
  columns,
  cost,
  drawn,
  expand,
  figures,
  gather,
  table,
  words,
)

CLASSES = {
  "liver": ("poor", "moderate", "well"),
  "breakhis": ("benign", "malignant"),
  "sipakmed": ("S-I", "Parabasal", "Koilocytotic", "Dyskeratotic", "Metaplastic"),
  "nct_crc": ("ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"),
}  # fmt: skip
MACS = cost.macs
NASTY = "<script>alert(1)</script> & $x_1$ 'a'|b"


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
  monkeypatch.chdir(ROOT)
  monkeypatch.setattr("histojax.studies.cost.macs", lambda report: 12_000_000)
  for draw in (paired.difference, intervals.bootstrap):
    monkeypatch.setitem(draw.__kwdefaults__, "resamples", 500)
  monkeypatch.setitem(paired.permutation.__kwdefaults__, "draws", 999)


@pytest.fixture
def undrawn(monkeypatch):
  """Tables only: what is drawn is looked at elsewhere."""
  monkeypatch.setattr(drawn, "all_of", lambda *_: {})


@pytest.fixture
def unrendered(monkeypatch):
  """Pictures are made, but their pixels are not."""

  def save(figure, path, synthetic):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"png")
    return path

  monkeypatch.setattr(canvas, "save", save)


def leave(at, classes, config, right, *, seed=0, fold=0, folds=1, curve=True, **more):
  """What a finished member leaves, as far as a study reads it: ten groups of three
  images in each fold, of which a share `right` is recognised."""
  k, n = len(classes), 30 * folds
  here = np.arange(n)[np.arange(n) // 3 % folds == fold]
  label, rng = here // 3 % k, np.random.default_rng([seed, fold, round(right * 1e4)])
  said = np.where(rng.random(len(here)) < right, label, (label + 1) % k)
  probability = np.full((len(here), k), 0.3 / k)
  probability[np.arange(len(here)), said] += 0.7
  at.path.mkdir(parents=True)
  predictions.write(
    at.predictions, image_id=[f"i{i}" for i in here],
    group=[f"s{i // 3}" for i in here], label=label, probability=probability,
    classes=classes,
  )  # fmt: skip
  per_class = [{"class": name, "images": 7 + i} for i, name in enumerate(classes)]
  dataset = {"classes": list(classes), "group_name": "slide", "synthetic": True}
  training = {
    "epochs": 4,
    "steps": 8,
    "seconds": 90.0,
    "images_per_second": 100 * right,
  }
  training |= {"parameters": 1000, "trained_parameters": 900}
  training["peak_memory"] = {"bytes": 2**31, "bound": "", "whose": "process"}
  report = {
    "dataset": dataset | {"per_class": per_class},
    "seed": seed, "variant": "quick", "training": training, "config": config,
    "split": {"fold": fold, "parts": {"train": {"images": 60}}},
    "environment": {"devices": "1 x cpu (cpu)", "cores": 2, "processor": "Z80"},
    "verdict": {"doubts": []},
  }  # fmt: skip
  at.report.write_text(json.dumps(report | more))
  rows = [{"step": s, "loss": 1 / s, "accuracy": s / 8} for s in range(1, 9)]
  for epoch, score in enumerate((0.2, 0.79, 0.795, 0.8), 1):
    names = ("loss", "accuracy", "balanced_accuracy")
    seen = {f"validation/{name}": score for name in names}
    rows += [{"step": 2 * epoch} | seen] if curve else []
  at.metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
  return label, said


def member(at, name, fold=None, seed=0, state="finished", error=""):
  told = {"name": name, "fold": fold, "seed": seed, "path": at.path, "state": state}
  return told | {"error": error}


def shipped(name, tmp_path, variant="quick", right=lambda k: 0.5 + 0.05 * (k % 7)):
  """(folder, study, members) of a shipped study, every member finished."""
  file = f"configs/ablate_{name}.py"
  config = startup.load_config(f"{file}:{variant}" if variant else file)
  request = startup.Request(config, config, file, variant, "ablate", "", "")
  study = expand.describe(request, "")
  folder = runs.StudyFolder(tmp_path / "study")
  found = expand.members(study, request, folder)
  folds = len({m.fold for m in found})
  names, rows = [*study["variants"]], []
  for m in found:
    leave(
      m.folder, CLASSES[config.data.name], {}, right(names.index(m.name)), seed=m.seed,
      fold=m.fold or 0, folds=folds,
      parts={p: {"accuracy": {"value": 0.75}} for p in ("train", "validation")},
    )  # fmt: skip
    rows.append(member(m.folder, m.name, m.fold, m.seed))
  return folder, study, rows


def plain(tmp_path, rights, seeds=(0,), folds=(None,), classes=("a", "b"), **more):
  """A study of variants with these shares of right answers."""
  folder = runs.StudyFolder(tmp_path / "study")
  first = next(iter(rights))
  study = {"title": "A study", "paper": "", "layout": "plain", "metric": "accuracy"}
  study |= {"baseline": first, "variants": dict.fromkeys(rights, {})}
  rows = []
  for name, right in rights.items():
    for fold in folds:
      for seed in seeds:
        at = folder.member(name, seed, fold)
        leave(
          at, classes, {}, right, seed=seed, fold=fold or 0, folds=len(folds), **more
        )
        rows.append(member(at, name, fold, seed))
  return folder, study, rows


def test_numbers_are_those_of_the_single_tests(tmp_path, undrawn):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9, "z": 0.3}, (0, 1), (0, 1))
  content = table.write(folder, study, rows)
  by_name = {row["name"]: row for row in content["rows"]}
  held = {}
  for name in "xyz":
    trainings, scores = [], []
    for m in (m for m in rows if m["name"] == name):
      read = predictions.read(m["path"] / "predictions.csv")
      matrix = confusion.confusion_matrix(read["label"], read["prediction"], 2)
      scores.append(float(confusion.metrics(matrix)["accuracy"]))
      trainings.append(pooled.Training(m["seed"], m["fold"], read, 60))
    held[name] = pooled.pool(name, trainings)
    means = by_name[name]["means"]["accuracy"]
    assert means["mean"] == pytest.approx(np.mean(scores))
    assert means["sd"] == pytest.approx(np.std(scores, ddof=1))
  ps = []
  for name in "yz":
    pair = {"v": held[name], "b": held["x"]}
    (expected,) = comparison.compare(comparison.align(pair), "accuracy")["pairs"]
    sign = 1 if expected["first"] == "v" else -1
    told = by_name[name]["difference"]
    assert told["value"] == pytest.approx(sign * expected["value"])
    ends = sorted(sign * expected[k] for k in ("low", "high"))
    assert [told["low"], told["high"]] == pytest.approx(ends)
    assert told["p"] == expected["p"] and told["groups"] == 20
    over = pooled.repeated_difference(held[name], held["x"], "accuracy")
    np.testing.assert_equal(told["repeated"], over)  # of equal folds NaN
    ps.append(told["p"])
  adjusted = [by_name[name]["difference"]["p_holm"] for name in "yz"]
  assert adjusted == pytest.approx(paired.holm(ps))


def test_files_are_whole_and_say_the_same(tmp_path):
  folder, study, rows = plain(tmp_path, {"x": 0.6, NASTY: 0.9}, folds=(0, 1))
  content = table.write(folder, study, rows)
  held = json.loads(folder.content.read_text())
  assert held["rows"][1]["name"] == NASTY
  lines = list(csv.reader(io.StringIO(folder.csv.read_text())))
  head, *body = [line[1:] for line in lines[:3]]
  assert tuple(head) == columns.RAW
  raw = dict(zip(head, body[1], strict=True))
  assert raw["variant"] == NASTY and raw["trainings"] == "2"
  assert float(raw["difference"]) == held["rows"][1]["difference"]["value"]
  assert (raw["macs"], raw["peak_memory_bytes"]) == ("12000000", str(2**31))
  assert raw["minutes_each"] == "1.5" and raw["epochs_to_1_percent"] == "3.0"
  assert raw["epochs_on"] == "validation"
  latex = folder.latex.read_text()
  assert r"\$x\_1\$" in latex and latex.count(r"\begin") == latex.count(r"\end")
  assert r"$\pm$" in latex and "±" not in latex  # LaTeX sets up no such letter
  captions = latex.count(r"\caption")
  assert latex.count("SYNTHETIC") == captions == len(content["tables"])
  assert all("SYNTHETIC" in line[0] for line in lines if line[0] != "table")
  assert "Measured on 1 x cpu (cpu), 2 cores of Z80." in held["notes"]
  page = folder.page.read_text()
  assert "&lt;script&gt;alert(1)" in page and "<script" not in page
  assert not re.search(r"https?://|url\(", page)
  assert page.count("<img") == page.count("data:image/png;base64") == 3
  assert set(content["figures"]) == {"differences", "pareto", "curves"}
  assert {p.stem for p in folder.figures.iterdir()} == set(content["figures"])


def test_missing_and_failed_members_are_shown(tmp_path, capsys, unrendered):
  names = {"x": 0.6, "y": 0.9, "z": 0.7, "never": 0.5}
  folder, study, rows = plain(tmp_path, names, folds=(0, 1))
  for row in rows:
    if row["name"] == "never" or (row["name"], row["fold"]) == ("z", 0):
      (row["path"] / "report.json").unlink()
      row |= {"state": "missing", "error": ""}
    if (row["name"], row["fold"]) == ("y", 1):
      (row["path"] / "report.json").write_text("{torn")
  rows[0] |= {"state": "failed", "error": "the loss is nan"}
  (rows[0]["path"] / "report.json").unlink()
  content = table.write(folder, study, rows)
  told = {row["name"]: row for row in content["rows"]}
  assert [told[n]["finished"] for n in names] == [1, 1, 1, 0]
  assert [told[n]["failed"] for n in names] == [1, 1, 0, 0]
  assert "means" not in told["never"] and "p" not in told["never"]["difference"]
  # y has fold 0 and x has fold 1: nothing to compare; z and x share fold 1
  assert told["y"]["difference"]["why"] == "no member of both is finished"
  assert told["z"]["difference"]["groups"] == 10
  said = " ".join(content["sentences"])
  assert "2 of 8 members have failed: x, y." in said
  assert "3 of 8 members are not finished yet: z, never." in said
  table.show(content, folder)
  shown = capsys.readouterr().out
  assert "1/2" in shown and "never" in shown
  page = folder.page.read_text()
  assert "the loss is nan" in page and "1 of 2: 1 failed" in page


def test_a_study_without_any_result_is_still_a_table(tmp_path):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9})
  for row in rows:
    (row["path"] / "report.json").unlink()
  content = table.write(folder, study, rows)
  assert content["sentences"][0].startswith("Nothing can be concluded")
  assert folder.page.exists() and not content["figures"]


def test_sentences_say_what_follows(tmp_path, undrawn):
  same = plain(tmp_path / "same", {"x": 0.8, "y": 0.82, "z": 0.81}, folds=(0, 1))
  first, *_ = table.write(*same)["sentences"]
  assert first.startswith(
    "With 20 slides none of these 2 is distinguishable from x in accuracy: "
  )
  assert "95 % CI" in first and "p = " in first
  far = plain(tmp_path / "far", {"x": 0.4, "y": 1.0, "z": 0.42}, folds=(0, 1))
  content = table.write(*far)
  assert content["sentences"][0].startswith(
    "Distinguishable with 20 slides, better in accuracy: y – x +"
  )
  said = " ".join(content["sentences"])
  assert "Not distinguishable from x with 20 slides: z – x" in said
  assert "SYNTHETIC images" in said and "One seed each" in said
  assert "(80 % power, each comparison by itself)" in said  # Holm asks for more
  two = plain(tmp_path / "two", {"x": 0.8, "y": 0.8}, seeds=(0, 1))
  said = " ".join(table.write(*two)["sentences"])
  assert "each comparison by itself" not in said
  assert "One seed each" not in said
  assert "With 10 slides y predicts the same" not in said
  assert "y is not distinguishable from x" in said


def test_one_variant_is_compared_with_nothing(tmp_path, undrawn):
  content = table.write(*plain(tmp_path, {"base": 0.6}, seeds=(0, 1)))
  assert content["sentences"][0] == "Nothing is compared: there is one variant."
  assert content["rows"][0]["means"]["accuracy"]["sd"] is not None


def test_no_difference_has_no_sign():
  assert [words.signed(v) for v in (0.004, -0.011, -0.0004, 0.0004, 0.0)] == [
    "+0.4", "-1.1", "0.0", "0.0", "0.0",
  ]  # fmt: skip


def test_of_heads_on_features_it_is_said(tmp_path, undrawn):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9})
  for row in rows:
    path = row["path"] / "report.json"
    held = json.loads(path.read_text())
    held["training"]["heads_at_once"] = 2
    path.write_text(json.dumps(held))
  notes = table.write(folder, study, rows)["notes"]
  assert any("2 trainings trained a head beside others" in note for note in notes)


def test_doubts_are_told_once_with_their_variants(tmp_path, undrawn):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9}, folds=(0, 1, 2))
  for row in rows:
    path = row["path"] / "report.json"
    held = json.loads(path.read_text())
    mine = [f"{6 + row['fold']} slides cross."] * (row["name"] == "y")
    held["verdict"] = {"doubts": ["The test chose.", *mine]}
    path.write_text(json.dumps(held))
  said = table.write(folder, study, rows)["sentences"]
  assert said[-2:] == ["The test chose.", "y: 6 to 8 slides cross."]


@pytest.mark.parametrize(
  ("beats", "said"),
  [
    ({"x": True, "y": True}, "Each of 4 trainings beats the baselines without a"),
    ({"x": False, "y": None}, "None of 4 trainings beats the baselines without a"),
    ({"x": False, "y": True}, "2 of 4 trainings beat the baselines without a"),
    ({"x": None, "y": None}, ""),
  ],
)
def test_it_is_said_whether_networks_beat_baselines_without(
  tmp_path, undrawn, beats, said
):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9}, folds=(0, 1))
  for row in rows:
    path = row["path"] / "report.json"
    held = json.loads(path.read_text())
    held["verdict"]["beats_baselines"] = beats[row["name"]]
    path.write_text(json.dumps(held))
  sentences = table.write(folder, study, rows)["sentences"]
  found = [one for one in sentences if "without a network" in one]
  assert len(found) == bool(said) and all(one.startswith(said) for one in found)
  assert not said or sentences[1] in found  # right behind the conclusion
  if beats["y"] and not beats["x"]:
    assert found[0].endswith("; not always x (0 of 2).")


def test_folds_that_every_seed_has_are_kept():
  every = {(f, s) for f in range(3) for s in range(2)}
  assert gather.whole(every) == sorted(every)
  assert gather.whole(every - {(1, 0)}) == [(0, 0), (0, 1), (2, 0), (2, 1)]
  assert gather.whole({(0, 0), (1, 1), (2, 1)}) == [(1, 1), (2, 1)]
  assert gather.whole([]) == []


def test_the_front_is_beaten_by_none():
  points = {
    "slow best": (1, 0.9),
    "fast": (9, 0.5),
    "beaten": (5, 0.4),
    "mid": (5, 0.7),
  }
  points |= {"equal": (5, 0.7)}
  assert figures.front(points) in (["slow best", n, "fast"] for n in ("mid", "equal"))


def test_without_a_validation_part_training_tells(tmp_path, undrawn):
  folder, study, rows = plain(tmp_path, {"x": 0.6, "y": 0.9}, curve=False)
  content = table.write(folder, study, rows)
  assert [row["epochs_on"] for row in content["rows"]] == ["train", "train"]
  assert any("nothing else was looked at" in note for note in content["notes"])


def test_multiply_accumulates_are_counted_from_the_config():
  config = startup.load_config("configs/ablate_split.py:quick").to_dict()
  report = {"config": json.loads(json.dumps(config)), "dataset": {"classes": "abc"}}
  small = MACS(report)
  report["config"]["augment"]["size"] = 64
  assert small > 0 and MACS(report) > 3.5 * small
  del report["config"]["augment"]["size"]
  assert MACS(report) is None
