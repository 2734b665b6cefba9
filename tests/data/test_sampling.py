"""Which views stand in an epoch."""

import collections

import numpy as np
import pytest

from histojax.data import sampling
from histojax.data.plan import TrainPlan, flip_of
from histojax.errors import InputError

LABELS = np.array([0] * 12 + [1] * 5 + [2] * 3)
ROWS = np.arange(100, 120)


def plan(**changes):
  arguments = dict(
    rows=ROWS, batch_size=4, epochs=3, seed=0, rotations=4, train_rotations="none",
    rate=lambda step, num_steps: 0.1, labels=LABELS,
  )  # fmt: skip
  return TrainPlan(**(arguments | changes))


def epoch(plan, number=0):
  each = range(number * plan.steps_per_epoch, (number + 1) * plan.steps_per_epoch)
  rows = [plan.batch(step) for step in each]
  return {
    k: np.concatenate([r[k] for r in rows]) for k in rows[0] if np.ndim(rows[0][k])
  }


def test_balanced_epochs_hold_every_class_equally_often():
  p = plan(sampling="balanced")
  for number in range(3):
    index = epoch(p, number)["index"]
    assert len(index) == p.views == 20  # as long as a uniform one
    counts = np.bincount(LABELS[index - 100])
    assert sorted(counts) == [6, 7, 7]
    images = collections.Counter(index.tolist())
    for label in range(3):  # within a class as often as each other, but for one
      own = [images[row] for row in ROWS[LABELS == label]]
      assert max(own) - min(own) <= 1
  first, second = epoch(p, 0)["index"], epoch(p, 1)["index"]
  assert sorted(first) != sorted(second)  # others of the large class
  np.testing.assert_array_equal(first, epoch(plan(sampling="balanced"), 0)["index"])


def test_what_is_left_over_goes_to_classes_by_lot():
  p = plan(sampling="balanced", epochs=40)
  favoured = {
    tuple(np.bincount(LABELS[epoch(p, number)["index"] - 100])) for number in range(40)
  }
  assert favoured == {(6, 7, 7), (7, 6, 7), (7, 7, 6)}


def test_balanced_deals_out_rotations_and_flips_too():
  p = plan(sampling="balanced", train_rotations="all", flip="all", batch_size=16)
  found = epoch(p)
  assert len(found["index"]) == 20 * 4 * 4
  counts = np.bincount(LABELS[found["index"] - 100])
  assert sorted(counts) == [106, 107, 107]
  large = found["index"] < 112
  views = zip(
    found["index"][large], found["angle"][large], map(tuple, found["flip"][large]),
    strict=True,
  )  # fmt: skip
  assert max(collections.Counter(views).values()) == 1  # 107 of 192 views, none twice


def test_uniform_is_the_permutation_that_it_was():
  expected = np.random.default_rng([0, 1]).permutation(20)
  np.testing.assert_array_equal(epoch(plan(), 1)["index"], ROWS[expected])


def test_all_four_flips_of_every_view_in_every_epoch():
  p = plan(flip="all", train_rotations="all", batch_size=16)
  found = epoch(p)
  views = collections.Counter(
    zip(found["index"], found["angle"], map(tuple, found["flip"]), strict=True)
  )
  signs = [(1, 1), (-1, 1), (1, -1), (-1, -1)]
  angles = (0, 90, 180, 270)
  assert views == {(row, a, s): 1 for row in ROWS for a in angles for s in signs}
  view, sign = flip_of(np.arange(8))
  assert view.tolist() == [0] * 4 + [1] * 4 and sign[:4].tolist() == [
    list(s) for s in signs
  ]


def test_the_cervix_paper_s_epoch_is_270_steps():
  cells = plan(
    rows=np.arange(3239), labels=np.zeros(3239, int), flip="all", batch_size=48
  )
  assert cells.views == 12_956 and cells.steps_per_epoch == 270


def test_a_row_carries_what_was_asked_for_and_no_more():
  assert plan().batch(0).keys() == {"index", "angle", "learning_rate"}
  asked = plan(
    flip="all",
    class_weights=np.array([1, 2, 0.5]),
    shares=lambda epoch: {"head": epoch},
  )
  row = asked.batch(asked.steps_per_epoch * 2)
  assert row["class_weights"].shape == (4, 3) and row["class_weights"][3, 2] == 0.5
  assert row["share_head"] == 2 and row["share_head"].dtype == np.float32
  assert row["flip"].shape == (4, 2) and row["flip"].dtype == np.float32


def test_unknown_sampling_names_the_nearest():
  with pytest.raises(InputError, match="sampling='balance': did you mean 'balanced'"):
    plan(sampling="balance")
  assert "uniform" in sampling.SAMPLING
