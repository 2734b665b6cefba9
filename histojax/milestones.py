"""What happens between steps: log, evaluate, keep the best, save, notice signals."""

import math
import time

import jax
import numpy as np

from histojax import processes
from histojax.errors import InputError
from histojax.evaluation import confusion
from histojax.interrupts import Interrupted

SELECT_ON = ("validation", "last", "test")


class Milestones:
  """The side effects of `loop.fit`.

  Evaluation, saving and logging follow the step number, so that a resumed run repeats
  exactly what an uninterrupted one does; saving by the clock only adds checkpoints.
  `curve` is a function (step, state) -> what `Engine.predict` returns, or None where
  nothing may be looked at before the end.
  """

  def __init__(self, config, plan, folder, checkpoints, interrupts, writer, curve):
    self.folder, self.checkpoints, self.interrupts = folder, checkpoints, interrupts
    self.writer, self.plan, self.curve = writer, plan, curve
    self.part, self.log_every = config.select_on, config.log_every
    self.every = config.evaluate_every * plan.steps_per_epoch
    self.save_seconds = config.checkpoint.every_minutes * 60
    self.saved_at, self.key = time.monotonic(), f"{self.part}/balanced_accuracy"

  def begin(self, step: int) -> None:
    """Drops what was logged after `step`; recalls the best score up to it."""
    rows = self.folder.truncate_metrics(step)
    self.newest = {k: v for row in rows for k, v in row.items()}
    scores = [(row["step"], row[self.key]) for row in rows if self.key in row]
    evaluated_at = max((at for at, _ in scores), default=-1)
    best = max((score for _, score in scores), default=-math.inf)
    self.evaluated_at, self.best = processes.same(lambda: [evaluated_at, best])

  def boundary(self, step: int, state, flush) -> None:
    """See `loop.fit`. The state is saved before a signal ends the run."""
    last = step == self.plan.num_steps
    due = step > 0 and (step % self.every == 0 or last)
    try:
      self.checkpoints.check()
      self.interrupts.poll()
      late = time.monotonic() - self.saved_at > self.save_seconds
      if due or processes.save(late):  # by any process's clock
        flush()
        self.checkpoints.save("last", step, state, wait=last)
        self.saved_at = time.monotonic()
      elif step % self.log_every == 0:
        flush(keep=1)  # not the newest: reading it would stall the device
      if due and self.curve and self.evaluated_at < step:
        self._evaluate(step, state)  # after the save: a kill amid it costs no step
      self.interrupts.poll()
    except Interrupted:
      flush()
      self.checkpoints.save("last", step, state, wait=True)
      raise

  def record(self, pending) -> None:
    """Logs finished steps.

    Raises:
      InputError: a loss is not a finite number.
    """
    rows = []
    for step, metrics in jax.device_get(pending):
      rate = float(self.plan.batch(step - 1)["learning_rate"])
      row = {"step": step} | {k: float(v) for k, v in metrics.items()}
      rows.append(row | {"learning_rate": rate})
      if sentence := not_finite(step, row["loss"]):
        raise InputError(sentence)
    self._write(rows)

  def _evaluate(self, step: int, state) -> None:
    outputs = self.curve(step, state)
    if sentence := no_answer(step, outputs["probability"]):
      raise InputError(sentence)
    row = scored(self.part, step, outputs)
    if row[self.key] > self.best:  # the first of equals stays
      self.best = row[self.key]
      self.checkpoints.save("best", step, state, wait=True)
    self._write([row])  # after the save: a kill between the two evaluates again
    self.evaluated_at = step

  def _write(self, rows: list[dict]) -> None:
    if not processes.first():
      return
    self.folder.append_metrics(rows)
    for row in rows:
      self.newest |= row
      for name, value in row.items():
        tag = name if "/" in name else f"train/{name}"
        self.writer.add_scalar(tag, value, row["step"])

  def note(self) -> str:
    """The newest numbers, for the progress bar."""
    shown = {"loss": "loss", self.key: f"{self.part} bal.acc."}
    return ", ".join(
      f"{n} {self.newest[k]:.3f}" for k, n in shown.items() if k in self.newest
    )


def scored(part: str, step: int, outputs: dict) -> dict:
  """The row of metrics.jsonl of what `Engine.predict` found on a part at a step."""
  probability = outputs["probability"]
  matrix = confusion.confusion_matrix(
    outputs["label"], probability.argmax(-1), probability.shape[-1]
  )
  values = confusion.metrics(matrix) | {"loss": outputs["loss"].mean()}
  names = ("loss", "accuracy", "balanced_accuracy", "macro_f1")
  return {"step": step} | {f"{part}/{name}": float(values[name]) for name in names}


def not_finite(step: int, loss: float) -> str:
  """What to tell of a loss that is not a finite number; '' of one that is."""
  if math.isfinite(loss):
    return ""
  return (
    f"the loss is {loss} at step {step}: lower optimizer.learning_rate and start again;"
    " checkpoints of earlier steps are whole"
  )


def no_answer(step: int, probability) -> str:
  """What to tell of probabilities that are no finite numbers; '' of others.

  The last update may be the one that breaks a network, and no loss has seen it.
  """
  if np.isfinite(probability).all():
    return ""
  return (
    f"the network of step {step} answers with no finite numbers: lower"
    " optimizer.learning_rate and start again"
  )
