"""One member in its job: `launch.py` as a program of its own, and what becomes of it.

submitit sends what it ran to the job, where this module is imported: nothing heavy.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

STOPPED = 0, 128 + signal.SIGTERM, -signal.SIGTERM  # the last: before it could listen


class Task:
  """Runs a member; told that its time is up, it saves and is queued again.

  Slurm sends submitit's signal (SIGUSR2) some minutes before the time limit, and where
  a site says so before it preempts: the run saves a checkpoint, and submitit queues the
  job anew. A SIGTERM alone is somebody who cancels the job, or Slurm, which queues it
  again by itself where it does: the run saves, and no more.
  """

  def __init__(self, command: list[str], cwd: str, folder: Path):
    self.command, self.cwd, self.folder = command, cwd, folder

  def checkpoint(self):
    """What submitit queues again: the same command, which continues."""
    from submitit.helpers import DelayedSubmission

    return DelayedSubmission(self)

  def __call__(self) -> None:
    """Raises SystemExit with the run's exit code, unless that is 0."""
    from submitit import JobEnvironment

    soon = signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
    queue_again, heard, run = signal.getsignal(soon), [], None

    def stop(signum, frame):
      heard.append(signum)
      _terminate(run)

    for signum in (soon, signal.SIGTERM):
      signal.signal(signum, stop)
    # Slurm signals every process of a job: the run hears of this one from here alone
    signal.pthread_sigmask(signal.SIG_BLOCK, [soon])
    run = subprocess.Popen(
      self.command, cwd=self.cwd, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [soon])
    if heard:
      _terminate(run)
    said = []
    reader = threading.Thread(target=_repeat, args=(run.stderr, said))
    reader.start()
    code = run.wait()
    reader.join()
    if code not in STOPPED:
      self._fail(code, said)
    elif code and soon in heard:
      queue_again(soon, None)  # ends this process, in the first of several
    if code:
      sys.exit(code if code > 0 else 128 - code)

  def _fail(self, code: int, said: list[str]) -> None:
    """Leaves what the run said in the member's folder; one process of several does."""
    sentences = [line for line in said if line.startswith("error: ")]
    if not sentences and int(os.environ.get("SLURM_PROCID", "0")):
      return
    from histojax import runs
    from histojax.studies import status

    last = said[-1].strip() if said else "it said nothing"
    sentence = f"ended with code {code}: {last}"
    if code == -signal.SIGKILL:
      sentence = (
        "killed, as where a job's memory runs out: more of it with mem=32G, say"
      )
    if sentences:
      sentence = sentences[-1].removeprefix("error: ").strip()
    status.fail(runs.RunFolder(self.folder), sentence, "exit")


def _terminate(run: subprocess.Popen | None) -> None:
  # not its send_signal, which waits for what the main thread holds
  with contextlib.suppress(ProcessLookupError):
    if run is not None and run.returncode is None:
      os.kill(run.pid, signal.SIGTERM)


def _repeat(stream, said: list[str]) -> None:
  """Passes lines on to this process's stderr, and keeps the last ones."""
  with stream:
    for line in stream:
      sys.stderr.write(line)
      sys.stderr.flush()
      said.append(line)
      del said[:-50]
