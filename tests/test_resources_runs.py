"""Whole runs on a machine that fails them: full, read-only, vanished, too small.

Each ends in one sentence; when the cause is gone the same command ends in the bytes of
a run that was never disturbed.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from namespace import Namespace
from test_experiment import as_flags
from test_resources import told

pytestmark = pytest.mark.slow

OUTPUTS = ("predictions.csv", "predictions_views.csv", "metrics.jsonl", "split.json")
PIPED = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
  from PIL import Image

  root = tmp_path_factory.mktemp("images")
  for k, name in enumerate("abc"):
    (root / name).mkdir()
    for i in range(12):
      pixels = np.random.default_rng([k, i]).integers(0, 200, (40, 40, 3), np.uint8)
      pixels[:: k + 2, :, :] //= 4
      Image.fromarray(pixels).save(root / name / f"{i}.png")
  return root


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):
  """An undisturbed run; the cache is where all runs of this file find theirs."""
  folder = tmp_path_factory.mktemp("whole")
  os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
  subprocess.run(as_flags(images, folder / "run"), check=True, capture_output=True)
  yield folder / "run"
  del os.environ["XDG_CACHE_HOME"]


@pytest.fixture
def namespace():
  with Namespace() as found:
    yield found


def launch(command, **options):
  result = subprocess.run(command, **PIPED, **options)
  return result.stdout, result.returncode


def assert_same(run: Path, whole: Path) -> None:
  for name in OUTPUTS:
    assert (run / name).read_bytes() == (whole / name).read_bytes(), name
  assert (run / "report.html").exists()
  assert not [p for p in run.rglob("*") if "tmp" in p.name]


# from the first JSON to the last figure: what is refused is written at another moment
@pytest.mark.parametrize("kib", [4, 12, 40, 600, 1200, 2000, 2800, 3400, 3600])
def test_a_full_disk_at_any_moment(namespace, images, whole, tmp_path, kib):
  run = tmp_path / "run"
  namespace.mount(run, f"size={kib}k")
  command = as_flags(images, run)
  output, code = namespace.run(*command)
  sentence = told(output) if code else ""
  print(f"{kib} KiB: {sentence}")
  assert (code, "no space left on device" in sentence) in ((2, True), (0, False)), (
    output
  )
  if code:
    assert str(run) in sentence
    assert not (namespace.seen(run) / "report.json").exists()
    output, code = namespace.run(*command)  # still full: told again, nothing lost
    assert code == 2 and told(output), output
  namespace.remount(run, "size=64m")
  output, code = namespace.run(*command)
  assert code == 0, output
  assert_same(namespace.seen(run), whole)


def test_a_full_disk_while_the_report_is_written(namespace, images, whole, tmp_path):
  run = tmp_path / "run"
  namespace.mount(run, "size=64m")
  namespace.run("cp", "-a", f"{whole}/.", run)
  wanted = ("report.json", "report.html", "predictions.csv", "predictions_views.csv")
  namespace.run("rm", "-r", run / "figures", *(run / name for name in wanted))
  free = os.statvfs(namespace.seen(run)).f_bavail * 4096
  moments = set()
  for room in (0, 12_288, 40_960, 81_920, 122_880, 163_840, 204_800):
    fill = run / "filler"
    namespace.run("fallocate", "-l", free - room, fill)
    output, code = namespace.run(*as_flags(images, run))
    assert code == 2, output
    moments.add(told(output).split(":")[1].strip().removeprefix(f"{run}/"))
    assert not (namespace.seen(run) / "report.json").exists()
    namespace.run("rm", fill)
    namespace.run("rm", "-rf", run / "figures", *(run / name for name in wanted))
  print("refused:", *sorted(moments))
  assert len(moments) >= 3
  output, code = namespace.run(*as_flags(images, run))
  assert code == 0, output
  assert_same(namespace.seen(run), whole)


def test_a_read_only_run_folder(namespace, images, whole, tmp_path):
  run = tmp_path / "run"
  run.mkdir()
  namespace.protect(run)
  for command in (as_flags(images, run), as_flags(images, run / "below")):
    output, code = namespace.run(*command)
    assert code == 2 and "ead-only file system" in output, output
    assert "Traceback" not in output
  assert not list(run.iterdir())
  shutil.copytree(whole, run, dirs_exist_ok=True)  # from outside it can be written
  (run / "report.json").unlink()
  before = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
  output, code = namespace.run(*as_flags(images, run))
  assert code == 2 and "ead-only file system" in output, output
  assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == before
  output, code = launch(as_flags(images, run))
  assert code == 0, output
  assert_same(run, whole)


def test_a_read_only_cache(namespace, images, whole, tmp_path):
  """What is in it serves; what would have to be written is refused in a sentence."""
  cache = Path(os.environ["XDG_CACHE_HOME"])
  compiled = tmp_path / "compiled"
  compiled.mkdir()
  for folder in (cache, compiled):
    namespace.protect(folder)
  elsewhere = ("env", f"JAX_COMPILATION_CACHE_DIR={compiled}")
  output, code = namespace.run(*elsewhere, *as_flags(images, tmp_path / "run"))
  assert code == 0, output
  assert output.count("no write access to") == 1
  assert "persistent compilation cache" not in output
  assert_same(tmp_path / "run", whole)
  command = as_flags(images, tmp_path / "new", **{"augment.size": 48})
  output, code = namespace.run(*command)
  assert code == 2 and f"{cache}/histojax: read-only file system" in told(output)
  assert not (tmp_path / "new").exists()


LONG = {"epochs": 60, "log_every": 1, "evaluate_every": 6}


@pytest.fixture(scope="module")
def long(images, whole, tmp_path_factory):
  """An undisturbed run of more steps, to vanish things under."""
  run = tmp_path_factory.mktemp("long") / "run"
  subprocess.run(as_flags(images, run, **LONG), check=True, capture_output=True)
  return run


def under_way(command, run: Path) -> subprocess.Popen:
  """Starts a run and returns it in mid-training."""
  process = subprocess.Popen(command, **PIPED)
  while process.poll() is None:
    if (run / "metrics.jsonl").exists() and (run / "checkpoints/last").exists():
      if any(p.name.isdecimal() for p in (run / "checkpoints/last").iterdir()):
        return process
    time.sleep(0.01)
  raise AssertionError(process.communicate()[0])


@pytest.mark.parametrize("gib", [2.0, 0.0], ids=["resident", "streamed"])
def test_images_and_cache_that_vanish_in_mid_run(images, long, tmp_path, gib):
  """Neither is needed any more; a resume names the images, and builds the cache."""
  own, run = tmp_path / "images", tmp_path / "run"
  shutil.copytree(images, own)
  cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
  command = as_flags(own, run, **LONG, **{"data.device_memory_gib": gib})
  command = ["env", *(f"{k}={v}" for k, v in cache.items()), *command]
  process = under_way(command, run)
  shutil.rmtree(tmp_path / "cache" / "histojax" / "tiles")
  own.rename(tmp_path / "away")
  output = process.communicate(timeout=200)[0]
  assert process.returncode == 0, output
  assert (run / "predictions.csv").read_bytes() == (
    long / "predictions.csv"
  ).read_bytes()
  (run / "report.json").unlink()
  output, code = launch(command)
  assert code == 2 and f"no such file or folder: {own}" in output, output
  (tmp_path / "away").rename(own)
  output, code = launch(command)  # the cache is built again
  assert code == 0, output
  assert (run / "predictions.csv").read_bytes() == (
    long / "predictions.csv"
  ).read_bytes()


def test_images_that_vanish_while_they_are_read(tmp_path):
  from PIL import Image

  source, cache = tmp_path / "images", tmp_path / "cache"
  pixels = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
  for i in range(1_500):
    (source / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(source / "ab"[i % 2] / f"{i}.bmp")
  command = [*as_flags(source, tmp_path / "run"), "--mode=prepare"]
  environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
  process = subprocess.Popen(command, env=environment, **PIPED)
  while not list((cache / "histojax" / "tfds").glob("*/folder/incomplete*")):
    assert process.poll() is None, process.communicate()[0]
    time.sleep(0.001)
  source.rename(tmp_path / "away")
  output = process.communicate(timeout=100)[0]
  assert process.returncode == 2 and "Traceback" not in output, output
  assert f"error: cannot read {source}" in output and "o such file" in output
  (tmp_path / "away").rename(source)
  output, code = launch(command, env=environment)
  assert code == 0 and "1,500 images" in output, output


def test_a_run_folder_that_vanishes_in_mid_run(images, long, tmp_path):
  run = tmp_path / "run"
  command = as_flags(images, run, **LONG)
  process = under_way(command, run)
  run.rename(tmp_path / "away")
  output = process.communicate(timeout=100)[0]
  assert process.returncode == 2, output
  assert str(run) in told(output) and "put it back" in told(output)
  shutil.rmtree(run, ignore_errors=True)
  (tmp_path / "away").rename(run)
  output, code = launch(command)
  assert code == 0, output
  assert_same(run, long)


def many(root: Path) -> Path:
  """600 small pictures, whose tiles are then kept at 2 MB each."""
  from PIL import Image

  for i in range(600):
    (root / "abc"[i % 3]).mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(i).integers(0, 255, (24, 24, 3), np.uint8)
    Image.fromarray(pixels).save(root / "abc"[i % 3] / f"{i}.png")
  return root


def test_little_memory_streams_the_same_bytes(tmp_path):
  """A real limit on the memory of the process: less than twice the set is free."""
  source = many(tmp_path / "images")
  wide = {"augment.size": 32, "epochs": 1, "data.device_memory_gib": 8.0}
  environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
  prepared = launch([*as_flags(source, "", **wide), "--mode=prepare"], env=environment)
  assert prepared[1] == 0, prepared[0]
  widen(*(tmp_path / "cache" / "histojax" / "tiles").iterdir(), 850)
  outputs = {}
  for name, limit in (("whole", None), ("limited", 2400 * 2**20)):
    command = as_flags(source, tmp_path / name, **wide)
    if limit:
      command = ["prlimit", f"--data={limit}", *command]
    outputs[name], code = launch(command, env=environment)
    assert code == 0, outputs[name]
  assert "streamed" not in outputs["whole"]
  assert "of memory free: streamed from disk" in outputs["limited"]
  assert_same(tmp_path / "limited", tmp_path / "whole")


def widen(folder: Path, side: int) -> None:
  """The same tiles with more padding, a hole in the file, under a new seal."""
  from histojax import atomic
  from histojax.data import cache

  small = np.load(folder / "tiles.npy")
  shape = (len(small), side, side, 3)
  large = np.lib.format.open_memmap(folder / "tiles.npy", "w+", np.uint8, shape)
  large[:, : small.shape[1], : small.shape[2]] = small
  large.flush()
  atomic.write(folder / cache.SEAL, json.dumps(cache._sums(folder)).encode())


def test_a_step_without_memory_names_what_to_lower(images, whole, tmp_path):
  command = as_flags(images, tmp_path / "run", **{"augment.size": 2048})
  output, code = launch(["prlimit", f"--data={2400 * 2**20}", *command])
  assert code == 2 and "Traceback" not in output, output
  assert "error: out of memory: lower batch_size" in output


def test_without_shared_memory(namespace, images, whole, tmp_path):
  """Nobody can write /dev/shm: neither the resident nor the streaming path cares."""
  namespace.mount(Path("/dev/shm"), "ro")
  for gib in (2.0, 0.0):
    run = tmp_path / f"run{gib}"
    command = as_flags(images, run, **{"data.device_memory_gib": gib})
    output, code = namespace.run(*command)
    assert code == 0, output
    assert_same(run, whole)
