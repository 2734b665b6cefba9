"""Waiting for the jobs of a study: what they are doing, and how each of them ended."""

import contextlib
import json
import os
import time

from histojax import console
from histojax.evaluation import verdict
from histojax.evaluation.verdict import counted
from histojax.interrupts import Interrupted, Interrupts
from histojax.studies import status
from histojax.studies.prepare import Ready
from histojax.studies.running import Told

LOOKS = 2.0, 30.0  # seconds between two looks at the queue, growing while it is still
GONE = 3  # looks: a shared disk may show a report later than Slurm its end


def wait(left: list[tuple[Ready, str]], found, folder, cluster) -> None:
  """Tells how it goes until every job has ended."""
  total = sum(ready.work.images for ready in found)
  done = total - sum(ready.work.images for ready, _ in left)
  with (
    Interrupts() as interrupts,
    console.Progress(total, "study", "image", done=done) as progress,
  ):
    told = Told(found, len(found) - len(left), progress)
    watch = Watch(left, folder, cluster, told)
    try:
      pause = LOOKS[0]
      while watch.left:
        changed = watch.look()
        pause = LOOKS[0] if changed else min(pause * 1.5, LOOKS[1])
        until = time.monotonic() + pause
        while watch.left and time.monotonic() < until:
          interrupts.poll()
          time.sleep(0.1)
    except Interrupted as interrupt:
      arrays = sorted({job.partition("_")[0] for _, job in watch.left})
      console.say(
        f"{interrupt}: {counted(len(watch.left), 'job')} of Slurm stay queued or"
        f" running; the same command waits for them again (scancel"
        f" {' '.join(arrays)} would end them)",
        style="bold",
      )
      raise SystemExit(128 + interrupt.signum) from None


class Watch:
  """What is known of the jobs that have not ended."""

  def __init__(self, left, folder, cluster, told: Told):
    self.left, self.folder, self.cluster, self.told = left, folder, cluster, told
    self._gone = {}  # {job: looks since it left the queue}
    self._images = {}  # {run folder: images that its steps have looked at}
    self._begun, self._silent, self._last = set(), False, ""

  def look(self) -> bool:
    """Asks Slurm once; says what has changed, and whether anything has."""
    jobs = self.cluster.queue()
    if jobs is None:
      if not self._silent:
        console.warn("squeue does not answer; asking again")
      self._silent = True
      return False
    self._silent = False
    before, counts = len(self.left), {}
    self.left = [one for one in self.left if not self._over(*one, jobs)]
    for _, job in self.left:
      state = jobs.get(job, "COMPLETING").lower()
      counts[state] = counts.get(state, 0) + 1
    line = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    changed = line != self._last or before != len(self.left)
    if line and line != self._last:
      console.say(f"Slurm: {line}", "dim")
    self._last = line
    return changed

  def _over(self, ready: Ready, job: str, jobs: dict[str, str]) -> bool:
    """Whether a job has ended; tells what it came to."""
    if job in jobs:
      self._gone.pop(job, None)
      if jobs[job] == "RUNNING":
        self._go_on(ready)
      return False
    with contextlib.suppress(OSError):
      os.listdir(ready.folder.path)  # a shared disk looks anew
    finished = ready.state() == "finished"
    self._gone[job] = self._gone.get(job, 0) + 1
    if not (finished or ready.folder.failed.exists() or self._gone[job] >= GONE):
      return False
    self._go_on(ready)
    if finished:
      content = json.loads(ready.folder.report.read_text())
      told = " ".join(verdict.verdict(content)["sentences"][:2])
      self.told.end(ready, told)
      return True
    if not ready.folder.failed.exists():
      status.fail(ready.folder, self._reason(job), "Slurm")
    self.told.end(ready, f"failed: {status.failure(ready.folder)}", "bold red")
    return True

  def _reason(self, job: str) -> str:
    import submitit.core.utils as utils

    log = utils.JobPaths(self.folder.slurm, job_id=job).stderr
    return f"Slurm ended its job {job}: {self.cluster.end(job)}; its words are in {log}"

  def _go_on(self, ready: Ready) -> None:
    path = ready.folder.path
    if path not in self._begun:
      self._begun.add(path)
      self.told.begin(ready)
    step = max((row["step"] for row in ready.folder.metric_rows()), default=0)
    images = step * ready.plan.batch_size
    self.told.advance(ready, max(0, images - self._images.get(path, 0)))
    self._images[path] = max(images, self._images.get(path, 0))
