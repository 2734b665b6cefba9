"""A study of heads on a frozen backbone: trained at once, and each a run of its own."""

import json

import pytest
from test_execute import asked, compiled, home  # noqa: F401, fixtures
from test_folds import images  # noqa: F401, a fixture

from histojax.studies import execute

GRID = "optimizer.learning_rate=0.1,0.5;split.fold=0,1"
HEADS = {"model.freeze": "backbone", "augment.train_rotations": "random"}


@pytest.fixture(scope="module")
def study(images, home):  # noqa: F811
  folder = home / "heads"
  run = asked(images, folder, **HEADS)
  steps, evaluations = compiled(lambda: execute.run(run, GRID))
  return folder, run, steps, evaluations


@pytest.mark.full
def test_every_head_is_a_finished_run(study):
  folder, _, steps, evaluations = study
  assert steps == 0  # no network was trained
  reports = sorted(folder.glob("members/*/*/*/report.json"))
  assert len(reports) == 4
  for path in reports:
    names = {p.name for p in path.parent.iterdir()}
    assert names >= {"config.json", "metrics.jsonl", "predictions.csv", "report.html"}
    held = json.loads(path.read_text())
    told = held["training"]
    assert told["trained_parameters"] < told["parameters"]
    assert told["resumed_from_step"] == 0 < told["seconds"]
    assert told["heads_at_once"] == 2 and told["images_per_second"] > 0
  assert "side by side" in (folder / "log.txt").read_text()


@pytest.mark.full
def test_a_finished_head_is_not_trained_again(study, capsys):
  folder, run, *_ = study
  before = {p: p.stat().st_mtime_ns for p in folder.glob("members/**/report.json")}
  execute.run(run, GRID)
  assert before == {p: p.stat().st_mtime_ns for p in before}


@pytest.mark.full
def test_what_was_trained_before_a_kill_is_kept(study):
  """A kill between training and reporting: the report is made of what is there."""
  folder, run, *_ = study
  one = sorted(folder.glob("members/*/*/*/report.json"))[0]
  predictions = (one.parent / "predictions.csv").read_bytes()
  rows = (one.parent / "metrics.jsonl").read_bytes()
  one.unlink()
  execute.run(run, GRID)
  assert one.exists() and (one.parent / "metrics.jsonl").read_bytes() == rows
  assert (one.parent / "predictions.csv").read_bytes() == predictions


@pytest.mark.full
def test_a_head_that_diverges_is_told(images, home):  # noqa: F811
  decayed = {"optimizer.weight_decay": 1.0, "epochs": 10}
  run = asked(images, home / "lost", **(HEADS | decayed))
  with pytest.raises(SystemExit):
    execute.run(run, "optimizer.learning_rate=0.1,100.0;split.fold=0")
  held = [
    json.loads(p.read_text()) for p in (home / "lost").glob("members/**/failed.json")
  ]
  assert len(held) == 1 and "the loss is" in held[0]["error"]
  assert len(list((home / "lost").glob("members/**/report.json"))) == 1
