"""A small run that is killed and continued, and what of it must not depend on that."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from conftest import ROOT
from test_experiment import as_flags, request, state_bytes

from histojax import runs

LONGER = {"epochs": 40, "log_every": 1, "evaluate_every": 4}
STEPS, EVALUATE_EVERY = 80, 8  # of that run
RESULTS = (
  "config.json", "split.json", "metrics.jsonl", "predictions.csv",
  "predictions_views.csv",
)  # fmt: skip
# what of report.json tells when and how fast, and not what
TIMES = {
  "date", "command", "folder", "training.resumed_from_step",
  "training.images_per_second", "training.seconds", "training.compile_seconds",
  "training.peak_memory.bytes",
}  # fmt: skip


class Run:
  """`launch.py` with its own run folder and its own cache below `home`.

  `cold`: its compilation cache is its own too, empty at first.
  """

  def __init__(self, images: Path, home: Path, *, cold: bool = False):
    self.images, self.workdir, self.cache = images, home / "run", home / "cache"
    self.asked = request(images, self.workdir, **LONGER)
    self.command = as_flags(images, self.workdir, **LONGER)
    self.environment = os.environ | {"XDG_CACHE_HOME": str(self.cache)}
    self.environment["TMPDIR"] = str(home / "tmp")
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    self.temporary = home / "tmp"
    if cold:
      del self.environment["JAX_COMPILATION_CACHE_DIR"]
    self.log = home / "output.txt"
    self.log.write_text("")

  def start(self, *before: str) -> subprocess.Popen:
    """`before`: arguments of signal_at.py."""
    command = self.command
    if before:
      script = str(ROOT / "tests" / "signal_at.py")
      command = [sys.executable, script, *before, *self.command[1:]]
    with self.log.open("a") as output:
      return subprocess.Popen(
        command, env=self.environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
      )

  def until(self, *before: str) -> int:
    return self.start(*before).wait(timeout=300)

  def finish(self) -> None:
    assert self.until() == 0, self.log.read_text()

  def said(self) -> str:
    return self.log.read_text()

  def phase(self) -> str:
    """What a run is about, told by what it has written and said so far."""
    kept = self.cache / "histojax"
    exists = lambda pattern, below=self.workdir: any(below.glob(pattern))  # noqa: E731
    if exists("report.json"):
      return "done"
    if exists("predictions_views.csv"):
      return "report"
    if exists(f"checkpoints/last/{STEPS}"):
      return "testing"
    rows = metric_rows(self.workdir)
    if exists("checkpoints/*/*tmp*"):
      return "saving"
    if rows:
      at = rows[-1]["step"]
      due = at % EVALUATE_EVERY == 0 and "loss" in rows[-1]
      return "evaluating" if due else "stepping"
    if "compiling the step" in self.said():
      return "compiling"
    if exists("config.json"):
      return "initialising"
    if exists("tiles/*/tiles.json", kept):
      return "reading"
    if exists("tiles/*", kept):
      return "decoding"
    if exists("tfds/*", kept):
      return "building"
    return "importing"

  def result(self) -> dict:
    """Everything that must be the same, whatever happened on the way."""
    found = {name: (self.workdir / name).read_bytes() for name in RESULTS}
    found |= {name: state_bytes(self.asked, name) for name in ("last", "best")}
    report = runs.flatten(json.loads((self.workdir / "report.json").read_text()))
    assert report.keys() >= TIMES
    again = ("Resumed from step", "The test part was looked at ")
    report["notes"] = [n for n in report["notes"] if not n.startswith(again)]
    looks = report.pop("handouts")  # a second one after a kill is told as such
    found["looks"] = {(row["scored"], row["images"], row["step"]) for row in looks}
    found |= {f"report.json {k}": v for k, v in report.items() if k not in TIMES}
    page = (self.workdir / "report.html").read_text()
    assert page.lstrip().startswith("<!") and page.rstrip().endswith("</html>")
    return found

  def files(self) -> set[str]:
    """Every file and folder of the run and its cache, but for names that are random."""
    roots = (self.workdir, self.cache / "histojax", self.temporary)
    names = {
      f"{root.name}/{path.relative_to(root).as_posix()}"
      for root in roots
      for path in root.rglob("*")
    }
    random = r"(?<=/d/)[0-9a-f]{32}|(?<=/events).*"
    return {re.sub(random, "", n) for n in names if not n.startswith("histojax/jax")}

  def torn(self) -> list[str]:
    """Entries of its own compilation cache that are not whole."""
    from jax._src import compilation_cache

    found = []
    for path in (self.cache / "histojax" / "jax").rglob("*"):
      if path.is_dir():
        continue
      try:
        compilation_cache.decompress_executable(path.read_bytes())
        assert path.name.endswith("-cache")
      except Exception as error:  # whatever the compressor calls it
        found.append(f"{path.name}: {error}")
    return found


def metric_rows(workdir: Path) -> list[dict]:
  rows = []
  try:
    for line in (workdir / "metrics.jsonl").read_text().splitlines():
      rows.append(json.loads(line))
  except (OSError, ValueError):
    pass
  return rows


def interrupt(run: Run, process, signum: int, ready, delay: float = 0.0) -> dict:
  """Sends `signum` once `ready()`; what happened, and when."""
  while process.poll() is None and not ready():
    time.sleep(0.002)
  time.sleep(delay)
  phase, sent = run.phase(), time.monotonic()
  if process.poll() is None:
    process.send_signal(signum)
  code = process.wait(timeout=300)
  if signum == signal.SIGKILL:
    phase = run.phase()  # nothing moves any more
  return {"phase": phase, "code": code, "seconds": time.monotonic() - sent}
