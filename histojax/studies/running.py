"""Members one after the other, or on several devices at once: nothing is made twice.

Each device holds the images once, and one engine for each network. A member is on one
device, so that its numbers do not depend on how many there are.
"""

import contextlib
import contextvars
import copy
import functools
import threading
import time

import jax

from histojax import compilation, console, experiment
from histojax.engine import Engine
from histojax.evaluation import verdict
from histojax.interrupts import Interrupted, Interrupts
from histojax.studies import frozen, status
from histojax.studies.ahead import Ahead
from histojax.studies.prepare import Ready
from histojax.studies.queue import Queue


def run(due: list[Ready], found: list[Ready]) -> None:
  """Runs the members that are due; one that fails is written down.

  Raises:
    SystemExit: a signal stopped the study; what ran is saved.
  """
  if not due:
    return
  devices, before = jax.local_devices(), compilation.programs().copy()
  read, lost = frozen.train(due, devices[0])
  due = [ready for ready in due if ready.folder.path not in lost]
  queue = Queue(due)
  total = sum(ready.work.images for ready in found)
  done = total - sum(ready.work.images for ready in due)
  with console.Progress(total, "study", "image", done=done) as progress:
    told = Told(found, len(found) - len(due), progress)
    if len(devices) == 1 or len(due) == 1:
      with contextlib.closing(Worker(devices[0], queue, told, read)) as worker:
        worker.run()
    else:
      with Interrupts() as interrupts:
        workers = [Worker(d, queue, told, read) for d in devices[: len(due)]]
        _at_once(workers, interrupts)
  made = compilation.programs() - before
  console.say(
    f"compiled for {verdict.counted(len(due), 'member')}: the training step"
    f" {verdict.counted(made['jit(train_step)'], 'time')}, evaluation"
    f" {verdict.counted(made['jit(eval_step)'], 'time')}"
  )


def _at_once(workers: list["Worker"], interrupts: Interrupts) -> None:
  within = [contextvars.copy_context().run for _ in workers]  # they write to our log
  threads = [
    threading.Thread(target=run, args=(worker.alone,))
    for run, worker in zip(within, workers, strict=True)
  ]
  for thread in threads:
    thread.start()
  while any(thread.is_alive() for thread in threads):
    if interrupts.signum or any(worker.error for worker in workers):
      workers[0].queue.close()  # a member under way is saved, or ends by itself
    time.sleep(0.05)
  for worker in workers:
    if worker.error:
      raise worker.error
  try:
    interrupts.poll()
  except Interrupted as interrupt:
    raise SystemExit(128 + interrupt.signum) from None


class Told:
  """What is said of members, and the progress of all together."""

  def __init__(self, found: list[Ready], before: int, progress: console.Progress):
    self._lock, self._progress = threading.Lock(), progress
    self._count, self._begun, self._left = len(found), before, {}

  def begin(self, ready: Ready) -> None:
    with self._lock:
      self._begun += 1
      self._left[ready.folder.path] = ready.work.images
      place = f"member {self._begun} of {self._count} ({ready.label})"
    train = f"{len(ready.split.train):,} images train"
    console.say(f"{place}: {train}, {ready.work.steps:,} steps", style="bold")

  def advance(self, ready: Ready, images: int) -> None:
    with self._lock:
      self._left[ready.folder.path] -= images
      self._progress.advance(images)

  def end(self, ready: Ready, sentence: str, style: str = "") -> None:
    with self._lock:  # what an earlier session trained, or nobody will
      self._progress.advance(max(0, self._left.pop(ready.folder.path)))
    console.say(f"{ready.label}: {sentence}", style)


class Worker:
  """Runs members on one device until there are none."""

  def __init__(self, device, queue: Queue, told: Told, read: dict):
    self.device, self.queue, self.told, self.error = device, queue, told, None
    self._read = read  # of heads that are trained: their features
    self._engine = self._images = (None, None)  # (of what, it)
    self._ahead, self._compiled = Ahead(), set()

  def close(self) -> None:
    self._ahead.settle()

  def alone(self) -> None:
    """`run` in a thread of its own; what ends it is in `error`."""
    try:
      with jax.default_device(self.device):
        self.run()
    except BaseException as error:  # the main thread raises it again
      self.error = None if isinstance(error, SystemExit) else error
    finally:
      self.close()

  def run(self) -> None:
    while ready := self.queue.take(self):
      self.told.begin(ready)
      ready.folder.failed.unlink(missing_ok=True)
      try:
        begun = ready.folder.begun(*ready.identity)
        content = experiment.one(
          ready.request, ready.folder, ready.dataset, ready.tiles, ready.split,
          ready.identity, begun, functools.partial(self._counted, ready),
        )  # fmt: skip
        told = " ".join(verdict.verdict(content)["sentences"][:2])
        self.told.end(ready, told)
      except status.FAILURES as error:
        told = status.sentence(error)
        status.fail(ready.folder, told, type(error).__name__)
        self.told.end(ready, f"failed: {told}", "bold red")

  def _counted(self, ready: Ready) -> Engine:
    """The engine of a member; its steps are counted, the first starts the next one."""
    engine = copy.copy(frozen.engine(self._of(ready), ready, self._read))
    step, waiting = engine.train_step, [True]

    def train_step(*arguments):
      found = step(*arguments)
      if waiting:
        waiting.clear()
        self._look_ahead(ready)
      else:  # the one before is, or is about to be, computed
        self.told.advance(ready, ready.plan.batch_size)
      return found

    engine.train_step = train_step
    return engine

  def _look_ahead(self, ready: Ready) -> None:
    self._compiled.add(ready.program)
    after = self.queue.following(self)
    new = after and after.program not in self._compiled
    if new and after.images == ready.images and after.folder.path not in self._read:
      self._ahead.begin(after, self._make)

  def _of(self, ready: Ready) -> Engine:
    key, engine = self._engine
    if key != ready.engine:
      self._engine = (None, None)
      engine = self._ahead.take(ready) or self._make(ready)
      compilation.make_room()  # of the networks before
      self._engine = (ready.engine, engine)
    return engine

  def _make(self, ready: Ready) -> Engine:
    """A new engine; the images are put on the device where they are not there yet."""
    if self._images[0] != ready.images:
      self._images = (None, None)  # room for the next ones
    config, (_, held) = ready.request.config, self._images
    engine = Engine(config, ready.tiles, [self.device], held)
    self._images = (ready.images, engine.resident)
    return engine
