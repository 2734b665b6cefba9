"""Heads of one frozen backbone, trained side by side on its cached features.

Members of one fold and seed see the same batches: they are one stream, whose features
are gathered once for all its heads. Streams of equal shapes run one after the other
through one compiled program (measured on two cores: as fast as all at once, in a
smaller cache). What a member leaves is a run folder at its last step, as if it had been
trained alone; `experiment.one` evaluates and reports it.
"""

import contextlib
import functools
import json
import time
from collections.abc import Callable

import jax
import numpy as np

from histojax import checkpoint, console, memory, steps
from histojax.data import handout
from histojax.data.plan import EvalPlan
from histojax.engine import objective
from histojax.errors import InputError
from histojax.milestones import no_answer, not_finite, scored
from histojax.studies import features, heads, status
from histojax.tensorboard import Scalars

MOST = 1000  # steps of one call: signals are heard between two
# what heads of one stream may differ in, besides their loss's weights and their rate
APART = {"split", "evaluate_parts", "evaluate_neighbours", "log_every", "published"}


class Member:
  """One head on its way: its plan's rows, what it has logged, its best state so far.

  config, plan, split, folder and identity as in `experiment.one`. The test part of the
  split is not looked at.
  """

  def __init__(self, config, plan, split, folder, identity):
    self.config, self.plan, self.folder = config, plan, folder
    self.identity, self.validation = identity, split.validation
    _, self.test = handout.seal(split, folder.append_handout)
    self.rows, self.best, self.chosen, self.last = [], -np.inf, None, None
    self.error, self.features, self.trained = "", None, {}

  def log(self, start: int, metrics: dict) -> None:
    """Adds the metrics [T] of the steps behind `start`, until one is not finite."""
    for t in range(len(metrics["loss"])):
      row = {"step": start + t + 1} | {k: float(v[t]) for k, v in metrics.items()}
      self.error = self.error or not_finite(row["step"], row["loss"])
      if self.error:
        return
      self.rows.append(row)

  def look(self, step: int, labels, found: dict, state: Callable) -> None:
    """Adds the scores of a look at the validation part; keeps the best `state()`."""
    if self.error:
      return
    self.error = no_answer(step, found["probability"])
    if self.error:
      return
    row = scored("validation", step, {"label": labels} | found)
    self.rows.append(row)
    if row["validation/balanced_accuracy"] > self.best:  # the first of equals stays
      self.best = row["validation/balanced_accuracy"]
      self.chosen = step, state()


def train(members: list[Member], engines: list, *, poll) -> list[str]:
  """Trains members side by side, and leaves each as a run folder at its last step.

  Args:
    engines: of each member its own; those of equal networks are one.
    poll: called between epochs and views; raises where a signal has arrived.

  Returns:
    Of each member what went wrong, '' where nothing did. Nothing is written before all
    of a stream are trained.
  """
  found = {}
  for member, engine in zip(members, engines, strict=True):
    found.setdefault(stream(member), []).append((member, engine))
  total = sum(m.plan.num_steps * m.plan.batch_size for m in members)
  caches = {}
  with console.Progress(total, "training heads", "image") as progress:
    for sharing in found.values():
      together, engine = [member for member, _ in sharing], sharing[0][1]
      config = together[0].config
      try:
        state = engine.init(config.seed)
        name = features.fingerprint(config, engine, state)
        if name not in caches:  # one at a time is held
          caches = {name: features.cached(config, engine, state, name, poll)}
        _run(together, engine, state, caches[name], progress, poll)
      except status.FAILURES as error:
        for member in together:
          member.error = status.sentence(error)
        continue
      for member in together:
        member.features = caches[name]
        if not member.error:
          with _told(member):
            _leave(member, state)
  return [member.error for member in members]


def stream(member: Member) -> tuple:
  """Members with equal ones see equal batches, and run in one program."""
  config, plan = member.config.to_dict(), member.plan
  own = APART | {"loss", "optimizer"}
  same = {k: v for k, v in config.items() if k not in own}
  rate = ("learning_rate", "schedule", "warmup")
  same["optimizer"] = {k: v for k, v in config["optimizer"].items() if k not in rate}
  rows = plan.rows.tobytes(), np.asarray(member.validation).tobytes()
  loss = objective(member.config)["loss"], plan.class_weights is None
  return json.dumps(same, sort_keys=True), rows, loss


def _run(together, engine, state, held, progress, poll) -> None:
  """Trains the heads of one stream to the end; see `Member`."""
  config, plan = together[0].config, together[0].plan
  of_head = heads.parts(config, engine.model, held)
  on = heads.on_features(config, engine, held)
  stacked = heads.stack([heads.only(state) for _ in together])
  began, count = time.monotonic(), len(together)
  warm = began, 0  # when how many steps were done, and all that they need compiled
  peak = memory.Peak(engine.mesh.local_devices[0])
  for start, stop in spans(plan):
    rows = rows_of([member.plan for member in together], start, stop)
    stacked, metrics = program(**of_head)(stacked, on.resident, rows)
    metrics = jax.device_get(metrics) | {"learning_rate": rows["learning_rate"]}
    metrics = {k: v.T for k, v in metrics.items()}  # [H, T]
    for i, member in enumerate(together):
      member.log(start, {k: v[i] for k, v in metrics.items()})
    progress.advance(len(together) * (stop - start) * plan.batch_size)
    last = stop == plan.num_steps
    due = stop % (config.evaluate_every * plan.steps_per_epoch) == 0 or last
    if due and config.select_on == "validation":
      _look(together, stacked, stop, on, of_head)
    poll()
    if not start and not last:
      warm = time.monotonic(), stop
  ended, images = time.monotonic(), count * (plan.num_steps - warm[1]) * plan.batch_size
  for i, member in enumerate(together):
    member.trained = {
      "resumed_from_step": 0,
      "images_per_second": round(images / (ended - warm[0]), 1),  # of all of them
      "seconds": round((ended - began) / count, 3),  # its share
      "peak_memory": peak.told(),
      "heads_at_once": count,
    }
    member.last = plan.num_steps, heads.one_of(stacked, i)


def spans(plan):
  """Yields (start, stop) of the steps that one call of the program does: an epoch, or
  `MOST` steps of a longer one."""
  for epoch in range(plan.epochs):
    start, end = (plan.steps_per_epoch * n for n in (epoch, epoch + 1))
    for at in range(start, end, MOST):
      yield at, min(at + MOST, end)


def rows_of(plans: list, start: int, stop: int) -> dict[str, np.ndarray]:
  """The rows of steps of one epoch, of plans that share their batches, for a scan.

  `index` int32 and `angle` float32 [T, B], `flip` [T, B, 2]; of each head its own
  `learning_rate`, `share_<part>` [T, H] and `class_weights` [T, H, K].
  """
  first, at = plans[0], range(start, stop)
  batches = [first.batch(step) for step in at]
  shared = [key for key in ("index", "angle", "flip") if key in batches[0]]
  found = {key: np.stack([batch[key] for batch in batches]) for key in shared}
  rates = [[plan.rate(step, plan.num_steps) for plan in plans] for step in at]
  found["learning_rate"] = np.float32(rates)

  def every_step(value):  # [H, ...] -> [T, H, ...]
    value = np.float32(value)
    return np.broadcast_to(value, (len(at), *value.shape))

  if first.class_weights is not None:
    found["class_weights"] = every_step([plan.class_weights for plan in plans])
  if first.shares is not None:
    for part, share in first.shares(start // first.steps_per_epoch).items():
      found[f"share_{part}"] = every_step([share] * len(plans))
  return found


@functools.cache
def program(**of_head):
  """(stacked, tiles, rows) -> (stacked, metrics [T, H]): a scan of train_step."""

  def run(stacked, tiles, rows):
    step = functools.partial(heads.train_step, **of_head)
    return jax.lax.scan(lambda state, row: step(state, tiles, row), stacked, rows)

  return jax.jit(run)  # nothing is donated: the best states are kept


@functools.cache
def _look_program(model, view):
  return jax.jit(functools.partial(heads.eval_step, model=model, view=view))


def _look(together, stacked, step, on, of_head) -> None:
  """All heads at the upright validation images, as `Engine.predict` batches them."""
  rows = together[0].validation
  plan, outputs = EvalPlan(rows, on.batch_size, 1), []
  look = _look_program(of_head["model"], of_head["view"])
  for at in range(plan.num_steps):
    row = plan.batch(at)
    del row["weight"]
    outputs.append(look(stacked, on.resident, row))
  outputs = jax.device_get(outputs)
  found = {k: np.concatenate([o[k] for o in outputs], axis=1) for k in outputs[0]}
  found = {k: v[:, : plan.views] for k, v in found.items()}  # the rest is padding
  labels = on.tiles.label[rows]
  for i, member in enumerate(together):
    own = {k: v[i] for k, v in found.items()}
    member.look(step, labels, own, functools.partial(heads.one_of, stacked, i))


@contextlib.contextmanager
def _told(member: Member):
  """A folder that cannot be written stops no other member."""
  try:
    yield
  except InputError as error:
    member.error = str(error)


def _leave(member: Member, state: steps.TrainState) -> None:
  """The run folder of a trained member, but for its evaluation and report."""
  folder, config = member.folder, member.config
  with folder.ours():
    if not folder.begun(*member.identity):
      folder.create(*member.identity)
      member.test.note(handout.AUDIT, scored=False)
    folder.truncate_metrics(0)
    folder.append_metrics(member.rows)
    with Scalars(folder.tensorboard, 0) as writer:
      for row in member.rows:
        for name, value in row.items():
          tag = name if "/" in name else f"train/{name}"
          writer.add_scalar(tag, value, row["step"])
    with checkpoint.Checkpoints(
      folder.checkpoints, keep=config.checkpoint.keep
    ) as saved:
      if member.chosen:
        _save(saved, "best", *member.chosen, state)
      _save(saved, "last", *member.last, state)  # as the seal: it is the end


def _save(saved, name: str, step: int, head, state) -> None:
  saved.save(name, step, heads.whole(head, state), wait=True)
