"""Twenty kills and twenty SIGTERMs at random times of a run: minutes; on demand."""

import random
import re
import signal
import time

import pytest
from kills import STEPS, Run, interrupt, metric_rows
from test_experiment import images  # noqa: F401, a fixture
from test_kills import check, whole  # noqa: F401, a fixture

pytestmark = pytest.mark.slow
SEED = 20


@pytest.fixture(scope="module")
def life(images, whole, tmp_path_factory):  # noqa: F811
  """Seconds from the command to the end, compilation included."""
  run = Run(images, tmp_path_factory.mktemp("life"), cold=True)
  began = time.monotonic()
  run.finish()
  seconds = time.monotonic() - began
  check(run, whole)
  print(f"\na run takes {seconds:.1f} s")
  return seconds


def kill(run, rng, life):
  when = rng.uniform(0, life)
  happened = interrupt(run, run.start(), signal.SIGKILL, lambda: True, delay=when)
  print(f"\nSIGKILL {happened['phase']} after {when:.2f} s: ", end="")


@pytest.mark.parametrize("number", range(20))
def test_a_kill_at_a_random_time(number, life, whole, images, tmp_path):  # noqa: F811
  run = Run(images, tmp_path, cold=True)
  kill(run, random.Random(f"{SEED} {number}"), life)
  run.finish()
  check(run, whole)
  print("identical")


@pytest.mark.parametrize("number", range(5))
def test_a_continued_run_that_is_killed(number, life, whole, images, tmp_path):  # noqa: F811
  run, rng = Run(images, tmp_path, cold=True), random.Random(f"{SEED} twice {number}")
  kill(run, rng, life)
  kill(run, rng, life)
  run.finish()
  check(run, whole)
  print("identical")


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("phase", ["compiling", "evaluating"])
def test_sigterm_saves(phase, number, whole, images, tmp_path):  # noqa: F811
  run = Run(images, tmp_path, cold=True)  # evaluation, too, begins with compilation
  rng, process = random.Random(f"{SEED} {phase} {number}"), run.start()
  delay = rng.uniform(0, 3 if phase == "compiling" else 1)
  ready = lambda: run.phase() == phase  # noqa: E731
  happened = interrupt(run, process, signal.SIGTERM, ready, delay)
  saved = re.findall(rf"SIGTERM: step (\d+) of {STEPS} is saved", run.said())
  print(f"\nSIGTERM {happened}, saved {saved}: ", end="")
  assert happened["code"] == 143 and len(saved) == 1, run.said()
  assert "Traceback" not in run.said()
  assert (run.workdir / "checkpoints" / "last" / saved[0]).is_dir()
  newest = [row["step"] for row in metric_rows(run.workdir) if "loss" in row]
  assert newest == list(range(1, int(saved[0]) + 1))
  run.finish()
  check(run, whole)
  print("identical")
