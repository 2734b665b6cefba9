"""The learning rate over time, and each part's share of it: numbers in a plan's row."""

import dataclasses
import math
from collections.abc import Callable, Sequence

from histojax.errors import InputError, nearest
from histojax.spec import parse, single

FROM_EPOCH = "from_epoch"


@dataclasses.dataclass(frozen=True)
class Constant:
  """Always the same."""

  def __call__(self, step: int, num_steps: int, *, first: int, epochs: int) -> float:
    return 1.0


@dataclasses.dataclass(frozen=True)
class Cosine:
  """Half a cosine from 1 to 0 over what the warm-up leaves."""

  def __call__(self, step: int, num_steps: int, *, first: int, epochs: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * (step - first) / (num_steps - first)))


@dataclasses.dataclass(frozen=True)
class Step:
  """Times `factor` at the beginning of every epoch of `at`, counted from 0."""

  at: tuple = (40, 60)
  factor: float = 0.1

  def __call__(self, step: int, num_steps: int, *, first: int, epochs: int) -> float:
    epoch = step * epochs // num_steps
    return self.factor ** sum(epoch >= at for at in self.at)


SCHEDULES = {"constant": Constant, "cosine": Cosine, "step": Step}


@dataclasses.dataclass(frozen=True)
class Rate:
  """(step, num_steps) -> learning rate: a linear warm-up to `peak`, then a schedule.

  `warmup` counts epochs; None is none, but for the cosine 5 % of the steps.
  """

  schedule: Callable
  peak: float
  epochs: int
  warmup: float | None

  def __call__(self, step: int, num_steps: int) -> float:
    if self.warmup is not None:
      first = round(self.warmup * num_steps / self.epochs)
    else:
      first = max(1, num_steps // 20) if isinstance(self.schedule, Cosine) else 0
    if step < first:
      return self.peak * (step + 1) / first
    return self.peak * self.schedule(step, num_steps, first=first, epochs=self.epochs)


def rate(
  schedule: str, learning_rate: float, *, epochs: int = 1, warmup: float | None = None
) -> Rate:
  """The rate of a spec such as 'cosine' or 'step(at=(40, 60), factor=0.1)'.

  Raises:
    InputError: an unknown schedule, a rate that is not positive, a warm-up that does
      not end in time.
  """
  what = "optimizer.schedule"
  name, kwargs = single(schedule, known=SCHEDULES, what=what)
  if not learning_rate > 0:
    raise InputError(f"optimizer.learning_rate={learning_rate}: must be positive")
  if warmup is not None and not 0 <= warmup < epochs:
    raise InputError(
      f"optimizer.warmup={warmup}: give fewer epochs than the run has ({epochs})"
    )
  if not all(type(at) in (int, float) for at in kwargs.get("at", ())):
    raise InputError(f"{what}={schedule!r}: at must hold epochs, such as at=(40, 60)")
  if not 0 < kwargs.get("factor", 1) <= 1:
    raise InputError(f"{what}={schedule!r}: give a factor greater than 0, up to 1")
  return Rate(SCHEDULES[name](**kwargs), learning_rate, epochs, warmup)


@dataclasses.dataclass(frozen=True)
class Shares:
  """epoch -> {part: its share of the learning rate}; 0 is not trained yet.

  `layer_decay` ** (how many parts stand behind it), as ULMFiT (Howard and Ruder, 2018,
  https://arxiv.org/abs/1801.06146) and BEiT give the first layers the smallest rate;
  `start` is the epoch from which a part trains, 0 where it is not named. A part that
  waits still normalises by the batch, and its running statistics go on: what must stay
  as it is for the whole run is for model.freeze.
  """

  parts: tuple[str, ...]
  layer_decay: float
  start: tuple[tuple[str, int], ...]

  def __call__(self, epoch: int) -> dict[str, float]:
    behind, start = range(len(self.parts) - 1, -1, -1), dict(self.start)
    return {
      part: self.layer_decay**n if epoch >= start.get(part, 0) else 0.0
      for part, n in zip(self.parts, behind, strict=True)
    }


def shares(parts: Sequence[str], layer_decay: float, unfreeze: str) -> Shares:
  """Of 'from_epoch(stage5=2, stage4=4)' and a decay; 'none' trains all from the start.

  `parts` are the trained parts of the network, in order.

  Raises:
    InputError: a part that is not trained, an epoch that is none, a first epoch in
      which nothing trains.
  """
  what, start = f"optimizer.unfreeze={unfreeze!r}", {}
  stages = parse(unfreeze, known=[FROM_EPOCH], what="optimizer.unfreeze")
  for _, kwargs in [term for stage in stages for term in stage]:
    start |= kwargs
  for part, epoch in start.items():
    if part not in parts:
      raise InputError(f"{what}: {part!r} is no trained part; {nearest(part, parts)}")
    if type(epoch) is not int or epoch < 0:
      raise InputError(f"{what}: the epoch of {part} must be a whole number from 0")
  if parts and min(start.get(part, 0) for part in parts):
    raise InputError(f"{what}: no part trains in the first epoch; leave the head out")
  return Shares(tuple(parts), layer_decay, tuple(start.items()))
