"""Members as jobs: what is asked of Slurm, signals, failures; and submitit's own
executor on this machine. A real Slurm: test_slurm_cluster.py."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import submitit
from test_execute import asked, differing, home, member  # noqa: F401
from test_folds import images  # noqa: F401, a fixture

from histojax import runs, startup
from histojax.errors import InputError
from histojax.evaluation import baselines
from histojax.studies import execute, slurm, slurm_options
from histojax.studies.slurm_task import Task

TREES = baselines.TREES  # jobs know nothing of what `home` makes of them


@pytest.mark.parametrize(
  ("text", "minutes"),
  [
    ("90", 90), ("90min", 90), ("4h", 240), ("2d", 2880), ("4:00:00", 240),
    ("30:00", 30), ("1-12", 2160), ("1-12:30", 2190), ("1-0:0:0", 1440),
  ],
)  # fmt: skip
def test_times_are_those_of_sbatch(text, minutes):
  assert slurm_options.minutes(text) == minutes


def test_what_sbatch_is_told(tmp_path, monkeypatch):
  monkeypatch.setattr(submitit.SlurmExecutor, "affinity", lambda *_: 2)
  options = slurm_options.read(
    "partition=gpu,time=4h,gpus=1,cpus=8,mem=32G,constraint=a100&ib,exclude=n1,n2,"
    "nodes=2,at_once=3"
  )
  folder = runs.StudyFolder(tmp_path / "ablate_x")
  executor = slurm.Slurm(folder, options).executor
  text = executor._make_submission_file_text("command", "")
  name = f"ablate_x-{slurm.Slurm(folder, options).name[-6:]}"
  for line in (
    "--partition=gpu", "--time=240", "--gpus-per-node=1", "--cpus-per-task=8",
    "--mem=32G", "--constraint='a100&ib'", "--exclude=n1,n2", "--nodes=2",
    "--signal=USR2@300", "--open-mode=append", f"--job-name={name}",
  ):  # fmt: skip
    assert f"#SBATCH {line}\n" in text
  assert executor.parameters["array_parallelism"] == 3
  assert "--cpus-per-task=8 command" in text  # of srun


@pytest.mark.parametrize(
  ("text", "sentence"),
  [
    ("gpu", "'gpu' is no key=value; say, --slurm=partition=gpu,time=4h,gpus=1"),
    ("partion=gpu", "no key 'partion'; did you mean 'partition'"),
    ("gpus=one", "gpus=one: expected a whole number from 1"),
    ("time=4 hours", "time=4 hours: expected 90min, 4h"),
    ("time=0", "time=0: expected"),
    ("time=2", "time=2: give a job at least 5 minutes"),
    ("gpus=", "'gpus=' is no key=value"),
  ],
)
def test_mistakes_are_one_sentence(text, sentence):
  with pytest.raises(InputError, match=f"^--slurm: .*{sentence}"):
    slurm_options.read(text)


def test_without_submitit_or_slurm(monkeypatch):
  monkeypatch.setattr(submitit.SlurmExecutor, "affinity", lambda *_: -1)
  with pytest.raises(InputError, match="there is no srun here"):
    slurm.check()
  monkeypatch.setitem(sys.modules, "submitit", None)
  with pytest.raises(InputError, match="pip install submitit==1.5.4"):
    slurm.check()


def test_a_job_finds_its_own_surroundings(monkeypatch):
  """Neither this machine's compilation cache nor the job this program may run in."""
  mine = startup.settings()["JAX_COMPILATION_CACHE_DIR"]
  monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", mine)
  monkeypatch.setenv("SLURM_JOB_ID", "7")
  monkeypatch.setenv("SLURM_CONF", "/etc/here")
  before = dict(os.environ)
  with slurm._surroundings():
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    assert "SLURM_JOB_ID" not in os.environ
    assert os.environ["SLURM_CONF"] == "/etc/here"
    assert str(slurm.ROOT) in os.environ["PYTHONPATH"].split(os.pathsep)
  assert dict(os.environ) == before
  monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/the/users/own")
  with slurm._surroundings():
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/the/users/own"


SAVES = """
import pathlib, signal, sys, time
assert signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, [])
file = pathlib.Path(sys.argv[1])
if file.exists():
  file.write_text("continued")
else:
  signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
  file.write_text("begun")
  time.sleep(50)
"""


def job(folder: Path, program: str, *arguments: str, **parameters):
  task = Task([sys.executable, "-c", program, *arguments], str(folder), folder)
  executor = submitit.LocalExecutor(folder / "jobs")
  executor.update_parameters(**parameters)
  with slurm._surroundings():
    return executor.submit_array([task])[0]


def test_a_job_whose_time_is_up_saves_and_is_queued_again(tmp_path):
  file = tmp_path / "state"
  begun = job(tmp_path, SAVES, str(file), timeout_min=1, signal_delay_s=58)
  begun.wait()  # SIGUSR2 comes after two seconds, to submitit's process alone
  assert file.read_text() == "continued" and begun.exception() is None
  assert not (tmp_path / "failed.json").exists()


def test_a_cancelled_job_saves_and_ends(tmp_path):
  file = tmp_path / "state"
  begun = job(tmp_path, SAVES, str(file))
  while not file.exists():
    time.sleep(0.05)
  begun._process.send_signal(signal.SIGTERM)
  begun.wait()
  assert file.read_text() == "begun"
  assert not begun.paths.result_pickle.exists()
  assert not (tmp_path / "failed.json").exists()


@pytest.mark.parametrize(
  ("program", "sentence"),
  [
    ("sys.exit('note\\nerror: the loss is nan\\nbye')", "the loss is nan"),
    ("1 / 0", "ended with code 1: ZeroDivisionError: division by zero"),
    ("os.kill(os.getpid(), 9)", "killed, as where a job's memory runs out: more of"),
  ],
)
def test_a_member_that_fails_leaves_its_sentence(tmp_path, program, sentence):
  task = Task([sys.executable, "-c", f"import os, sys; {program}"], "/", tmp_path)
  old = {s: signal.getsignal(s) for s in (signal.SIGUSR2, signal.SIGTERM)}
  try:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as caught:
      patch.setenv("SUBMITIT_EXECUTOR", "local")
      task()
  finally:
    for signum, handler in old.items():
      signal.signal(signum, handler)
  assert caught.value.code
  told = json.loads((tmp_path / "failed.json").read_text())["error"]
  assert told.startswith(sentence)


class Local(submitit.LocalExecutor):
  """In the place of `slurm.Slurm` and its executor: every job at once, here."""

  def __init__(self, folder, _):
    super().__init__(folder.slurm)
    self.update_parameters(timeout_min=20)
    self.executor, self.jobs = self, []

  def submit_array(self, tasks):
    self.jobs += super().submit_array(tasks)
    return self.jobs

  def queue(self):
    return {job.job_id: "RUNNING" for job in self.jobs if not job.done()}

  def end(self, job):
    return f"FAILED, says {job}"


@pytest.mark.full
def test_a_study_of_jobs_is_that_of_one_process(images, home, monkeypatch, capsys):  # noqa: F811
  monkeypatch.setattr(slurm, "check", lambda: None)
  monkeypatch.setattr(slurm, "Slurm", Local)
  monkeypatch.setattr("histojax.studies.slurm_wait.LOOKS", (0.5, 0.5))
  monkeypatch.setattr(baselines, "TREES", TREES)
  text = "seed=0,1;split.fold=0"
  ours, theirs = (asked(images, home / name) for name in ("jobs", "inside"))
  execute.run(ours, text, jobs="time=10min")
  said = capsys.readouterr().out
  assert "submitted 2 members as job" in said and "Slurm: 2 running" in said
  execute.run(theirs, text)
  for seed in ("seed0", "seed1"):
    a, b = (home / w / "members/base" / seed / "fold0" for w in ("jobs", "inside"))
    assert differing(member(ours, a), member(theirs, b)) == []
  execute.run(ours, text, jobs="time=10min")  # nothing is due
  assert "submitted" not in capsys.readouterr().out


def test_a_job_that_slurm_ends_is_written_down(images, home, monkeypatch, capsys):  # noqa: F811
  """Its program is none, so that nothing of the member is begun."""
  monkeypatch.setattr(slurm, "check", lambda: None)
  monkeypatch.setattr(slurm, "Slurm", Local)
  monkeypatch.setattr(slurm, "_command", lambda _: [sys.executable, "-c", KILLED])
  monkeypatch.setattr("histojax.studies.slurm_wait.LOOKS", (0.1, 0.1))
  monkeypatch.setattr("histojax.studies.table.write", lambda *_: None)
  monkeypatch.setattr("histojax.studies.table.show", lambda *_: None)
  folder = home / "killed"
  with pytest.raises(SystemExit) as caught:
    execute.run(asked(images, folder), "seed=0;split.fold=0", jobs="time=10min")
  assert caught.value.code == 1
  told = json.loads((folder / "members/base/seed0/fold0/failed.json").read_text())
  assert told["error"].startswith("Slurm ended its job ")
  assert "FAILED, says" in told["error"] and told["kind"] == "Slurm"
  assert "1 of 1 members failed" in capsys.readouterr().out


KILLED = "import os; os.kill(os.getppid(), 9)"
