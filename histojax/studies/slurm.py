"""The members of a study as one job array of Slurm, through submitit.

Which member a job is stands in what submitit wrote of it, and which jobs there are says
Slurm: nothing else is kept, so that a study may be left and taken up again at any time.
"""

import contextlib
import getpass
import hashlib
import io
import os
import pickle
import re
import shlex
import subprocess
import sys
from pathlib import Path

from histojax import console, runs, startup
from histojax.errors import InputError
from histojax.evaluation.verdict import counted
from histojax.studies import slurm_wait
from histojax.studies.prepare import Ready
from histojax.studies.slurm_task import Task

TURNS = 100  # how often a member may run into its time limit
CHOSEN = "SLURM_CONF", "SUBMITIT_PREEMPT_SIGNAL"  # by the user or the site, not a job
ROOT = Path(__file__).parents[2]


def check() -> None:
  """InputError where submitit or Slurm is not here."""
  try:
    import submitit
  except ImportError as error:
    raise InputError(
      "--slurm needs submitit, which is not installed: pip install submitit==1.5.4"
    ) from error
  if submitit.SlurmExecutor.affinity() < 0:
    raise InputError(
      "--slurm: there is no srun here: start it where you would call sbatch, or leave"
      " --slurm out"
    )


class Slurm:
  """Submits, and tells of what was submitted, for one study."""

  def __init__(self, folder: runs.StudyFolder, options: dict):
    import submitit

    path = str(folder.path.resolve())
    key = hashlib.sha256(path.encode()).hexdigest()[:6]
    self.name = re.sub(r"[^\w.-]+", "-", f"{folder.path.resolve().name}-{key}")
    self.executor = submitit.SlurmExecutor(folder.slurm, max_num_timeout=TURNS)
    self.executor.update_parameters(job_name=self.name, **options)

  def queue(self) -> dict[str, str] | None:
    """{job: its state} of what is queued or runs; None where Slurm does not answer."""
    told = _ask(
      "squeue", "-h", "-r", f"--user={getpass.getuser()}", f"--name={self.name}",
      "-o", "%i %T",
    )  # fmt: skip
    if told is None:
      return None
    return dict(line.split() for line in told.splitlines())

  def end(self, job: str) -> str:
    """How a job that is in the queue no more ended, in Slurm's words."""
    told = _ask("scontrol", "-o", "show", "job", job) or ""  # remembers for minutes
    if found := re.search(r"\bJobState=(\S+)", told):
      return found[1]
    told = _ask("sacct", "-X", "-n", "-P", "-j", job, "-o", "State") or ""
    lost = "no record is left, as of one cancelled while it waited"
    return told.strip().split("\n")[-1] or lost


def run(due: list[Ready], found: list[Ready], folder, cluster) -> None:
  """Submits the members that are due and in no job yet; waits until all have ended.

  Each job is `launch.py` with its member's own command. One that Slurm ends before the
  member is finished is written down as failed.

  Args:
    cluster: a `Slurm`.

  Raises:
    InputError: Slurm does not take the jobs.
    SystemExit: Ctrl-C or SIGTERM; the jobs go on.
  """
  jobs = cluster.queue()
  if jobs is None:
    raise InputError("squeue does not answer: is this a machine of the cluster?")
  waiting = {}  # {run folder: its job}
  for job in jobs:
    if (path := _member(folder, job)) is not None:
      waiting[path] = job
  before = len(waiting)
  new = [ready for ready in due if ready.folder.path.resolve() not in waiting]
  if new:
    for ready in new:
      ready.folder.failed.unlink(missing_ok=True)
    waiting |= zip(
      (ready.folder.path.resolve() for ready in new),
      _submit(new, folder, cluster.executor),
      strict=True,
    )
    array = waiting[new[0].folder.path.resolve()].partition("_")[0]
    console.say(f"submitted {counted(len(new), 'member')} as job {array}", "bold")
  if before:
    console.say(f"{counted(before, 'member')} queued or running already", "bold")
  left = [(r, waiting[r.folder.path.resolve()]) for r in due]
  if left:
    slurm_wait.wait(left, found, folder, cluster)


def _ask(*command: str) -> str | None:
  """What a program of Slurm prints; None where it fails, or takes a minute."""
  try:
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
  except (OSError, subprocess.TimeoutExpired):
    return None
  return None if told.returncode else told.stdout


def _submit(new: list[Ready], folder, executor) -> list[str]:
  """The new jobs' names."""
  tasks = [Task(_command(r), os.getcwd(), r.folder.path.resolve()) for r in new]
  quiet = contextlib.redirect_stderr(io.StringIO())  # submitit repeats it there
  try:
    with _surroundings(), quiet:
      return [job.job_id for job in executor.submit_array(tasks)]
  except (RuntimeError, OSError) as error:  # submitit's own are RuntimeErrors
    for path in [*folder.slurm.glob(".submission_file*"), *folder.slurm.glob("*.pkl")]:
      if "_" not in path.stem or path.name.startswith("."):  # of no job
        path.unlink(missing_ok=True)
    told = [line for line in str(error).splitlines() if line.strip()] or ["no reason"]
    raise InputError(f"Slurm does not take the jobs: {told[-1].strip()}") from error


def _command(ready: Ready) -> list[str]:
  _, _, *flags = shlex.split(ready.member.request.command)
  return [sys.executable, str(ROOT / "launch.py"), *flags]


@contextlib.contextmanager
def _surroundings():
  """Within, the environment is that which a job is to find.

  It has nothing of a job in which this program may run, nor what `startup` found good
  for this machine; submitit's program finds histojax.
  """
  kept, found = os.environ.copy(), startup.settings()
  for key, value in kept.items():
    of_job = key.startswith(("SLURM_", "SUBMITIT_")) and key not in CHOSEN
    if of_job or found.get(key) == value:
      del os.environ[key]
  others = filter(None, [str(ROOT), kept.get("PYTHONPATH")])
  os.environ["PYTHONPATH"] = os.pathsep.join(others)
  try:
    yield
  finally:
    os.environ.clear()
    os.environ.update(kept)


def _member(folder: runs.StudyFolder, job: str) -> Path | None:
  """The run folder of a job; None where submitit has left nothing of it."""
  import submitit.core.utils as utils

  path = utils.JobPaths(folder.slurm, job_id=job).submitted_pickle
  with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
    return utils.DelayedSubmission.load(path).function.folder
  return None
