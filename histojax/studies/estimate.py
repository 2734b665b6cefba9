"""What a study would do, and about how long it takes: `--dry_run`, nothing written."""

import time
from typing import NamedTuple

import jax
import numpy as np

from histojax import checkpoint, console, trainings
from histojax.data.plan import EvalPlan
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation.verdict import counted
from histojax.studies import features, frozen, room
from histojax.studies.prepare import Ready

STEPS = 3  # that are timed, after the first


class Speed(NamedTuple):
  """Of one compiled program, in seconds."""

  compile: float
  step: float
  view: float
  source: str


def show(study: dict, found: list[Ready], states: list[str], folder, jobs: bool):
  """Prints members, programs, steps, images and time of what is due.

  Args:
    jobs: whether each member is a job: nothing is shared, and this machine runs none.
  """
  from rich.markup import escape
  from rich.table import Table

  by_variant, due, left = {}, [], 0.0
  for ready, state in zip(found, states, strict=True):
    members, waiting = by_variant.setdefault(ready.member.name, ([], []))
    members.append(ready)
    if state != "finished":
      waiting.append(ready)
      due.append(ready)
  clock = Clock(found, states, [] if jobs else frozen.able(due))
  table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
  for i, name in enumerate(HEAD):
    table.add_column(name, justify="right" if i else "left", overflow="fold")
  for name, (members, waiting) in by_variant.items():
    seconds = sum(map(clock.seconds, waiting))
    left += seconds
    table.add_row(
      escape(name), str(len(members)), str(len(waiting)),
      str(members[0].program + 1),
      f"{sum(map(steps_left, waiting)):,}",
      f"{sum(steps_left(ready) * ready.plan.batch_size for ready in waiting):,}",
      console.duration(seconds),
    )  # fmt: skip
  programs = len({ready.program for ready in due})
  console.say(f"{study['title']}: {folder.path}", "bold")
  console.show(table)
  console.say(
    f"{counted(len(found), 'member')} ({len(due):,} to run) of"
    f" {counted(len(by_variant), 'variant')}, {counted(len(study['seeds']), 'seed')};"
    f" {counted(programs, 'program')} to compile"
  )
  devices = 1 if jobs else min(jax.local_device_count(), max(1, len(due)))
  about = f" on each of {devices} devices at once" if devices > 1 else ""
  about += " for one job after the other on a machine like this" if jobs else ""
  sources = " and ".join(sorted(clock.sources)) or "nothing to do"
  console.say(
    f"about {console.duration(left / devices)}{about}, by {sources};"
    " reports and their figures come on top. Nothing of it was written."
  )
  if due:
    console.say(room.sentence(due, folder.path))


HEAD = ("variant", "members", "to run", "program", "steps", "images", "about")


class Clock:
  """How long members take, report apart; what several share counts with the first."""

  def __init__(self, found: list[Ready], states: list[str], heads: list[Ready]):
    self._found, self._states = found, states
    self._heads = {ready.folder.path for ready in heads}  # on cached features
    self._speeds, self._done = {}, set()

  @property
  def sources(self) -> set[str]:
    return {speed.source for speed in self._speeds.values()}

  def seconds(self, ready: Ready) -> float:
    head = ready.folder.path in self._heads
    key = ready.program, head
    if key not in self._speeds:
      known = None if head else finished(self._found, self._states, ready.program)
      self._speeds[key] = known or probe(ready, head)
    speed, config = self._speeds[key], ready.request.config
    spent = speed.compile if self._first(key) else 0.0
    if not head:
      return spent + steps_left(ready) * speed.step + ready.work.views * speed.view
    if self._first(features.shared_by(config, ready.images)):
      spent += speed.view * features.views(config, len(ready.tiles))
    return spent

  def _first(self, what) -> bool:
    first = what not in self._done
    self._done.add(what)
    return first


def steps_left(ready: Ready) -> int:
  return ready.work.steps - checkpoint.reached(ready.folder.checkpoints)


def finished(found, states, program: int) -> Speed | None:
  """From a member of the same program that ran to its end at once; None without one.

  Its seconds of training, looks included, are laid upon its steps.
  """
  for ready, state in zip(found, states, strict=True):
    if state == "finished" and ready.program == program:
      try:
        told = trainings.report(ready.folder.path)["training"]
      except InputError:  # torn: it tells nothing
        continue
      if not told["resumed_from_step"] and "heads_at_once" not in told:
        return Speed(0.0, told["seconds"] / told["steps"], 0.0, "finished members")
  return None


def probe(ready: Ready, head: bool) -> Speed:
  """From a few real steps and batches of evaluation, on one device.

  Args:
    head: whether it trains on cached features: then no step of the network is timed.
  """
  console.say(f"probing {ready.label} ...")
  engine = Engine(ready.request.config, ready.tiles, jax.local_devices()[:1])
  began = time.monotonic()
  for _ in () if head else engine.compile(ready.plan):
    pass
  compiled = time.monotonic() - began
  state, times = engine.init(ready.request.config.seed), []
  batches = engine.batches(ready.plan)
  for _ in range(0 if head else min(STEPS + 1, ready.plan.num_steps)):
    began = time.monotonic()
    state, metrics = engine.train_step(state, *next(batches))
    jax.block_until_ready(metrics)
    times.append(time.monotonic() - began)
  views, looks = EvalPlan(ready.split.train, engine.batch_size, 1), []
  arrays, row = next(engine.batches(views))
  del row["weight"]
  for _ in range(STEPS):  # of a head the first one compiles
    began = time.monotonic()
    jax.block_until_ready(engine.program.evaluate(*state.judged, arrays, row))
    looks.append((time.monotonic() - began) / engine.batch_size)
  if head:
    source = "a probe of the features that heads train on (their steps are not counted)"
    return Speed(0.0, 0.0, min(looks), source)
  step = float(np.median(times[1:] or times))
  return Speed(compiled, step, min(looks), "a probe of a few steps")
