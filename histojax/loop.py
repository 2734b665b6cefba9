"""The training loop: dispatch, wait for the step before, call the milestones."""

import jax


def fit(state, step, batches, *, start, num_steps, boundary, record, tick):
  """Runs `step` from `start` to `num_steps`; every side effect is a callback.

  Args:
    state: a TrainState of `start` finished steps (donated to `step`).
    step: (state, tiles, row) -> (state, metrics).
    batches: yields (tiles, row) on the device, from step `start` on.
    boundary: (steps finished, state, flush), before the first step and after every one:
      evaluates, saves and polls signals where due. `flush(keep=0)` records the pending
      steps but the newest `keep`.
    record: takes a list of (steps finished, metrics on the device).
    tick: called when a step is known to be finished.

  Returns:
    The final state.
  """
  pending, before = [], None

  def flush(keep=0):
    ready = len(pending) - keep
    record(pending[:ready])
    del pending[:ready]

  boundary(start, state, flush)
  for i in range(start, num_steps):
    with jax.profiler.StepTraceAnnotation("train", step_num=i):
      state, metrics = step(state, *next(batches))  # returns before it is computed
    pending.append((i + 1, metrics))
    if before is not None:  # at most one step ahead of the device: signals stay prompt
      jax.block_until_ready(before)
      tick()
    before = metrics
    boundary(i + 1, state, flush)
  flush()
  return state
