"""One run from images to a report: the table of contents of the package."""

import contextlib
import functools
import time
from pathlib import Path

import jax
import numpy as np

from histojax import (
  checkpoint,
  console,
  loop,
  models,
  optimizer,
  processes,
  published,
  reporting,
  runs,
  startup,
)
from histojax.augment.rotation import stored_size
from histojax.data import catalogue, splits
from histojax.data import tiles as tile_cache
from histojax.data.plan import TrainPlan
from histojax.engine import Engine
from histojax.errors import InputError, nearest
from histojax.interrupts import Interrupted, Interrupts
from histojax.milestones import SELECT_ON, Milestones
from histojax.tensorboard import Scalars

HOUR = 3600.0


def run(request) -> None:
  """Does what was asked of `launch.py`; continues what was begun.

  Raises:
    InputError: something the user gave cannot be used; nothing is half-written.
  """
  config = request.config
  startup.greet()

  # Data: every image decoded once; which of them train, choose and test.
  dataset = catalogue.find(config.data)
  with processes.first_then_others():
    stored = storage(config.augment)
    tiles = tile_cache.prepare(dataset, *stored, config.data.on_error)
  if request.mode == "prepare":
    return reporting.show_data(dataset, tiles)
  if config.published:
    published.check(config.published, tiles.classes)
  split = splits.make(tiles, config.split)

  # Run folder: a new one, or the one that this very config began.
  folder = runs.RunFolder(Path(request.workdir or default_workdir(request, dataset)))
  identity = config.to_dict(), splits.record(tiles, split)
  processes.check_alike(request.mode, identity)
  begun = processes.same(lambda: folder.begun(*identity))
  finished = processes.same(folder.report.exists)
  if begun and finished and request.mode == "train":
    return reporting.show_finished(folder)
  if not begun and request.mode == "evaluate":
    raise InputError(f"{folder.path} holds no trained run: use --mode=train")
  reporting.show_data(dataset, tiles, split)

  # Plan: every batch of every epoch is index arithmetic.
  plan = make_plan(config, split.train)
  seen = views_of_curve(config, split)

  # Model and optimizer: compiled for the devices there are.
  engine = Engine(config, tiles)

  # only now: a mistake above leaves no folder behind
  with folder.ours(), console.log_to(folder.log):
    if begun:
      reporting.show_moved(folder)
    elif processes.first():
      folder.create(*identity)
    reporting.show_skipped(tiles)
    with (  # a signal is answered by a checkpoint
      Interrupts(processes.interrupt) as interrupts,
      checkpoint.Checkpoints(folder.checkpoints, keep=config.checkpoint.keep) as saved,
    ):
      # State: fresh from the seed, or the last checkpoint.
      start = processes.same(lambda: saved.latest("last") or 0)
      if request.mode == "evaluate" and start < plan.num_steps:
        raise InputError(
          f"{folder.path} is trained to step {start:,} of {plan.num_steps:,} only:"
          " finish it with --mode=train"
        )
      state = (
        saved.restore("last", engine.abstract()) if start else engine.init(config.seed)
      )
      parameters = models.parameter_count(state.all_params)
      trained = models.parameter_count(state.params)
      part = f" ({trained:,} of them trained)" if state.frozen else ""
      console.say(
        f"{config.model.name}, attention {config.model.attention}: {parameters:,}"
        f" parameters{part}, {engine.dtype}"
      )

      # Loop: train, look at what may be looked at, keep the best.
      predict = functools.partial(engine.predict, poll=interrupts.poll)
      try:
        state, training = train(
          request, engine, plan, state, start, folder, saved, interrupts,
          curve=seen and (lambda state: predict(state, *seen)),
        )  # fmt: skip

        # Evaluation: the chosen state, on test images that nothing has looked at.
        step = plan.num_steps
        if seen:
          step, state = saved.latest("best"), saved.restore("best", engine.abstract())
        views = predict(state, split.test, config.augment.rotations, label="testing")
      except Interrupted as interrupt:
        console.say(
          f"{interrupt}: step {saved.latest('last') or 0:,} of {plan.num_steps:,} is"
          " saved; the same command continues",
          style="bold",
        )
        raise SystemExit(128 + interrupt.signum) from None

    # Report: scores with intervals, beside what colour alone reaches.
    training |= {"parameters": parameters, "trained_parameters": trained}
    training |= {"chosen_step": step}
    if processes.first():
      reporting.finish(request, folder, dataset, tiles, split, plan, views, training)


def default_workdir(request, dataset) -> Path:
  """A name made of the config and what differs from its file.

  Images of your own count as a difference: changed images start a new run.
  """
  changed = runs.difference(request.base.to_dict(), request.config.to_dict())
  overrides = {k: new for k, (_, new) in changed.items() if k != "seed"}
  if request.config.data.source:
    overrides["images"] = dataset.fingerprint
  return runs.default_workdir(
    request.file, request.variant, overrides, request.config.seed
  )


def storage(augment):
  """(stored_size, geometry) for `tiles.prepare`: how large an image must be kept."""
  arguments = dict(
    size=augment.size,
    canvas=augment.canvas,
    angles=np.arange(augment.rotations) * (360.0 / augment.rotations),
  )
  geometry = f"{augment.size},{augment.canvas},{augment.rotations}"
  return functools.partial(stored_size, **arguments), geometry


def make_plan(config, rows: np.ndarray) -> TrainPlan:
  return TrainPlan(
    rows,
    config.batch_size,
    config.epochs,
    config.seed,
    config.augment.rotations,
    config.augment.train_rotations,
    optimizer.rate(config.optimizer.schedule, config.optimizer.learning_rate),
  )


def views_of_curve(config, split) -> tuple[np.ndarray, int] | None:
  """(rows, rotations) that the learning curve and the choice of a checkpoint may see.

  Validation images are looked at upright. `select_on=test` is the papers' habit: the
  whole rotated test set chooses. `last` looks at nothing.
  """
  if config.select_on not in SELECT_ON:
    known = nearest(config.select_on, SELECT_ON)
    raise InputError(f"select_on={config.select_on!r}: {known}")
  if config.select_on == "validation" and not len(split.validation):
    raise InputError(
      "select_on=validation, but the split has no validation part: set"
      " split.validation_fraction, split.protocol=grouped, or select_on=last"
    )
  views = {"test": (split.test, config.augment.rotations), "last": None}
  return views.get(config.select_on, (split.validation, 1))


def train(request, engine, plan, state, start, folder, saved, interrupts, curve):
  """Trains from step `start` to the end. Returns (state, what to report)."""
  began, batch, nobody = time.monotonic(), plan.batch_size, contextlib.nullcontext()
  total = plan.num_steps * batch
  with (
    Scalars(folder.tensorboard, start) if processes.first() else nobody as writer,
    console.Progress(total, "training", "image", done=start * batch) as progress,
  ):
    miles = Milestones(request.config, plan, folder, saved, interrupts, writer, curve)
    miles.begin(start)
    if start < plan.num_steps:
      console.say(
        f"resuming from step {start:,}" if start else "compiling the step ..."
      )

    def tick():
      progress.advance(batch, miles.note())
      if progress.done == (start + 5) * batch and progress.eta > HOUR:
        startup.say_long(request, progress.eta)

    with jax.transfer_guard("disallow"):
      state = loop.fit(
        state,
        engine.train_step,
        engine.batches(plan, start),
        start=start,
        num_steps=plan.num_steps,
        boundary=miles.boundary,
        record=miles.record,
        tick=tick,
      )
  return state, {
    "epochs": plan.epochs,
    "steps": plan.num_steps,
    "resumed_from_step": start,
    "images_per_second": round(progress.rate, 1),
    "seconds": round(time.monotonic() - began, 1),
  }
