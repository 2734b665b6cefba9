"""Kills and signals at any moment: the same command again ends in the same bytes."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT
from kills import STEPS, Run, interrupt, metric_rows
from test_experiment import images  # noqa: F401, a fixture

from histojax import atomic
from histojax.errors import InputError

SEED = 20
# right before which file operation of a run a signal comes: (pattern, the how-many-eth)
MOMENTS = {
  "building": (r"os.rename .*/incomplete", 1),
  "decoding": (r"open .*/tiles.json w", 1),
  "beginning": (r"os.rename .*/config.json", 1),
  "compiling": (r"os.rename .*jit_train_step.*-cache", 1),
  "logging": (r"open .*/metrics.jsonl a", 30),
  "choosing": (r"os.rename .*/best/8.orbax-checkpoint-tmp .*/best/8$", 1),
  "saving": (r"os.rename .*/last/24.orbax-checkpoint-tmp .*/last/24$", 1),
  "deleting": (r"os.remove _METADATA", 2),
  "deleting the last": (r"os.rmdir .*/last/72", 1),
  "predictions": (r"os.rename .*/predictions_views.csv", 1),
  "drawing": (r"os.rename .*/curves.png", 1),
  "page": (r"os.rename .*/report.html", 1),
  "report": (r"os.rename .*/report.json", 1),
}


def at(moment: str) -> tuple[str, str]:
  pattern, occurrence = MOMENTS[moment]
  return pattern, str(occurrence)


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory):  # noqa: F811
  """One run that was never stopped; its cache serves to read the states of all."""
  run = Run(images, tmp_path_factory.mktemp("whole"))
  run.finish()
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(run.cache))
    yield run


@pytest.fixture
def run(images, tmp_path):  # noqa: F811
  return Run(images, tmp_path)


def check(run, whole):
  """The run ended as the whole one did, and left what that one left."""
  expected, found = whole.result(), run.result()
  assert [k for k in expected if found[k] != expected[k]] == []
  assert sorted(run.files() ^ whole.files()) == []
  assert run.torn() == []


@pytest.mark.full
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(run, whole):
  for moment in ("building", "decoding", "saving", "page"):
    assert run.until("SIGKILL", *at(moment)) == -signal.SIGKILL, run.said()
  run.finish()
  check(run, whole)


@pytest.mark.full
def test_a_stopped_run_is_saved_and_ends_in_the_same_bytes(run, whole):
  code = run.until("SIGTERM", r"os.mkdir .*/last/24.orbax-checkpoint-tmp", "1")
  assert code == 143, run.said()
  step = metric_rows(run.workdir)[-1]["step"]
  assert f"SIGTERM: step {step} of {STEPS} is saved" in run.said()
  assert (run.workdir / "checkpoints" / "last" / str(step)).is_dir()
  process = run.start()
  ready = lambda: (metric_rows(run.workdir) or [{"step": 0}])[-1]["step"] > 40  # noqa: E731
  assert interrupt(run, process, signal.SIGINT, ready)["code"] == 130, run.said()
  assert not (run.workdir / "report.json").exists(), "the run ended before the signal"
  assert "Traceback" not in run.said()
  run.finish()
  check(run, whole)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_amid_the_data_is_one_line_and_leaves_nothing(signum, run):
  assert run.until(signum.name, *at("building")) == 128 + signum, run.said()
  said = [line for line in run.said().splitlines() if not line.startswith("histojax ")]
  assert said == [f"{signum.name}: stopped; the same command goes on from here"]
  left = [f for f in run.files() if not f.startswith("histojax/locks")]
  assert set(left) <= {"histojax/tfds", "histojax/tiles"}  # empty


def test_a_stop_amid_the_imports_is_one_line():
  # sent by the import of a module that launch.py needs, before any of its functions run
  program = (
    "import os, runpy, signal, sys\n"
    "class Finder:\n"
    "  def find_spec(self, name, *_):\n"
    "    if name == 'absl.app':\n"
    "      os.kill(os.getpid(), signal.SIGTERM)\n"
    "sys.meta_path.insert(0, Finder())\n"
    "sys.argv = ['launch.py', '--config=configs/folder.py']\n"
    "runpy.run_path('launch.py', run_name='__main__')\n"
  )
  command = [sys.executable, "-c", program]
  done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
  assert done.returncode == 143
  assert done.stderr == "SIGTERM: stopped; the same command goes on from here\n"


def test_two_processes_do_not_share_a_run_folder(run):
  run.workdir.mkdir()
  busy = "another process is at work in"
  with atomic.lock(run.workdir / "log.txt", busy, wait=False):
    assert run.until() == 2
    with pytest.raises(InputError, match=busy):
      with atomic.lock(run.workdir / "log.txt", busy, wait=False):
        pass
  assert f"error: {busy} {run.workdir}: wait for it, or stop it" in run.said()
  assert [path.name for path in run.workdir.iterdir()] == ["log.txt"]


def test_what_a_killed_process_was_writing_is_cleared_and_what_lives_is_not(tmp_path):
  dead = subprocess.Popen([sys.executable, "-c", ""])
  dead.wait()
  torn, fresh = (tmp_path / f".a.json.{pid}.tmp" for pid in (dead.pid, os.getppid()))
  for path in (torn, fresh, tmp_path / "a.json", tmp_path / ".a.tmp"):
    path.write_text("{")
  atomic.clear(tmp_path)
  assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
    [".a.tmp", fresh.name, "a.json"]
  )


def test_a_full_disk_leaves_no_torn_entry_of_the_compilation_cache(tmp_path):
  program = (
    "import resource, signal, jax\n"
    "from histojax import compilation\n"
    "compilation.keep_whole()\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    "jax.jit(lambda x: x * 2)(1.0)\n"
  )
  environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(tmp_path)}
  command = [sys.executable, "-c", program]
  done = subprocess.run(
    command, capture_output=True, text=True, cwd=ROOT, env=environment
  )
  assert done.returncode == 0, done.stderr
  assert "File too large" in done.stderr, "nothing was cut short"
  assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_each_moment(moment, images, tmp_path, whole):  # noqa: F811
  run = Run(images, tmp_path, cold=moment == "compiling")
  assert run.until("SIGKILL", *at(moment)) == -signal.SIGKILL, run.said()
  print(f"\nkilled at {moment}: ", end="")
  run.finish()
  check(run, whole)
  print("identical")


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_sigterm_at_each_moment(moment, images, tmp_path, whole):  # noqa: F811
  run = Run(images, tmp_path, cold=moment == "compiling")
  assert run.until("SIGTERM", *at(moment)) == 143, run.said()
  told = [line for line in run.said().splitlines() if line.startswith("SIGTERM: ")]
  assert len(told) == 1 and "Traceback" not in run.said(), run.said()
  print(f"\nSIGTERM at {moment}: {told[0]}: ", end="")
  run.finish()
  check(run, whole)
  print("identical")
