"""SGD and the learning rate over time.

The rate is data: the plan's row carries it into the step, so neither the length of a
schedule nor its shape is a constant of the compiled program.
"""

import functools
import math

import optax

from histojax.errors import InputError, nearest


@functools.cache  # one object per setting, so that equal settings share a program
def sgd(momentum: float, weight_decay: float) -> optax.GradientTransformation:
  """SGD at unit rate; the step multiplies its update by the row's learning rate.

  v <- momentum v + (g + weight_decay w);  w <- w - rate v. Momentum 0 is the plain
  update w <- w - rate g (liver paper, eq. 3).
  """
  descent = optax.sgd(learning_rate=1.0, momentum=momentum or None)
  if not weight_decay:
    return descent
  return optax.chain(optax.add_decayed_weights(weight_decay), descent)


def constant(step: int, num_steps: int, *, peak: float) -> float:
  del step, num_steps
  return peak


def cosine(step: int, num_steps: int, *, peak: float) -> float:
  """Linear warm-up over the first 5 % of the steps, then half a cosine to 0."""
  warmup = max(1, num_steps // 20)
  if step < warmup:
    return peak * (step + 1) / warmup
  return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (num_steps - warmup)))


SCHEDULES = {"constant": constant, "cosine": cosine}


def rate(schedule: str, learning_rate: float):
  """(step, num_steps) -> learning rate.

  Raises:
    InputError: an unknown schedule or a rate that is not positive.
  """
  if schedule not in SCHEDULES:
    raise InputError(f"optimizer.schedule={schedule!r}: {nearest(schedule, SCHEDULES)}")
  if not learning_rate > 0:
    raise InputError(f"optimizer.learning_rate={learning_rate}: must be positive")
  return functools.partial(SCHEDULES[schedule], peak=learning_rate)
