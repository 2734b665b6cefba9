"""The learning rate over time, and each part's share of it."""

import numpy as np
import pytest

from histojax import schedules
from histojax.errors import InputError


def rates(spec, epochs=20, steps=10, **options):
  rate = schedules.rate(spec, 0.5, epochs=epochs, **options)
  return [rate(step, epochs * steps) for step in range(epochs * steps)]


def test_constant_and_cosine_without_a_word_of_warmup():
  assert set(rates("constant")) == {0.5}
  cosine = rates("cosine")
  assert cosine[0] == 0.05 and cosine[9] == 0.5 and max(cosine) == 0.5
  assert all(a > b for a, b in zip(cosine[10:], cosine[11:], strict=False))
  assert 0 < cosine[-1] < 1e-3
  assert cosine[105] == pytest.approx(0.25, rel=0.01)


def test_steps_fall_at_the_beginning_of_their_epochs():
  found = rates("step(at=(4, 6), factor=0.1)", epochs=8)
  expected = [0.5] * 40 + [0.05] * 20 + [0.005] * 20
  np.testing.assert_allclose(found, expected, rtol=1e-12)
  assert rates("step", epochs=8) == [0.5] * 80  # at 40 and 60, which do not come


@pytest.mark.parametrize("spec", ["constant", "cosine", "step(at=(4,), factor=0.1)"])
def test_warmup_counts_epochs_and_meets_the_schedule(spec):
  found, without = rates(spec, warmup=2.5), rates(spec, warmup=0)
  np.testing.assert_allclose(found[:25], [0.5 * (i + 1) / 25 for i in range(25)])
  if spec == "cosine":
    assert without[0] == 0.5  # nothing to warm up
    at = np.arange(175) / 175
    np.testing.assert_allclose(found[25:], 0.25 * (1 + np.cos(np.pi * at)), rtol=1e-9)
  else:
    assert found[25:] == without[25:]


def test_mistakes_are_one_sentence():
  for spec, options, sentence in (
    ("cosin", {}, "did you mean 'cosine'"),
    ("none", {}, "give one of constant, cosine, step"),
    ("step(at=40)", {}, "takes a value like"),
    ("step(at=('a',))", {}, "at must hold epochs"),
    ("step(factor=0.0)", {}, "a factor greater than 0"),
    ("cosine", {"warmup": 20}, "fewer epochs than the run has .20."),
    ("cosine", {"warmup": -1}, "fewer epochs than the run has"),
  ):
    with pytest.raises(InputError, match=sentence):
      rates(spec, **options)
  with pytest.raises(InputError, match="must be positive"):
    schedules.rate("cosine", 0.0)


PARTS = ("stem", "stage2", "stage3", "head")


def test_layers_near_the_image_learn_slower():
  found = schedules.shares(PARTS, 0.5, "none")(0)
  assert found == {"stem": 0.125, "stage2": 0.25, "stage3": 0.5, "head": 1.0}


def test_parts_join_at_their_epochs():
  found = schedules.shares(PARTS, 1.0, "from_epoch(stage3=2, stage2=4, stem=4)")
  on = [[part for part in PARTS if found(epoch)[part]] for epoch in range(6)]
  assert on == [["head"]] * 2 + [["stage3", "head"]] * 2 + [list(PARTS)] * 2


def test_parts_that_cannot_be():
  for unfreeze, sentence in (
    ("from_epoch(stage9=2)", "no trained part; did you mean 'stage"),
    ("from_epoch(stem=0.5)", "epoch of stem must be a whole number"),
    ("from_epoch(stem=1, stage2=1, stage3=1, head=1)", "no part trains in the first"),
    ("form_epoch(stem=1)", "did you mean 'from_epoch'"),
  ):
    with pytest.raises(InputError, match=sentence):
      schedules.shares(PARTS, 1.0, unfreeze)
