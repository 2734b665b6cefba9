"""A study as a job array of a real Slurm: left, taken up, requeued, cancelled."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from test_execute import GRID, SMALL, TINY, home, launch, same_bytes, table  # noqa: F401
from test_folds import images  # noqa: F401, a fixture

PROGRAMS = "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "sbatch"
SCRIPT = ROOT / "tests" / "studies" / "one_node_slurm.sh"
LONG = {"epochs": 60}  # 180 steps: room for a signal in their midst
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
  path = os.environ["PATH"] + ":/usr/sbin"
  lacking = [name for name in PROGRAMS if not shutil.which(name, path=path)]
  if lacking or os.getuid():
    pytest.skip(f"needs root and a Slurm to start: {', '.join(lacking) or 'not root'}")
  folder = tmp_path_factory.mktemp("slurm")
  try:
    subprocess.run([SCRIPT, "start", folder], check=True, timeout=180)
    with pytest.MonkeyPatch.context() as patch:
      patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
      yield folder
  finally:
    subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)


def ask(*command) -> str:
  return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Study:
  """`--mode=ablate --slurm=...` in a process of its own, and what it has said."""

  def __init__(self, images, folder):  # noqa: F811
    values = SMALL | TINY | LONG | {"data.source": images}
    self.folder, self.said = folder, folder.with_name(f"{folder.name}.txt")
    self.command = [
      sys.executable, str(ROOT / "launch.py"), "--mode=ablate",
      f"--config={ROOT / 'configs' / 'folder.py'}:quick", f"--workdir={folder}",
      "--slurm=partition=test,time=20min,cpus=1", f"--config.study.grid={GRID}",
      *(f"--config.{k}={v}" for k, v in values.items()),
    ]  # fmt: skip

  def stop(self) -> None:
    if self.process.poll() is None:
      self.process.kill()

  def start(self) -> None:
    with self.said.open("w") as said:
      self.process = subprocess.Popen(
        self.command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
      )

  def until(self, ready, seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not ready():
      assert self.process.poll() is None and time.monotonic() < end, self.words()
      time.sleep(0.2)

  def end(self) -> int:
    return self.process.wait(timeout=1800)

  def words(self) -> str:
    return self.said.read_text()

  def steps(self, member: str) -> int:
    metrics = self.folder / "members" / member / "fold0" / "metrics.jsonl"
    return len(metrics.read_text().splitlines()) if metrics.exists() else 0


@pytest.fixture
def study(cluster, images, home):  # noqa: F811
  study = Study(images, home / "slurm")
  yield study
  study.stop()


def test_jobs_are_left_requeued_and_cancelled_and_the_bytes_are_the_same(
  study,
  images,  # noqa: F811
  home,  # noqa: F811
):
  study.start()
  study.until(lambda: "submitted 4 members as job" in study.words())
  study.until(lambda: "Slurm: " in study.words())
  study.process.send_signal(signal.SIGINT)  # leaves them
  assert study.end() == 128 + signal.SIGINT
  assert "4 jobs of Slurm stay queued or running" in study.words()
  array = study.words().split("as job ")[1].split()[0]
  assert len(ask("squeue", "-h", "-r", "-j", array).splitlines()) == 4

  study.start()  # the same command waits for the same jobs
  study.until(lambda: "4 members queued or running already" in study.words())
  assert "submitted" not in study.words()
  study.until(lambda: study.steps("none/seed0") > 5)
  ask("scontrol", "requeue", f"{array}_0")  # as an administrator does: SIGTERM
  study.until(lambda: study.steps("none/seed1") > 5)
  turn = subprocess.run(  # as a time limit does; the job may end before it answers
    ["scancel", "--signal=USR2", f"{array}_1"], capture_output=True, text=True
  )
  print(turn)
  study.until(lambda: study.steps("se/seed1") > 5)
  ask("scancel", f"{array}_3")
  assert study.end() == 1, study.words()
  assert "1 of 4 members failed" in study.words()
  lost = study.folder / "members" / "se" / "seed1" / "fold0" / "failed.json"
  told = json.loads(lost.read_text())["error"]
  assert f"Slurm ended its job {array}_3: CANCELLED" in told, told
  print("\n" + sacct())
  resumed = [
    json.loads((study.folder / "members/none" / path / "report.json").read_text())
    for path in ("seed0/fold0", "seed1/fold0")
  ]
  assert all(r["training"]["resumed_from_step"] > 0 for r in resumed)
  states = sacct().splitlines()
  assert sum("REQUEUED" in line for line in states) == 2

  study.start()  # submits the cancelled one alone
  assert study.end() == 0, study.words()
  assert "submitted 1 member as job" in study.words()
  print(sacct())
  study.start()
  assert study.end() == 0 and "submitted" not in study.words()

  whole = launch(images, home / "whole", GRID, **LONG)
  assert whole.returncode == 0, whole.stderr
  same_bytes(home / "whole", study.folder, images)
  assert table(home / "whole") == table(study.folder)


def sacct() -> str:
  """Every turn of every job, the requeued ones too."""
  columns = "JobID%-8,State%-22,ExitCode,Start,End,Elapsed"
  return ask("sacct", "-X", "-D", "-o", columns)
