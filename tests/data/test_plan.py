import collections

import numpy as np
import pytest

from histojax.data.plan import EvalPlan, TrainPlan, rotation_of
from histojax.errors import InputError

ROWS = np.array([3, 5, 8, 13, 21, 34, 55])


def plan(**changes):
  arguments = dict(
    rows=ROWS, batch_size=4, epochs=3, seed=0, rotations=36, train_rotations="all",
    rate=lambda step, num_steps: step / num_steps,
  )  # fmt: skip
  return TrainPlan(**(arguments | changes))


def views(plan, steps):
  return [
    pair
    for s in steps
    for pair in zip(
      plan.batch(s)["index"].tolist(), plan.batch(s)["angle"].tolist(), strict=True
    )
  ]


def test_the_rotation_set_is_36_times_10_degrees_identity_included():
  image, angle = rotation_of(np.arange(2 * 36), 36)
  assert image.tolist() == [0] * 36 + [1] * 36
  assert angle.tolist() == [10.0 * i for i in range(36)] * 2


def test_the_paper_s_epoch_is_402_steps():
  paper = plan(rows=np.arange(116 + 135 + 106), batch_size=32, epochs=300)
  assert paper.views == 12_852
  assert paper.steps_per_epoch == 402 and paper.num_steps == 120_600


def test_mode_all_visits_every_view_of_an_epoch_once():
  p = plan(batch_size=9)
  seen = collections.Counter(views(p, range(p.steps_per_epoch)))
  assert seen == {(row, 10.0 * a): 1 for row in ROWS for a in range(36)}


def test_the_last_batch_is_filled_and_nothing_else_repeats():
  p = plan(batch_size=5)
  assert p.steps_per_epoch == 51  # 252 views
  seen = collections.Counter(views(p, range(p.steps_per_epoch)))
  assert len(seen) == 252 and sorted(seen.values())[-3:] == [2, 2, 2]
  assert sum(seen.values()) == 255


def test_mode_random_draws_new_angles_every_epoch():
  p = plan(train_rotations="random", batch_size=7)
  first, second = views(p, [0]), views(p, [1])
  assert sorted(r for r, _ in first) == sorted(r for r, _ in second) == ROWS.tolist()
  assert dict(first) != dict(second)
  assert all(angle % 10 == 0 and 0 <= angle < 360 for _, angle in first)


def test_mode_none_stays_upright():
  assert {angle for _, angle in views(plan(train_rotations="none"), range(6))} == {0.0}


def test_a_batch_depends_on_seed_and_step_alone():
  a, b = plan(), plan()
  forward = [a.batch(s)["index"].tolist() for s in range(a.num_steps)]
  backward = [b.batch(s)["index"].tolist() for s in reversed(range(b.num_steps))]
  assert forward == backward[::-1]
  assert forward != [
    plan(seed=1).batch(s)["index"].tolist() for s in range(a.num_steps)
  ]
  assert a.batch(2)["learning_rate"] == np.float32(2 / a.num_steps)


def test_evaluation_counts_every_view_once_and_marks_padding():
  p = EvalPlan(ROWS, batch_size=8, rotations=4)
  batches = [p.batch(s) for s in range(p.num_steps)]
  assert all(len(b["index"]) == 8 for b in batches)
  weight = np.concatenate([b["weight"] for b in batches])
  index = np.concatenate([b["index"] for b in batches])[weight > 0]
  angle = np.concatenate([b["angle"] for b in batches])[weight > 0]
  assert weight.sum() == p.views == 28
  rows, angles = p.view_of(np.arange(p.views))
  np.testing.assert_array_equal(index, rows)
  np.testing.assert_array_equal(angle, angles)


def test_bad_plans_are_one_sentence():
  with pytest.raises(InputError, match="train_rotations='some'"):
    plan(train_rotations="some")
  with pytest.raises(InputError, match="training needs an image"):
    plan(rows=ROWS[:0])


def test_fewer_views_than_a_batch_and_uncountable_steps_are_refused():
  with pytest.raises(InputError, match="batch_size=9: .* only 8 views .* to 8 or less"):
    plan(rows=np.arange(8), batch_size=9, train_rotations="random")
  plan(rows=np.arange(8), batch_size=8, train_rotations="random")
  with pytest.raises(InputError, match="epochs=300,000,000 are 2,400,000,000 steps"):
    plan(rows=np.arange(8), batch_size=1, epochs=300_000_000, train_rotations="none")
