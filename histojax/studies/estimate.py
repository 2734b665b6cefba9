"""What a study would do, and about how long it takes: `--dry_run`, nothing written."""

import json
import time
from typing import NamedTuple

import jax
import numpy as np

from histojax import console
from histojax.data.plan import EvalPlan
from histojax.engine import Engine
from histojax.evaluation.verdict import counted
from histojax.studies.prepare import Ready

STEPS = 3  # that are timed, after the first


class Speed(NamedTuple):
  """Of one compiled program, in seconds."""

  compile: float
  step: float
  view: float
  source: str


def show(study: dict, found: list[Ready], states: list[str], folder) -> None:
  """Prints members, programs, steps, images and time of what is due."""
  from rich.table import Table

  by_variant, speeds, compiled, left = {}, {}, set(), 0.0
  for ready, state in zip(found, states, strict=True):
    by_variant.setdefault(ready.member.name, []).append((ready, state))
  table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
  for i, name in enumerate(HEAD):
    table.add_column(name, justify="right" if i else "left", overflow="fold")
  for name, members in by_variant.items():
    due = [ready for ready, state in members if state != "finished"]
    seconds = 0.0
    if due:
      key = due[0].program, due[0].engine
      if key not in speeds:
        speeds[key] = finished(found, states, key) or probe(due[0])
      seconds = sum(cost(ready, speeds[key]) for ready in due)
      if due[0].program not in compiled:
        seconds += speeds[key].compile
        compiled.add(due[0].program)
    left += seconds
    first = members[0][0]
    table.add_row(
      name, str(len(members)), str(len(due)), str(first.program + 1),
      *(f"{sum(getattr(r.work, k) for r in due):,}" for k in ("steps", "images")),
      console.duration(seconds),
    )  # fmt: skip
  programs = len({ready.program for ready in found})
  waiting = sum(state != "finished" for state in states)
  console.say(f"{study['title']}: {folder.path}", "bold")
  console.show(table)
  console.say(
    f"{counted(len(found), 'member')} ({waiting:,} to run) of"
    f" {counted(len(by_variant), 'variant')}, {counted(len(study['seeds']), 'seed')};"
    f" {counted(programs, 'program')} to compile"
  )
  devices = min(jax.local_device_count(), max(1, waiting))
  about = f" on each of {devices} devices at once" if devices > 1 else ""
  sources = ", ".join(sorted({speed.source for speed in speeds.values()}))
  console.say(
    f"about {console.duration(left / devices)}{about}, by {sources or 'nothing to do'};"
    " reports and their figures come on top. Nothing was written."
  )


HEAD = ("variant", "members", "to run", "program", "steps", "images", "about")


def cost(ready: Ready, speed: Speed) -> float:
  """Seconds of a member, its compilation and report apart."""
  return ready.work.steps * speed.step + ready.work.views * speed.view


def finished(found, states, key) -> Speed | None:
  """From a member of the same network that ran to its end at once; None without one.

  Its seconds hold everything: they are laid upon its steps.
  """
  for ready, state in zip(found, states, strict=True):
    if state == "finished" and (ready.program, ready.engine) == key:
      told = json.loads(ready.folder.report.read_text())["training"]
      if not told["resumed_from_step"]:
        return Speed(0.0, told["seconds"] / told["steps"], 0.0, "finished members")
  return None


def probe(ready: Ready) -> Speed:
  """From a few real steps and batches of evaluation, on one device."""
  console.say(f"probing {ready.label} ...")
  engine = Engine(ready.request.config, ready.tiles, jax.local_devices()[:1])
  began = time.monotonic()
  for _ in engine.compile(ready.plan):
    pass
  compiled = time.monotonic() - began
  state, times = engine.init(ready.request.config.seed), []
  batches = engine.batches(ready.plan)
  for _ in range(min(STEPS + 1, ready.plan.num_steps)):
    began = time.monotonic()
    state, metrics = engine.train_step(state, *next(batches))
    jax.block_until_ready(metrics)
    times.append(time.monotonic() - began)
  views = EvalPlan(ready.split.train, engine.batch_size, 1)
  looks = []
  for _, (arrays, row) in zip(range(2), engine.batches(views), strict=False):
    del row["weight"]
    began = time.monotonic()
    jax.block_until_ready(engine.program.evaluate(*state.judged, arrays, row))
    looks.append((time.monotonic() - began) / engine.batch_size)
  step = float(np.median(times[1:] or times))
  return Speed(compiled, step, min(looks), "a probe of a few steps")
