"""--mode=compare, from the prediction files of runs to what is said of them."""

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from histojax import comparing, published
from histojax.errors import InputError
from histojax.evaluation import confusion, predictions, tables

CLASSES = ("benign", "a_b & c|d")  # what LaTeX and Markdown must not trip over


def finished(folder, right, *, seed=0, groups=20, per_group=4, **report):
  """A run folder of which only what is compared is there; `right` is its accuracy."""
  rng = np.random.default_rng(seed)
  n = groups * per_group
  label = np.arange(n) // per_group % 2
  correct = rng.random(n) < right
  probability = np.where(correct, 0.8, 0.3)[:, None] * np.eye(2)[label]
  probability += (1 - probability.sum(-1, keepdims=True)) * np.eye(2)[1 - label]
  folder.mkdir(parents=True)
  predictions.write(
    folder / "predictions.csv",
    image_id=np.array([f"image{i}" for i in range(n)], object),
    group=np.array([f"slide{i // per_group}" for i in range(n)], object),
    label=label, probability=probability, classes=CLASSES,
  )  # fmt: skip
  dataset = {"name": "x", "synthetic": False, "group_name": "slide"}
  content = {"dataset": dataset, "seed": seed, "verdict": {"doubts": []}} | report
  (folder / "report.json").write_text(json.dumps(content))
  return folder, label, probability.argmax(-1)


@pytest.fixture
def two(tmp_path):
  good, label, said = finished(tmp_path / "good" / "seed0", 0.95)
  bad, *_ = finished(tmp_path / "bad" / "seed0", 0.6, seed=1)
  return good, bad, label, said


def test_what_a_paper_prints_of_two_rows_is_held_against_the_groups(tmp_path):
  def told(names):
    rows = {name: published.find(row) for name, row in names.items()}
    for k, (name, row) in enumerate(rows.items()):
      at = tmp_path / "-".join(names.values()).replace("/", "") / name
      finished(at, 0.7 + 0.1 * k, seed=k, published=row)
      rows[name] = at
    (said,) = comparing.compared(rows, "accuracy")["remedies"]
    return said

  said = told({"a": "liver/ResNet50", "b": "liver/SENet"})
  pair = [published.find(f"liver/{n}")["accuracy"] for n in ("SENet", "ResNet50")]
  points = f"{100 * (pair[0] - pair[1]):.1f} points of accuracy"
  assert f"In print b leads by {points}: seeing that would take about" in said
  assert "In print" not in told({"a": "liver/ResNet50", "b": "cervix/SE"})


def test_the_better_run_is_named_with_its_interval(two):
  good, bad, label, said = two
  content = comparing.compared({"good": good, "bad": bad}, "accuracy")
  (pair,) = content["comparison"]["pairs"]
  assert (pair["first"], pair["second"]) == ("good", "bad")
  assert pair["low"] < pair["value"] < pair["high"] and pair["low"] > 0
  assert content["sentences"] == [
    f"good and bad differ by {100 * pair['value']:.1f} points of accuracy, 95 % CI"
    f" {100 * pair['low']:.1f} to {100 * pair['high']:.1f}, p < 0.001: distinguishable"
    " with 20 slides, good is better."
  ]
  matrix = confusion.confusion_matrix(label, said, 2)
  assert content["runs"]["good"]["accuracy"]["value"] == np.trace(matrix) / matrix.sum()


def test_the_command_writes_five_files_and_needs_no_config(two, tmp_path):
  good, bad, *_ = two
  out = tmp_path / "out"
  command = [sys.executable, "launch.py", "--mode=compare", f"--runs={good},{bad}"]
  done = subprocess.run(
    [*command, f"--workdir={out}"], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stderr
  assert "good and bad differ by" in done.stdout and "better run first" in done.stdout
  assert {path.name for path in out.iterdir()} == {
    f"compare.{kind}" for kind in ("html", "json", "md", "tex", "csv")
  }
  rows = list(csv.reader(io.StringIO((out / "compare.csv").read_text())))
  assert any(row[1] == "good, a_b & c|d" for row in rows)
  assert r"good, a\_b \& c|d &" in (out / "compare.tex").read_text()
  assert r"| good, a_b & c\|d |" in (out / "compare.md").read_text()
  page = (out / "compare.html").read_text()
  assert "a_b &amp; c|d" in page and not re.search(r"<script|https?://|url\(", page)
  held = json.loads((out / "compare.json").read_text())
  assert held["metric"] == "balanced_accuracy" and len(held["tables"]) == 3


def test_what_limits_a_comparison_is_said(two, tmp_path):
  good, *_ = two
  leaky, *_ = finished(
    tmp_path / "leaky" / "seed0", 0.9, seed=0, verdict={"doubts": ["3 slides cross."]},
    dataset={"name": "x", "synthetic": True, "group_name": "slide"},
  )  # fmt: skip
  notes = comparing.compared({"good": good, "leaky": leaky}, "accuracy")["notes"]
  assert "SYNTHETIC images: this says nothing about patients." in notes
  assert "leaky: 3 slides cross." in notes
  assert any(note.startswith("One seed each") for note in notes)


def test_one_seed_each_is_said_of_other_seeds_too(two):
  good, bad, *_ = two  # seeds 0 and 1
  notes = comparing.compared({"good": good, "bad": bad}, "accuracy")["notes"]
  assert any(note.startswith("One seed each") for note in notes)


def test_what_is_not_known_is_null_and_a_dash(tmp_path):
  folders = {
    name: finished(tmp_path / name, right, seed=i, groups=1, per_group=40)[0]
    for i, (name, right) in enumerate((("a", 0.9), ("b", 0.6)))
  }
  content = comparing.compared(folders, "accuracy")
  comparing.write(tmp_path / "out", content)

  def refuse(name):
    raise AssertionError(f"{name} is no JSON")

  text = (tmp_path / "out" / "compare.json").read_text()
  held = json.loads(text, parse_constant=refuse)
  assert held["comparison"]["pairs"][0]["low"] is None
  for kind in ("html", "md", "csv"):
    assert "nan" not in (tmp_path / "out" / f"compare.{kind}").read_text()


def test_mistakes_are_one_sentence(two, tmp_path):
  good, bad, *_ = two
  other, *_ = finished(tmp_path / "other" / "seed0", 0.9, groups=10)

  def request():
    class Request:
      workdir = str(tmp_path / "nothing")

    return Request

  for runs, metric, says in (
    (f"{good}", "accuracy", "two run folders or more"),
    (f"{good},{bad}", "acuracy", "did you mean 'accuracy'"),
    (f"{good},{tmp_path / 'no'}", "accuracy", "holds no finished run"),
    (f"{good},{good}", "accuracy", "the same folder twice"),
    (f"{good},{other}", "accuracy", "compare runs of one split"),
  ):
    with pytest.raises(InputError, match=says):
      comparing.run(request(), runs, metric)
  assert not (tmp_path / "nothing").exists()


def test_names_are_as_short_as_they_can_be(tmp_path):
  def names(*ends):
    return comparing._names([tmp_path / end for end in ends])

  assert names("a/seed0", "b/seed0") == ["a", "b"]
  assert names("a/seed0", "a/seed1") == ["seed0", "seed1"]
  assert names("a/seed0", "b/seed1", "b/seed0") == ["a/seed0", "b/seed1", "b/seed0"]


def test_latex_compiles_in_the_eye(tmp_path):
  text = tables.latex([tables.Table("50 % of $x_1$", ["a", "b"], [["{~}", "1–2"]])])
  assert r"\caption{50 \% of \$x\_1\$}" in text
  assert r"\{\textasciitilde{}\} & 1--2 \\" in text
  assert text.count(r"\begin") == text.count(r"\end") == 2


def of_seeds(folder, right, seeds=(0, 1, 2)):
  """Finished seeds of one run; the answers of each are its own."""
  for seed in seeds:
    finished(folder / f"seed{seed}", right, seed=seed)
  return folder


def test_seeds_are_averaged_whichever_way_they_are_named(tmp_path):
  good, bad = of_seeds(tmp_path / "good", 0.9), of_seeds(tmp_path / "bad", 0.7)
  content = comparing.compared({"good": good, "bad": bad}, "accuracy")
  again = comparing.compared({"good": good / "seed*", "bad": bad}, "accuracy")
  assert again["comparison"] == content["comparison"]
  alone = [
    comparing.compared({"a": good / f"seed{s}", "b": bad / f"seed{s}"}, "accuracy")
    for s in range(3)
  ]
  (pair,) = content["comparison"]["pairs"]
  singles = [one["comparison"]["pairs"][0] for one in alone]
  assert pair["value"] == pytest.approx(np.mean([s["value"] for s in singles]))
  told = pair["repeated"]
  assert told["over"] == "seeds" and told["count"] == 3
  assert told["sd"] == pytest.approx(np.std([s["value"] for s in singles], ddof=1))
  assert content["runs"]["good"]["repeated"]["count"] == 3
  title, head, rows = content["tables"][3]
  assert [row[0] for row in rows] == ["good", "bad", "good – bad, points"]
  assert rows[2][2] == f"{100 * told['mean']:.1f}" and rows[2][5] == ""
  assert any(note.startswith("Seeds on the same") for note in content["notes"])
  assert not any(note.startswith("One seed each") for note in content["notes"])
  assert [row[5] for row in content["tables"][2][2]] == ["–"]


def test_folds_have_the_corrected_interval(tmp_path):
  for name, right in (("a", 0.9), ("b", 0.8)):
    for fold in range(2):
      split = {"fold": fold, "parts": {"train": {"images": 80}}}
      at, *_ = finished(
        tmp_path / name / "seed0" / f"fold{fold}", right, seed=fold, split=split
      )
      held = json.loads((at / "report.json").read_text()) | {"seed": 0}
      (at / "report.json").write_text(json.dumps(held))
      path = at / "predictions.csv"
      path.write_text(path.read_text().replace("\nimage", f"\n{fold}-image"))
  paths = {name: tmp_path / name / "seed0" for name in "ab"}
  content = comparing.compared(paths, "accuracy")
  assert content["runs"]["a"]["n"] == 160
  told = content["comparison"]["pairs"][0]["repeated"]
  assert told["over"] == "folds" and told["count"] == 2 and 0 <= told["p"] <= 1
  assert any("corrected resampled t" in note for note in content["notes"])


def test_seeds_that_are_not_there_are_told(tmp_path):
  good = of_seeds(tmp_path / "good", 0.9)
  (good / "seed1" / "report.json").unlink()
  for name, says in (
    (good, "seed1 holds no finished run"),
    (tmp_path / "x*", "nothing is called"),
    (tmp_path, "holds no finished run"),
  ):
    with pytest.raises(InputError, match=says):
      comparing.compared({"good": name, "other": good / "seed0"}, "accuracy")
