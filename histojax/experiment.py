"""One run from images to a report: the table of contents of the package."""

import contextlib
import functools
import time
from pathlib import Path

import jax
import numpy as np

from histojax import (
  auditing,
  checkpoint,
  compilation,
  console,
  folds,
  initial,
  loop,
  memory,
  models,
  processes,
  published,
  reporting,
  runs,
  selection,
  startup,
)
from histojax.augment.rotation import stored_size
from histojax.data import catalogue, handout, splits
from histojax.data import tiles as tile_cache
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation import summary as terminal
from histojax.evaluation.figures_map import MOST
from histojax.explain import attention
from histojax.interrupts import Interrupted, Interrupts
from histojax.milestones import Milestones, no_answer
from histojax.planning import make_plan
from histojax.tensorboard import Scalars

HOUR = 3600.0


def run(request) -> None:
  """Does what was asked of `launch.py`; continues what was begun.

  Raises:
    InputError: something the user gave cannot be used; nothing is half-written.
  """
  startup.greet()
  request, dataset, tiles, folder = opened(request)
  config = request.config
  if request.mode == "prepare":
    return reporting.show_data(dataset, tiles)
  if request.mode == "audit_data":
    return auditing.show(config, dataset, tiles, splits.asked(tiles, config.split))
  if config.published:
    published.check(config.published, tiles.classes)

  # Run folder: a new one, or the one that this very config began.
  if splits.in_turn(config.split):
    return folds.run(request, folder, dataset, tiles, ready, one)
  if config.split.protocol == "kfold":
    folder = folder.fold(config.split.fold)
  split = splits.make(tiles, config.split)
  identity = config.to_dict(), splits.record(tiles, split)
  processes.check_alike(request.mode, identity)
  begun = processes.same(lambda: folder.begun(*identity))
  finished = processes.same(folder.report.exists)
  if begun and finished and request.mode == "train":
    return reporting.show_finished(folder)
  if not begun and request.mode == "evaluate":
    raise InputError(f"{folder.path} holds no trained run: use --mode=train")
  reporting.show_data(dataset, tiles, split)
  auditing.check(config, dataset, tiles, [split])
  make_engine = functools.partial(Engine, config, tiles)
  content = one(request, folder, dataset, tiles, split, identity, begun, make_engine)
  if content:
    console.show(terminal.summary(content, folder.page))


def opened(request):
  """(the request with its weights, data set, tiles, run folder) of what was asked.

  Raises:
    InputError: weights or images that cannot be had.
  """
  # Weights: found first, as they may be missing; the run is one of this very file.
  asked = request
  with processes.first_then_others():
    request = initial.resolve(request)
  config = request.config

  # Data: every image decoded once; which of them train, choose and test.
  dataset = catalogue.find(config.data)
  with processes.first_then_others():
    stored = storage(config.augment)
    tiles = tile_cache.prepare(dataset, *stored, config.data.on_error)
  path = Path(request.workdir or default_workdir(asked, dataset))
  return request, dataset, tiles, runs.RunFolder(path)


def one(request, folder, dataset, tiles, split, identity, begun: bool, make_engine):
  """Trains on a split, or goes on where `begun`; evaluates and writes the report.

  Returns:
    The report as in `evaluation.report.write`, in the process that wrote it.
  """
  config, spent = request.config, compilation.clock()[0]

  # Test part: kept by one object from here on, and handed out for a written reason.
  split, test = handout.seal(split, folder.append_handout)
  tiles = test.guard(tiles)

  # Plan: every batch of every epoch is index arithmetic.
  plan, further = ready(config, tiles, split)

  # Model and optimizer: compiled for the devices there are.
  engine = make_engine().guarded(tiles)

  # only now: a mistake above leaves no folder behind
  with folder.ours(), console.log_to(folder.log):
    if begun:
      reporting.show_moved(folder)
    elif processes.first():
      folder.create(*identity)
      test.note(handout.AUDIT, scored=False)
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
      shapes, trains = engine.abstract(), start < plan.num_steps
      parameters = models.parameter_count(shapes.all_params)
      trained = models.parameter_count(shapes.params)
      part = f" ({trained:,} of them trained)" if shapes.frozen else ""
      console.say(
        f"{config.model.name}, attention {config.model.attention}: {parameters:,}"
        f" parameters{part}, {engine.dtype}"
      )
      if engine.initial:
        console.say(f"starts from {engine.initial.told}")
      if trains:
        console.say(
          f"resuming from step {start:,}" if start else "compiling the step ..."
        )
      with engine.compiling(plan) if trains else contextlib.nullcontext():
        state = saved.restore("last", shapes) if start else engine.init(config.seed)

      # Loop: train, look at what may be looked at, keep the best.
      predict = functools.partial(engine.predict, poll=interrupts.poll)
      try:
        state, training = train(
          request, engine, plan, state, start, folder, saved, interrupts,
          curve=selection.curve(config, plan, split, test, predict),
        )  # fmt: skip

        # Evaluation: the chosen state, on test images that nothing has looked at.
        step = plan.num_steps
        if config.select_on != "last":
          step, state = saved.latest("best"), saved.restore("best", engine.abstract())
        turns = selection.test_rotations(config.augment)
        why = handout.final(folder.handout_rows())
        with test.handed_out(why, step) as whole:
          views = predict(state, whole.test, turns, label="testing", mapped=MOST)
          if sentence := no_answer(step, views["probability"]):
            raise InputError(sentence)
          views |= attention.of_views(engine, state, views)
        if k := config.get("evaluate_neighbours", 0):  # the network's second answer
          near = engine.neighbours(state, views, split.train, k, poll=interrupts.poll)
          views |= {"votes": near}
        parts = {k: predict(state, v, 1, label=k) for k, v in further.items()}
        held = None  # what the temperature is fitted on, seen as the test part is
        if len(split.validation):
          held = predict(state, split.validation, turns, label="calibrating")
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
    training |= {"weights": engine.initial.told} if engine.initial else {}
    training |= {"compile_seconds": round(compilation.clock()[0] - spent, 2)}
    if processes.first():
      found = views, parts, held, training
      with test.handed_out(handout.REPORT, step, scored=False) as whole:
        return reporting.finish(request, folder, dataset, tiles, whole, plan, *found)


def ready(config, tiles, split):
  """(plan, `parts_beside_test`): a mistake shows before anything is written."""
  plan = make_plan(config, split.train, tiles)
  selection.check_selection(config, split)
  return plan, selection.parts_beside_test(config, split)


def default_workdir(request, dataset) -> Path:
  """A name made of the config and what differs from its file.

  Images of your own count as a difference: changed images start a new run.
  """
  changed = runs.difference(request.base.to_dict(), request.config.to_dict())
  apart = {"seed", "split.fold" if request.config.split.protocol == "kfold" else ""}
  overrides = {k: new for k, (_, new) in changed.items() if k not in apart}
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


def train(request, engine, plan, state, start, folder, saved, interrupts, curve):
  """Trains from step `start` to the end. Returns (state, what to report)."""
  began, batch, nobody = time.monotonic(), plan.batch_size, contextlib.nullcontext()
  total, held = plan.num_steps * batch, memory.Peak(engine.mesh.local_devices[0])
  with (
    Scalars(folder.tensorboard, start) if processes.first() else nobody as writer,
    console.Progress(total, "training", "image", done=start * batch) as progress,
  ):
    miles = Milestones(request.config, plan, folder, saved, interrupts, writer, curve)
    miles.begin(start)

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
    "peak_memory": held.told(),
  } | engine.trained
