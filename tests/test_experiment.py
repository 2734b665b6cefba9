"""The main job end to end, on small pictures and a small network."""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest
from attempts import attempts
from conftest import ROOT
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from histojax import checkpoint, experiment, milestones, startup, steps
from histojax.data import catalogue, handout, tiles
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation import calibration, predictions
from histojax.explain import mode

HERE = jax.sharding.SingleDeviceSharding(jax.devices()[0])
SMALL = {
  "epochs": 3,
  "batch_size": 8,
  "evaluate_batch_size": 16,
  "evaluate_every": 1,
  "log_every": 2,
  "augment.size": 32,
  "augment.rotations": 4,
  "model.name": "resnet_tiny",
  "split.folds": 3,
  "split.validation_fraction": 0.4,
}


def request(source, workdir, mode="train", **changes):
  file = str(ROOT / "configs" / "folder.py")
  config = startup.load_config(f"{file}:quick")
  for key, value in (SMALL | changes | {"data.source": str(source)}).items():
    config.update_from_flattened_dict({key: value})
  base = startup.load_config(f"{file}:quick")
  return startup.Request(config, base, file, "quick", mode, str(workdir), "test")


def as_flags(source, workdir, **changes):
  values = SMALL | changes | {"data.source": source}
  return [
    sys.executable,
    str(ROOT / "launch.py"),
    f"--config={ROOT / 'configs' / 'folder.py'}:quick",
    f"--workdir={workdir}",
    *(f"--config.{k}={v}" for k, v in values.items()),
  ]


def metric_rows(workdir):
  text = (workdir / "metrics.jsonl").read_text()
  return [json.loads(line) for line in text.splitlines()]


def state_bytes(asked, name="last"):
  """(step, every leaf of the newest checkpoint, as bytes by its path)."""
  dataset = catalogue.find(asked.config.data)
  data = tiles.prepare(dataset, *experiment.storage(asked.config.augment))
  abstract = Engine(asked.config, data).abstract()
  with checkpoint.Checkpoints(Path(asked.workdir) / "checkpoints", keep=1) as saved:
    step, state = saved.latest(name), saved.restore(name, abstract)
  state = state.replace(key=jax.random.key_data(state.key))
  leaves = jax.tree_util.tree_leaves_with_path(state)
  return step, {jax.tree_util.keystr(k): np.asarray(v).tobytes() for k, v in leaves}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  from PIL import Image

  root = tmp_path_factory.mktemp("images")
  for k, name in enumerate("abc"):
    (root / name).mkdir()
    for i in range(12):
      rng = np.random.default_rng([k, i])
      pixels = rng.integers(0, 200, (40, 40, 3)).astype(np.uint8)
      pixels[:: k + 2, :, :] //= 4  # the class is a texture
      Image.fromarray(pixels).save(root / name / f"{i}.png")
  return root


@pytest.fixture(scope="module")
def finished(images, tmp_path_factory):
  """One uninterrupted run, and the cache that all runs of this file share."""
  cache = tmp_path_factory.mktemp("cache")
  os.environ["XDG_CACHE_HOME"] = str(cache)
  workdir = tmp_path_factory.mktemp("runs") / "whole"
  experiment.run(request(images, workdir))
  yield workdir
  del os.environ["XDG_CACHE_HOME"]


def test_a_run_leaves_everything_the_design_names(finished):
  assert not [n for n in read_notes(finished) if "looked at" in n]
  names = {path.name for path in finished.iterdir()}
  assert names >= {
    "config.json", "environment.json", "split.json", "metrics.jsonl", "tensorboard",
    "log.txt", "checkpoints", "predictions.csv", "predictions_views.csv",
    "report.json", "report.html", "figures",
  }  # fmt: skip
  assert not [name for name in names if name.startswith(".")]
  split = json.loads((finished / "split.json").read_text())
  by_image = predictions.read(finished / "predictions.csv")
  by_view = predictions.read(finished / "predictions_views.csv")
  assert sorted(by_image["image_id"]) == split["test"]
  assert len(by_view["image_id"]) == 4 * len(split["test"])
  assert sorted(set(by_view["angle"])) == [0, 90, 180, 270]
  report = json.loads((finished / "report.json").read_text())
  accuracy = np.mean(by_image["prediction"] == by_image["label"])
  assert report["scores"]["images"]["accuracy"]["value"] == pytest.approx(accuracy)


def test_probabilities_baselines_and_temperature_reach_the_report(finished):
  report = json.loads((finished / "report.json").read_text())
  by_image = predictions.read(finished / "predictions.csv")
  for level in ("images", "views"):
    assert report["scores"][level]["reliability"]["ece"] > 0
  for k, row in enumerate(report["scores"]["images"]["per_class"]):
    area = roc_auc_score(by_image["label"] == k, by_image["probability"][:, k])
    assert abs(row["auroc"]["value"] - area) < 1e-12
  held = report["calibration"]
  validation = json.loads((finished / "split.json").read_text())["validation"]
  fitted = predictions.read(finished / "predictions_calibration.csv")
  assert sorted(fitted["image_id"]) == validation and held["n"] == len(validation)
  assert held["temperature"] == calibration.temperature(
    fitted["label"], fitted["probability"]
  )
  assert held["before"] == report["scores"]["images"]["reliability"]
  baselines = {"mean_rgb", "colour_histogram", "file"}
  assert set(report["baselines"]) == baselines | {"chance"}
  assert set(report["against"]["pairs"]) == baselines | {"majority"}
  file = predictions.read(finished / "predictions_file.csv")
  pair = report["against"]["pairs"]["file"]
  assert pair["score"] == pytest.approx(
    balanced_accuracy_score(file["label"], file["prediction"])
  )


def test_a_finished_run_is_explained(finished, images, tmp_path):
  """The report has ten images; --mode=explain has those, and any folder."""
  assert (finished / "figures" / "attention.png").is_file()
  folder = shutil.copytree(finished, tmp_path / "run")
  before = len(looks(folder))
  asked = request(images, folder, mode="explain")
  mode.run(asked)
  content = json.loads((folder / "explain.json").read_text())
  (row,) = looks(folder)[before:]
  assert row["why"] == mode.WHY and not row["scored"]
  held = predictions.read(folder / "predictions.csv")
  place = {name: i for i, name in enumerate(held["image_id"])}
  at = [place[about["image_id"]] for about in content["images"]]
  wrong = held["prediction"] != held["label"]
  assert len(at) == 10 and wrong[at].sum() >= min(5, wrong.sum())
  assert list(wrong[at]) == sorted(wrong[at], reverse=True)  # errors come first
  for i, about in zip(at, content["images"], strict=True):
    assert list(about["probability"].values()) == list(held["probability"][i])
    assert (folder / about["figure"]).is_file()
  page = (folder / "explain.html").read_text()
  assert page.count("data:image/") == 11 and "4 x 4 places" in page
  with np.load(folder / "explain.npz") as maps:
    assert maps["grad_cam"].shape == (10, 2, 4, 4)
    assert maps["grad_cam"].dtype == np.float32 and maps["grad_cam"].max() > 0
    assert maps["channel/stage5_block1/se"].shape == (3, 256)

  mixed = tmp_path / "mixed"
  (mixed / "b").mkdir(parents=True)
  shutil.copy(images / "b" / "0.png", mixed / "b" / "0.png")
  shutil.copy(images / "c" / "0.png", mixed / "<b>.png")
  mode.run(asked, str(mixed), "stage3")
  (own,) = (folder / "explain").iterdir()
  content = json.loads((own / "explain.json").read_text())
  labels = {about["image_id"]: about["label"] for about in content["images"]}
  assert labels == {"<b>.png": None, "b/0.png": "b"}
  assert content["channels_of"] == "Means over 1 image by their true class."
  assert content["layer"]["name"] == "stage3"
  assert "<b>.png" not in (own / "explain.html").read_text()


def test_only_finished_runs_are_explained(finished, images, tmp_path):
  asked = request(images, tmp_path / "none", mode="explain")
  with pytest.raises(InputError, match="no finished run.*--mode=train"):
    mode.run(asked)
  assert not (tmp_path / "none").exists()
  folder = shutil.copytree(finished, tmp_path / "run")
  asked = request(images, folder, mode="explain")
  for wrong, says in (
    ({"layer": "stage6"}, "explain_layer=stage6"),
    ({"images": str(tmp_path / "x")}, "no such folder"),
  ):
    with pytest.raises(InputError, match=says):
      mode.run(asked, **wrong)
  assert not (folder / "explain.json").exists()


def test_every_step_is_logged_once(finished):
  rows = metric_rows(finished)
  steps_logged = [row["step"] for row in rows if "loss" in row]
  total = json.loads((finished / "report.json").read_text())["training"]["steps"]
  assert steps_logged == list(range(1, total + 1))
  evaluated = [row["step"] for row in rows if "validation/loss" in row]
  assert evaluated == [total // 3, 2 * total // 3, total]


@pytest.mark.full
def test_streamed_and_resident_give_the_same_bytes(finished, images, tmp_path):
  streamed = request(images, tmp_path / "run", **{"data.device_memory_gib": 0.0})
  experiment.run(streamed)
  assert state_bytes(streamed) == state_bytes(request(images, finished))
  for name in ("predictions.csv", "predictions_views.csv", "metrics.jsonl"):
    assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.full
def test_seeds_and_folds_share_one_trace(finished, images, tmp_path, monkeypatch):
  chex.clear_trace_counter()
  for name in ("train_step", "eval_step", "init"):
    monkeypatch.setattr(steps, name, chex.assert_max_traces(getattr(steps, name), 1))
  steps.compiled.cache_clear()
  sizes, scores = set(), set()
  for i, change in enumerate(({"seed": 1}, {"seed": 2}, {"split.fold": 1})):
    # unequal classes make folds of different size
    workdir = tmp_path / str(i)
    experiment.run(request(images, workdir, **(change | {"split.folds": 4})))
    split = json.loads((workdir / "split.json").read_text())
    sizes.add((len(split["train"]), len(split["test"])))
    scores.add((workdir / "predictions.csv").read_bytes())
  assert len(scores) == 3
  experiment.run(
    request(images, tmp_path / "smaller", **{"split.folds": 3, "epochs": 1})
  )
  steps.compiled.cache_clear()
  chex.clear_trace_counter()


def test_evaluate_scores_again_with_the_same_bytes(finished, images):
  before = (finished / "predictions.csv").read_bytes()
  (finished / "predictions.csv").unlink()
  experiment.run(request(images, finished, mode="evaluate"))
  assert (finished / "predictions.csv").read_bytes() == before


def test_a_finished_run_is_shown_not_repeated(finished, images, capsys):
  changed = os.stat(finished / "report.json").st_mtime_ns
  experiment.run(request(images, finished))
  assert "complete" in capsys.readouterr().out
  assert os.stat(finished / "report.json").st_mtime_ns == changed


def test_mistakes_are_one_sentence(finished, images, tmp_path):
  with pytest.raises(InputError, match="another config .epochs: 3 there, 4 now"):
    experiment.run(request(images, finished, epochs=4))
  for changes, sentence in (
    ({"model.name": "resnet51"}, "did you mean 'resnet50'"),
    ({"model.attention": "sE"}, "did you mean 'se'"),
    ({"model.dtype": "float16"}, "use auto, float32 or bfloat16"),
    ({"augment.canvas": "expanded"}, "did you mean 'expand'"),
    ({"select_on": "vali"}, "did you mean 'validation'"),
    ({"split.validation_fraction": 0.0}, "no validation part"),
    ({"mode": "evaluate"}, "holds no trained run"),
  ):
    mode = changes.pop("mode", "train")
    with pytest.raises(InputError, match=sentence):
      experiment.run(request(images, tmp_path / "run", mode=mode, **changes))
    assert not (tmp_path / "run").exists()


def test_a_lost_loss_stops_the_run(finished, images, tmp_path):
  asked = request(images, tmp_path / "run", **{"optimizer.learning_rate": 1e30})
  with pytest.raises(InputError, match="the loss is (nan|inf) at step"):
    experiment.run(asked)
  assert not (tmp_path / "run" / "report.json").exists()


@pytest.mark.parametrize("select_on", ["last", "validation"])
def test_a_last_update_that_breaks_the_network_is_told(
  finished, images, tmp_path, monkeypatch, select_on
):
  """No loss has seen it: the run ends in its sentence, not amid a figure."""
  monkeypatch.setattr(milestones, "not_finite", lambda step, loss: "")
  changes = {"optimizer.learning_rate": 1e30, "epochs": 1, "select_on": select_on}
  with pytest.raises(InputError, match="answers with no finite numbers: lower"):
    experiment.run(request(images, tmp_path / "run", **changes))
  assert not (tmp_path / "run" / "report.json").exists()


def test_a_long_recipe_says_so_and_names_the_quick_line(
  finished, images, tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr(experiment, "HOUR", 0.0)
  asked = request(images, tmp_path / "run")._replace(variant="")
  experiment.run(asked)
  said = capsys.readouterr().out
  assert "the whole recipe takes about" in said
  assert f"python launch.py --config={asked.file}:quick" in said


def test_a_gpu_that_jax_does_not_use_is_pointed_out(monkeypatch, capsys):
  monkeypatch.setattr(startup.glob, "glob", lambda pattern: ["/dev/nvidia0"])
  startup.greet()
  assert 'pip install "jax[cuda13]==' in capsys.readouterr().out


def looks(folder):
  lines = (folder / "handouts.jsonl").read_text().splitlines()
  return [json.loads(line) for line in lines]


def test_nothing_reaches_the_test_part_while_it_trains(
  finished, images, tmp_path, monkeypatch
):
  """In a fresh run, in one that is continued, and in one that is evaluated again."""
  train, tried, folder = experiment.train, [], tmp_path / "run"

  def trying(asked, engine, plan, state, start, at, *rest, curve):
    for name, attempt in attempts(engine, plan, state, at.path).items():
      with pytest.raises(handout.Withheld):
        attempt()
        raise AssertionError(f"not refused: {name}")
    given = set(engine.tiles.image_id[curve(start, state)["row"]])
    assert given == set(json.loads(at.split.read_text())["validation"])
    tried.append(start)
    found = train(asked, engine, plan, state, start, at, *rest, curve=curve)
    if len(tried) == 1:
      raise KeyboardInterrupt  # trained, and never evaluated
    return found

  monkeypatch.setattr(experiment, "train", trying)
  asked = request(images, folder)
  with pytest.raises(KeyboardInterrupt):
    experiment.run(asked)
  assert [row["why"] for row in looks(folder)] == [handout.AUDIT]
  experiment.run(asked)
  experiment.run(asked._replace(mode="evaluate"))
  report = json.loads((folder / "report.json").read_text())
  steps = report["training"]["steps"]
  assert tried == [0, steps, steps]
  assert (folder / "predictions.csv").read_bytes() == (
    finished / "predictions.csv"
  ).read_bytes()

  rows = looks(folder)
  assert [(row["why"], row["scored"]) for row in rows] == [
    (handout.AUDIT, False), (handout.FINAL, True), (handout.REPORT, False),
    (handout.AGAIN, True), (handout.REPORT, False),
  ]  # fmt: skip
  tested = len(predictions.read(folder / "predictions.csv")["label"])
  assert {row["images"] for row in rows} == {tested}
  chosen = report["training"]["chosen_step"]
  assert rows[1]["step"] == chosen and rows[1]["process"] > 0 and rows[1]["when"]
  assert report["handouts"] == rows
  assert handout.sentence(rows) in report["notes"]
  assert "was looked at 2 times" in (folder / "report.html").read_text()


def read_notes(folder):
  return json.loads((folder / "report.json").read_text())["notes"]


def test_choosing_on_the_test_part_is_flagged(finished, images, tmp_path):
  folder = tmp_path / "run"
  experiment.run(request(images, folder, select_on="test"))
  evaluated = [row["step"] for row in metric_rows(folder) if "test/loss" in row]
  report = json.loads((folder / "report.json").read_text())
  assert "ON THE TEST PART" in report["selection"]["text"]
  scored = [row for row in looks(folder) if row["scored"]]
  assert [(row["why"], row["step"]) for row in scored[:-1]] == [
    (f"select_on=test, epoch {i + 1}", step) for i, step in enumerate(evaluated)
  ]
  assert scored[-1]["why"] == handout.FINAL
  told = "4 times: 3 times to choose the epoch (select_on=test), once for the final"
  assert any(told in note for note in report["notes"])


def test_training_code_does_not_name_the_test_part():
  """What trains and chooses asks no split for it: `experiment.one` hands it out."""
  package = ROOT / "histojax"
  for name in ("engine", "loop", "milestones", "planning", "steps", "checkpoint"):
    tree = ast.parse((package / f"{name}.py").read_text())
    named = [n for n in ast.walk(tree) if getattr(n, "attr", "") == "test"]
    assert not named, f"{name}.py:{named[0].lineno}"
  texts = ((package / f"{k}.py").read_text() for k in ("experiment", "selection"))
  nodes = (node for text in texts for node in ast.walk(ast.parse(text)))
  named = {ast.unparse(n) for n in nodes if getattr(n, "attr", "") == "test"}
  assert named == {"whole.test"}  # within `handed_out`


def test_default_folders_follow_the_data_and_the_flags(finished, images):
  found = set()
  for fingerprint, changes in (
    ("x", {}),
    ("y", {}),
    ("x", {"model.attention": "none"}),
  ):
    asked = request(images, "", **changes)
    data = type("DataSet", (), {"fingerprint": fingerprint})
    found.add(str(experiment.default_workdir(asked, data)))
  assert len(found) == 3 and all(f.startswith("runs/folder-quick-") for f in found)
