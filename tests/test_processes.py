"""Two processes of one run, started as a scheduler would, through launch.py.

Against one process: the sums over a batch are taken in another order, so numbers agree
to float32 rounding, which a hundred steps of SGD enlarge: TOLERANCE, relative to the
largest number of each array, or to FLOOR where all of it is smaller. Against two
processes: the same bytes.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import ROOT

from histojax import atomic, checkpoint, experiment, startup
from histojax.data import catalogue, tiles
from histojax.engine import Engine
from histojax.evaluation import predictions

TOLERANCE, FLOOR = 1e-3, 0.01
FILES = ("predictions.csv", "predictions_views.csv", "metrics.jsonl")
CONFIG = f"{ROOT / 'configs' / 'folder.py'}:quick"
SMALL = {
  "epochs": 2,
  "batch_size": 8,
  "evaluate_batch_size": 16,
  "evaluate_every": 1,
  "log_every": 1,
  "augment.size": 32,
  "augment.rotations": 4,
  "model.name": "resnet_tiny",
  "split.folds": 3,
  "split.validation_fraction": 0.4,
}
# at the rate of the config 60 epochs blow the last bit up to 0.4 in the loss
LONGER = {"epochs": 60, "evaluate_every": 2, "optimizer.learning_rate": 1e-3}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  from PIL import Image

  root = tmp_path_factory.mktemp("images")
  for k, name in enumerate("abc"):
    (root / name).mkdir()
    for i in range(11):
      rng = np.random.default_rng([k, i])
      pixels = rng.integers(0, 200, (40, 40, 3)).astype(np.uint8)
      pixels[:: k + 2] //= 4  # the class is a texture
      Image.fromarray(pixels).save(root / name / f"{i}.png")
  return root


@pytest.fixture(scope="module", autouse=True)
def one_cache(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield


class Started:
  """The processes of a run, and what each of them said."""

  def __init__(self, count, images, workdir, changes=None, *, of_one=(), command=None):
    with socket.socket() as free:
      free.bind(("127.0.0.1", 0))
      port = free.getsockname()[1]
    self.workdir, self.logs = workdir, []
    values = SMALL | {"data.source": images} | (changes or {})
    if command is None:
      command = [sys.executable, str(ROOT / "launch.py"), f"--config={CONFIG}"]
      command += [f"--workdir={workdir}"]
      command += [f"--config.{key}={value}" for key, value in values.items()]
    self.processes = []
    for number in range(count):
      place = {
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(number),
      }
      log = workdir.parent / f"{workdir.name}.{time.monotonic_ns()}.{number}.txt"
      own = [*of_one] if number == 1 else []
      with log.open("w") as output:
        process = subprocess.Popen(
          command + own,
          cwd=ROOT,
          env=os.environ | (place if count > 1 else {}),
          stdout=output,
          stderr=subprocess.STDOUT,
        )
      self.logs.append(log)
      self.processes.append(process)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    for process in self.processes:
      process.kill()
      process.wait()

  def reach(self, step: int) -> None:
    """Returns when a row of that step is logged."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and self.alive():
      if any(row["step"] >= step for row in rows(self.workdir)):
        return
      time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached: {self.said()}")

  def alive(self) -> bool:
    return all(process.poll() is None for process in self.processes)

  def codes(self) -> list[int]:
    return [process.wait(timeout=200) for process in self.processes]

  def said(self) -> list[str]:
    return [log.read_text() for log in self.logs]


def run(count, images, workdir, changes=None):
  with Started(count, images, workdir, changes) as started:
    assert started.codes() == [0] * count, started.said()
    return started.said()


def rows(workdir: Path) -> list[dict]:
  found = []
  path = workdir / "metrics.jsonl"
  for line in path.read_text().splitlines() if path.exists() else ():
    try:
      found.append(json.loads(line))
    except ValueError:
      break
  return found


def state_of(images, workdir, changes=None, series="last"):
  """(step, {path: leaf}) of the newest checkpoint, read by this one process."""
  config = startup.load_config(CONFIG)
  values = SMALL | {"data.source": str(images)} | (changes or {})
  config.update_from_flattened_dict(values)
  stored = experiment.storage(config.augment)
  data = tiles.prepare(catalogue.find(config.data), *stored)
  abstract = Engine(config, data).abstract()
  with checkpoint.Checkpoints(workdir / "checkpoints", keep=1) as saved:
    step, state = saved.latest(series), saved.restore(series, abstract)
  state = state.replace(key=jax.random.key_data(state.key))
  leaves = jax.tree_util.tree_leaves_with_path(state)
  return step, {jax.tree_util.keystr(k): np.asarray(v) for k, v in leaves}


def disagreement(images, one: Path, other: Path, changes=None) -> dict[str, float]:
  """Largest relative differences of two finished runs; all else must be equal."""
  found = {}
  for name in FILES[:2]:
    a, b = predictions.read(one / name), predictions.read(other / name)
    for column in ("image_id", "group", "label"):
      assert list(a[column]) == list(b[column])
    found[name] = np.abs(a["probability"] - b["probability"]).max()
  a, b = rows(one), rows(other)
  assert [sorted(row) for row in a] == [sorted(row) for row in b]
  assert [row["step"] for row in a] == [row["step"] for row in b]
  found["metrics.jsonl"] = max(
    abs(x["loss"] - y["loss"]) for x, y in zip(a, b, strict=True) if "loss" in x
  )
  (step, a), (same_step, b) = (state_of(images, run, changes) for run in (one, other))
  assert step == same_step and a.keys() == b.keys()
  found["state"] = max(
    np.abs(a[k] - b[k]).max() / max(np.abs(a[k]).max(), FLOOR)
    for k in a
    # momentum is a sum of gradients that all but cancel
    if a[k].dtype == np.float32 and not k.startswith(".opt_state")
  )
  print({k: f"{v:.1e}" for k, v in found.items()})
  return found


def assert_same_bytes(images, one: Path, other: Path, changes=None) -> None:
  for name in FILES:
    assert (one / name).read_bytes() == (other / name).read_bytes(), name
  for series in ("last", "best"):
    a, b = (state_of(images, run, changes, series) for run in (one, other))
    assert a[0] == b[0] and a[1].keys() == b[1].keys()
    assert [k for k in a[1] if a[1][k].tobytes() != b[1][k].tobytes()] == []


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
  """{number of processes: the folder of a LONGER run that nothing has interrupted}."""
  folders = {n: tmp_path_factory.mktemp("whole") / str(n) for n in (1, 2)}
  for count, folder in folders.items():
    run(count, images, folder, LONGER)
  return folders


@pytest.mark.slow
def test_two_processes_agree_with_one(images, tmp_path):
  said = run(2, images, tmp_path / "two")
  run(1, images, tmp_path / "one")
  found = disagreement(images, tmp_path / "one", tmp_path / "two")
  assert max(found.values()) < TOLERANCE
  assert "2 processes" in said[0] and "report" in said[0]
  left = [line for line in said[1].splitlines() if not line.startswith("[Gloo]")]
  assert left == [], "only the first process speaks"
  names = ({p.name for p in (tmp_path / run).iterdir()} for run in ("one", "two"))
  assert len({frozenset(found) for found in names}) == 1
  assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1


@pytest.mark.slow
def test_many_steps_and_the_streamed_path_agree(images, whole, tmp_path):
  assert max(disagreement(images, whole[1], whole[2], LONGER).values()) < TOLERANCE
  streamed = LONGER | {"data.device_memory_gib": 0.0}
  run(2, images, tmp_path / "two", streamed)
  found = disagreement(images, whole[1], tmp_path / "two", LONGER)
  assert max(found.values()) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_signal_to_one_process_saves_and_stops_all(images, whole, tmp_path, number):
  workdir = tmp_path / "run"
  with Started(2, images, workdir, LONGER) as started:
    started.reach(20 + 7 * number)
    started.processes[number].send_signal(signal.SIGTERM)
    assert started.codes() == [143, 143], started.said()
    said = started.said()
  assert "is saved; the same command continues" in said[0]
  assert "Traceback" not in "".join(said)
  assert not (workdir / "report.json").exists(), "it ended before the signal"
  assert "resuming from step" in run(2, images, workdir, LONGER)[0]
  assert_same_bytes(images, whole[2], workdir, LONGER)


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_when_one_process_is_killed_the_other_says_so(images, whole, tmp_path, number):
  workdir = tmp_path / "run"
  with Started(2, images, workdir, LONGER) as started:
    started.reach(30)
    started.processes[number].kill()
    killed = time.monotonic()
    codes = started.codes()
    seconds = time.monotonic() - killed
    said = started.said()[1 - number]
  print(f"process {number} killed: the other ended after {seconds:.2f} s")
  assert codes[number] == -signal.SIGKILL and codes[1 - number] == 1, said
  assert seconds < 60
  assert "error: another process of this run has died" in said
  assert "Traceback" not in said
  run(2, images, workdir, LONGER)
  assert_same_bytes(images, whole[2], workdir, LONGER)


@pytest.mark.slow
@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_run_continues_with_another_number(images, whole, tmp_path, before, after):
  workdir = tmp_path / "run"
  with Started(before, images, workdir, LONGER) as started:
    started.reach(40)
    started.processes[0].send_signal(signal.SIGTERM)
    assert started.codes() == [143] * before, started.said()
  said = run(after, images, workdir, LONGER)[0]
  flat = " ".join(said.split())
  assert f"processes: {before} there, {after} here" in flat
  found = disagreement(images, whole[after], workdir, LONGER)
  assert max(found.values()) < TOLERANCE


@pytest.mark.slow
def test_a_mistake_ends_all_with_one_sentence(images, tmp_path):
  for changes, of_one, sentence in (
    ({"model.attention": "sE"}, [], "did you mean 'se'"),
    ({"batch_size": 9}, [], "a batch of 9 cannot be split over 2 devices"),
    ({}, ["--config.seed=7"], "process 1 has another config or other images"),
    ({}, ["--config.sead=7"], "the config has no key 'sead'"),
    ({"data.source": "nowhere"}, [], "no such file or folder"),
  ):
    with Started(2, images, tmp_path / "run", changes, of_one=of_one) as started:
      begun = time.monotonic()
      assert started.codes() == [2, 2], started.said()
      print(f"{sentence}: {time.monotonic() - begun:.1f} s")
      both = "".join(started.said())
    assert both.count("error: ") == 1 and sentence in both, both
    assert "Traceback" not in both


@pytest.mark.slow
def test_a_folder_that_is_in_use_ends_all(images, tmp_path):
  (tmp_path / "run").mkdir()
  with (  # only the first process asks for the folder: the other one hears of it
    atomic.lock(tmp_path / "run" / "log.txt", "", wait=False),
    Started(2, images, tmp_path / "run") as started,
  ):
    assert started.codes() == [2, 2], started.said()
    assert "another process is at work" in started.said()[0]
    assert "error" not in started.said()[1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_death_is_noticed_by_one_that_waits(tmp_path, number):
  code = (
    "import sys, time\n"
    "from histojax import startup\n"
    "with startup.joined():\n"
    "  print('joined', flush=True)\n"
    "  time.sleep(300)\n"
  )
  with Started(2, "", tmp_path / "run", command=[sys.executable, "-c", code]) as pair:
    while any("joined" not in said for said in pair.said()):
      time.sleep(0.1)
    pair.processes[number].kill()
    killed = time.monotonic()
    codes = pair.codes()
    print(f"process {number} killed: {time.monotonic() - killed:.1f} s")
  assert codes[1 - number] == 1 and time.monotonic() - killed < 60
  assert "error: another process of this run has died" in pair.said()[1 - number]


def test_a_port_in_use_is_one_sentence():
  with socket.socket() as taken:
    taken.bind(("", 0))
    taken.listen()
    place = {
      "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{taken.getsockname()[1]}",
      "JAX_NUM_PROCESSES": "2",
      "JAX_PROCESS_ID": "0",
    }
    result = subprocess.run(
      [sys.executable, str(ROOT / "launch.py"), f"--config={CONFIG}"],
      env=os.environ | place,
      capture_output=True,
      text=True,
      timeout=120,
    )
  assert result.returncode == 2, result.stderr
  assert "error: process 0 cannot join: " in result.stderr
  assert "Traceback" not in result.stderr


def test_a_place_given_in_part_is_one_sentence(tmp_path):
  for given in ("JAX_COORDINATOR_ADDRESS", "JAX_PROCESS_ID"):
    result = subprocess.run(
      [sys.executable, str(ROOT / "launch.py"), f"--config={CONFIG}"],
      env=os.environ | {given: "1"},
      capture_output=True,
      text=True,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: of the processes of this run, ")
    assert len(result.stderr.splitlines()) == 1
