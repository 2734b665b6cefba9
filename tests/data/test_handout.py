"""The test part is out of reach unless it is handed out, and that is written down."""

import dataclasses

import numpy as np
import pytest
from test_splits import cohort, config

from histojax.data import handout, pipeline, splits
from histojax.data.handout import Withheld
from histojax.data.plan import EvalPlan, TrainPlan


@pytest.fixture
def kept():
  tiles, rows = cohort(), []
  whole = splits.make(tiles, config("grouped"))
  split, test = handout.seal(whole, rows.append)
  return whole, split, test, test.guard(tiles), rows


def read(plan, tiles, streamed=False):
  return list(pipeline.rows(plan, tiles, start=0, streamed=streamed))


def training(rows):
  return TrainPlan(rows, 8, 1, 0, 1, "none", lambda step, num_steps: 0.1)


def test_a_sealed_split_has_no_test_part(kept):
  whole, split, *_ = kept
  with pytest.raises(Withheld, match="handed_out"):
    _ = split.test
  assert set(split.parts()) == {"train", "validation"}
  held = [*vars(split).values(), *dataclasses.astuple(split)]
  assert not any(np.isin(whole.test, rows).any() for rows in held)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_source_refuses_plans_over_test_rows(kept, streamed):
  whole, split, _, tiles, log = kept
  mixed = np.append(split.train, whole.test[5])  # one is enough
  for plan in (
    EvalPlan(whole.test, 8, 1),
    EvalPlan(np.arange(len(tiles)), 8, 4),
    EvalPlan(np.setdiff1d(np.arange(len(tiles)), split.train), 8, 1),
    EvalPlan(mixed, 8, 1),
    training(whole.test),
    training(mixed),
  ):
    with pytest.raises(Withheld, match="rows of the test part"):
      read(plan, tiles, streamed)
    with pytest.raises(Withheld):  # not only from the first step on
      pipeline.rows(plan, tiles, start=plan.num_steps - 1, streamed=streamed)
  assert log == []  # what was refused was not handed out
  assert read(training(split.train), tiles, streamed)
  assert read(EvalPlan(split.validation, 8, 2), tiles, streamed)


def test_it_is_out_within_and_not_behind(kept):
  whole, _, test, tiles, log = kept
  plan = EvalPlan(whole.test, 8, 1)
  with test.handed_out(handout.FINAL, 7) as given:
    assert len(log) == 1  # written before anything is seen
    np.testing.assert_array_equal(given.test, whole.test)
    assert len(read(plan, tiles)) == plan.num_steps
    with test.handed_out("maps", 7, scored=False):
      pass
    assert read(plan, tiles)  # the inner one takes nothing away
  with pytest.raises(Withheld):
    read(EvalPlan(given.test, 8, 1), tiles)
  with pytest.raises(KeyError), test.handed_out("a mistake", 7):
    raise KeyError
  with pytest.raises(Withheld):
    read(plan, tiles)
  assert [(row["why"], row["scored"]) for row in log] == [
    (handout.FINAL, True), ("maps", False), ("a mistake", True),
  ]  # fmt: skip
  assert log[0]["step"] == 7 and log[0]["images"] == len(whole.test)


def test_what_cannot_be_written_down_is_not_handed_out(kept):
  whole, *_ = kept

  def full(row):
    raise OSError("No space left on device")

  _, test = handout.seal(whole, full)
  with pytest.raises(OSError), test.handed_out(handout.FINAL):
    raise AssertionError("handed out")
  with pytest.raises(Withheld):
    test.admit(whole.test)


def test_tiles_copied_from_guarded_ones_are_guarded(kept):
  whole, _, _, tiles, _ = kept
  copied = dataclasses.replace(tiles, label=tiles.label + 0)
  with pytest.raises(Withheld):
    read(EvalPlan(whole.test, 8, 1), copied)


def test_the_sentence_counts_what_was_scored():
  def rows(*why, scored=True):
    return [{"why": reason, "scored": scored} for reason in why]

  audit = rows(handout.AUDIT, handout.REPORT, scored=False)
  once = audit + rows(handout.FINAL)
  assert handout.sentence(once) == ""
  assert handout.final(audit) == handout.FINAL
  assert handout.final(once) == handout.AGAIN
  chosen = rows(*(handout.CHOOSING.format(e) for e in (1, 2, 2.5)))
  assert handout.sentence(once + chosen + rows(handout.AGAIN, handout.AGAIN)) == (
    "The test part was looked at 6 times: 3 times to choose the epoch (select_on=test),"
    " once for the final evaluation, twice to evaluate again."
  )
  torn = once + [{"why": "an unreadable line of the log"}]
  assert handout.sentence(torn).startswith("The test part was looked at 2 times")
  folds = [{"fold": i} | row for i in (0, 1, 2) for row in once]
  assert handout.of_folds(folds) == ""
  again = folds + [{"fold": i, "why": handout.AGAIN, "scored": True} for i in (0, 2)]
  assert handout.of_folds(again) == (
    "Fold 0, 2: The test part was looked at 2 times: once for the final evaluation,"
    " once to evaluate again."
  )
