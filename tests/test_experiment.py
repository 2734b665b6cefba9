"""The main job end to end, on small pictures and a small network."""

import json
import os
import sys
from pathlib import Path

import chex
import jax
import numpy as np
import pytest
from conftest import ROOT

from histojax import checkpoint, experiment, startup, steps
from histojax.data import catalogue, tiles
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation import predictions

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


def test_every_step_is_logged_once(finished):
  rows = metric_rows(finished)
  steps_logged = [row["step"] for row in rows if "loss" in row]
  total = json.loads((finished / "report.json").read_text())["training"]["steps"]
  assert steps_logged == list(range(1, total + 1))
  evaluated = [row["step"] for row in rows if "validation/loss" in row]
  assert evaluated == [total // 3, 2 * total // 3, total]


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


def test_choosing_on_the_test_part_is_flagged(finished, images, tmp_path):
  experiment.run(request(images, tmp_path / "run", select_on="test"))
  rows = metric_rows(tmp_path / "run")
  assert any("test/balanced_accuracy" in row for row in rows)
  report = json.loads((tmp_path / "run" / "report.json").read_text())
  assert "ON THE TEST PART" in report["selection"]["text"]


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
