"""The loop: every step once, logged one behind."""

import pytest

from histojax import loop


def fake_fit(start=0, num_steps=7, flush_at=3, boundary=None):
  seen, recorded, ticks = [], [], []

  def step(state, tiles, row):
    return state + 1, {"loss": float(row)}

  def default(done, state, flush):
    seen.append((done, state))
    if done % flush_at == 0:
      flush(keep=1)

  state = loop.fit(
    start,
    step,
    iter([(None, i) for i in range(start, num_steps)]),
    start=start,
    num_steps=num_steps,
    boundary=boundary or default,
    record=recorded.extend,
    tick=lambda: ticks.append(1),
  )
  return state, seen, recorded, ticks


@pytest.mark.parametrize("start", [0, 4, 7])
def test_every_step_is_taken_and_recorded_once(start):
  state, seen, recorded, ticks = fake_fit(start)
  assert state == 7
  assert seen == [(i, i) for i in range(start, 8)]
  assert [step for step, _ in recorded] == list(range(start + 1, 8))
  assert [m["loss"] for _, m in recorded] == list(range(start, 7))
  assert len(ticks) == max(0, 7 - start - 1)
