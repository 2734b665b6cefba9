"""Whole runs that start from weights: stopped, continued, of one process and of two."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from safetensors.numpy import save_file
from test_experiment import SMALL, images  # noqa: F401, a fixture
from test_initial import weights_of
from torch_writer import Ordered, archive

from histojax import checkpoint, models, startup
from histojax.models.pretrained import from_torch

FILES = ("config.json", "metrics.jsonl", "predictions.csv", "predictions_views.csv")
pytestmark = pytest.mark.full


class Runs:
  """Runs of one config, with one cache, below a folder of their own."""

  def __init__(self, home: Path, source: Path):
    self.home, self.config, self.weights = home, home / "tiny.py", home / "tiny.pth"
    model = models.create("resnet_tiny", num_classes=7)
    self.held, _ = weights_of(model)
    archive(self.weights, {"state_dict": Ordered(self.held)})
    said = {"pretrained_cfg": {"mean": [0.6, 0.5, 0.4], "std": [0.3, 0.3, 0.3]}}
    (home / "config.json").write_text(json.dumps(said))
    values = SMALL | {"data.source": str(source), "epochs": 12, "log_every": 1}
    values |= {"model.attention": "none", "augment.normalise": "weights"}
    values |= {"model.freeze": "all but stage5|head"}
    self.config.write_text(
      textwrap.dedent(f"""
        import runpy
        from ml_collections import config_dict
        VARIANTS = ("",)
        def get_config():
          c = runpy.run_path({str(ROOT / "configs" / "folder.py")!r})
          c = c["get_config"]("quick")
          c.init = config_dict.ConfigDict()
          c.init.weights, c.init.new = {str(self.weights)!r}, "head"
          c.model.freeze = "none"
          c.update_from_flattened_dict({values!r})
          return c
      """)
    )

  def start(self, name, *flags, before=(), **environment):
    command = [str(ROOT / "launch.py"), f"--config={self.config}", *flags]
    command.append(f"--workdir={self.home / name}")
    if before:
      command = [str(ROOT / "tests" / "signal_at.py"), *before, *command]
    environment |= {"XDG_CACHE_HOME": str(self.home / "cache")}
    return subprocess.Popen(
      [sys.executable, *command], env=os.environ | environment, cwd=ROOT, text=True,
      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip

  def run(self, name, *flags, code=0, **options):
    process = self.start(name, *flags, **options)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == code, said
    return said

  def state(self, name):
    """{part: tree} of the last checkpoint: what is trained, what is frozen."""
    import jax

    from histojax import experiment, initial
    from histojax.data import catalogue, tiles
    from histojax.engine import Engine

    config = startup.load_config(str(self.config))
    asked = startup.Request(config, config, "", "", "train", "", "")
    config = initial.resolve(asked).config
    data = tiles.prepare(
      catalogue.find(config.data), *experiment.storage(config.augment)
    )
    engine = Engine(config, data)
    with checkpoint.Checkpoints(self.home / name / "checkpoints", keep=1) as saved:
      state = saved.restore("last", engine.abstract())
    state = state.replace(key=jax.random.key_data(state.key))
    return jax.device_get(state), engine


@pytest.fixture(scope="module")
def runs(images, tmp_path_factory):  # noqa: F811
  with pytest.MonkeyPatch.context() as patch:
    found = Runs(tmp_path_factory.mktemp("initial"), images)
    patch.setenv("XDG_CACHE_HOME", str(found.home / "cache"))
    found.said = found.run("whole")
    yield found


def test_the_report_says_where_a_run_started(runs):
  report = json.loads((runs.home / "whole" / "report.json").read_text())
  digest = report["config"]["init"]["sha256"]
  told = report["training"]["weights"]
  assert f"{runs.weights} (sha256 {digest[:12]})" in told
  assert "fresh from the seed: head; the arrays under 'state_dict'" in told
  assert "mean (0.6, 0.5, 0.4), std (0.3, 0.3, 0.3): as config.json" in told
  assert report["config"]["augment"]["mean"] == [0.6, 0.5, 0.4]
  assert digest[:12] in (runs.home / "whole" / "report.html").read_text()
  assert "starts from" in runs.said and "of them trained)" in runs.said


def test_only_what_is_not_frozen_is_trained(runs):
  import jax

  state, engine = runs.state("whole")
  assert set(state.params) == {"stage5_block1", "head"}
  model = engine.model
  held = {k: v for k, v in runs.held.items() if not k.startswith("fc.")}
  shapes = {"params": state.all_params, "batch_stats": state.batch_stats}
  shapes["params"].pop("head")
  given = from_torch(model, held, shapes)
  for name, part in state.frozen.items():
    jax.tree.map(np.testing.assert_array_equal, part, given["params"][name])
    statistics = state.batch_stats[name]
    jax.tree.map(np.testing.assert_array_equal, statistics, given["batch_stats"][name])
  trained = state.params["stage5_block1"], given["params"]["stage5_block1"]
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), *trained)
  assert min(jax.tree.leaves(moved)) > 0  # from where the file stands, and not far
  assert max(jax.tree.leaves(moved)) < 0.5


def test_a_killed_run_ends_in_the_same_bytes(runs):
  import jax

  moment = (r"os.rename .*/last/12.orbax-checkpoint-tmp .*/last/12$", "1")
  runs.run("killed", code=-signal.SIGKILL, before=("SIGKILL", *moment))
  assert "resuming from step" in runs.run("killed")
  for name in FILES:
    whole, found = (runs.home / run / name for run in ("whole", "killed"))
    assert whole.read_bytes() == found.read_bytes(), name
  whole, found = (runs.state(name)[0] for name in ("whole", "killed"))
  jax.tree.map(np.testing.assert_array_equal, whole, found)


def test_another_file_under_that_name_is_refused(runs):
  before = runs.weights.read_bytes()
  try:
    save_file(runs.held | {"fc.bias": np.ones(7, "f")}, runs.weights)
    said = runs.run("whole", code=2)
    assert "error: " in said and "holds a run of another config (init.sha256" in said
    runs.weights.unlink()
    said = runs.run("whole", code=2)
    assert f"error: init.weights='{runs.weights}': no such file" in said
    assert "Traceback" not in said
  finally:
    runs.weights.write_bytes(before)
  assert "This run is complete" in runs.run("whole")


def test_two_processes_start_from_the_same_numbers(runs):
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
  shared = {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2"}
  processes = [
    runs.start("two", **shared, JAX_PROCESS_ID=str(number)) for number in (0, 1)
  ]
  said = [process.communicate(timeout=300)[0] for process in processes]
  assert [process.returncode for process in processes] == [0, 0], said
  losses = [
    [row["loss"] for row in map(json.loads, text.splitlines()) if "loss" in row]
    for text in (
      (runs.home / n / "metrics.jsonl").read_text() for n in ("whole", "two")
    )
  ]
  assert len(losses[0]) == len(losses[1])
  # two processes add in another order, which every step enlarges
  np.testing.assert_allclose(losses[0][:6], losses[1][:6], rtol=1e-3)
