"""The first lines of a report: against what needs no tissue, and what limits them."""

import itertools

import numpy as np
import pytest
from scipy import special, stats
from test_report import example, said, words

from histojax.evaluation import against, paired
from histojax.evaluation.confusion import by_group, confusion_matrix, metrics
from histojax.evaluation.verdict import verdict

CLASSES = ("poor", "moderate", "well")


def test_a_plain_win_is_said_plainly():
  held = example()
  told, pair = verdict(held), held["against"]["pairs"]["colour_histogram"]
  assert told["beats_baselines"] is True and told["tone"] == "good"
  first, second = told["sentences"]
  assert first == f"{told['headline']} on 72 held-out images from 12 slides."
  assert second == (
    f"The network beats the colour histogram ({pair['score']:.2f}), its best baseline:"
    f" +{pair['value']:.2f}, 95 % CI {pair['low']:.2f} to {pair['high']:.2f},"
    " p < 0.001, 12 slides; chance is 0.33."
  )


def test_a_network_that_sees_only_colour_is_told_so():
  for right, colour, verb in ((1, 4, "is worse than"), (4, 4, "does not beat")):
    told = verdict(example(right=right, colour=colour))
    assert told["beats_baselines"] is False and told["tone"] == "bad"
    assert told["sentences"][1].startswith(f"The network {verb} the colour histogram (")
  assert "+0.00, 95 % CI 0.00 to 0.00, p = 1.00, 12 slides" in told["sentences"][1]


def test_a_lead_that_chance_could_give_is_no_lead():
  """Three images of one slide more than the baseline, one fewer of two others."""
  held = example()
  label, prediction, group = said(CLASSES, 4)
  theirs = prediction.copy()
  theirs[:3] = (label[:3] + 1) % 3
  for start in (12, 36):
    theirs[start + 4] = label[start + 4]
  found = {
    "mean_rgb": np.eye(3)[theirs],
    "colour_histogram": np.eye(3)[(label + 1) % 3],
  }
  held["against"] = against.against(label, prediction, group, found, 0, 3)
  told, pair = verdict(held), held["against"]["pairs"]["mean_rgb"]
  assert told["beats_baselines"] is None and pair["value"] > 0
  assert pair["differing"] == 3 and pair["least_p"] == 0.25
  assert "scores above the mean RGB" in told["sentences"][1]
  assert (
    "The two differ in 3 slides only: no exchange of so few can reach 5 %"
    in words(held)
  )


def test_every_baseline_must_be_beaten_not_the_best_alone():
  """Of two, the better is beaten a little in every slide, the other in five only."""
  label, turn = np.arange(120) // 6 % 2, np.arange(120) % 6
  group = np.arange(120) // 6
  network, best = (np.where(turn < n, label, 1 - label) for n in (5, 4))
  other = np.where(group < 5, 1 - label, network)
  found = {"colour_histogram": np.eye(2)[best], "mean_rgb": np.eye(2)[other]}
  held = example()
  held["against"] = against.against(label, network, group, found, 0, 2)
  pairs = held["against"]["pairs"]
  assert pairs["colour_histogram"]["score"] > pairs["mean_rgb"]["score"]
  assert pairs["colour_histogram"]["beaten"] and pairs["majority"]["beaten"]
  assert pairs["mean_rgb"]["beaten"] is None and pairs["mean_rgb"]["least_p"] == 1 / 16
  told = verdict(held)
  assert told["beats_baselines"] is None and "the mean RGB" in told["sentences"][1]


def test_differences_are_those_of_the_scores_and_of_every_exchange():
  label, ours, group = said(CLASSES, 3, groups=8)
  theirs = np.roll(ours, 5)
  compared = against.against(label, ours, group, {"file": np.eye(3)[theirs]}, 2, 3)
  pair = compared["pairs"]["file"]

  def balanced(said):
    return metrics(confusion_matrix(label, said, 3))["balanced_accuracy"]

  assert pair["value"] == pytest.approx(balanced(ours) - balanced(theirs), abs=1e-15)
  assert pair["score"] == balanced(theirs)
  extreme = []
  for swap in itertools.product([False, True], repeat=8):
    here = np.array(swap)[group]
    one, two = np.where(here, theirs, ours), np.where(here, ours, theirs)
    extreme.append(abs(balanced(one) - balanced(two)) >= abs(pair["value"]) - 1e-12)
  assert pair["exact"] and pair["p_exchange"] == np.mean(extreme)
  both = (by_group(label, said, group, 3) for said in (ours, theirs))
  assert paired.difference(*both, "balanced_accuracy")["low"] == pair["low"]
  error = (pair["high"] - pair["low"]) / 2 / stats.t.ppf(0.975, 7)
  t = pair["value"] / error
  assert pair["p"] == pytest.approx(2 * stats.t.sf(abs(t), 7))
  assert compared["pairs"]["majority"]["score"] == pytest.approx(1 / 3)


def test_a_lead_that_chance_could_give_does_not_beat():
  held = example()
  label, ours, group = said(CLASSES, 4)
  right = np.array([1, 6, 2, 6, 3, 6, 2, 6, 3, 6, 3, 4])  # of six images a slide
  theirs = np.where(np.arange(72) % 6 < right[group], label, (label + 1) % 3)
  found = {"file": np.eye(3)[theirs]}
  held["against"] = against.against(label, ours, group, found, 0, 3)
  pair, told = held["against"]["pairs"]["file"], verdict(held)
  assert pair["value"] > 0 > pair["low"] and pair["p"] > 0.05
  assert pair["beaten"] is told["beats_baselines"] is False and told["tone"] == "bad"
  assert told["sentences"][1] == (
    f"The network does not beat the file properties ({pair['score']:.2f}):"
    f" +{pair['value']:.2f}, 95 % CI {pair['low']:.2f} to {pair['high']:.2f},"
    f" p = {pair['p']:.2f}, 12 slides; chance is 0.33."
  )


def lead(groups, bias, ahead, simulations=600):
  """How often a network that is better by so much is called better, in percent.

  Its rival is better in the last class and worse in the first; a group has one class.
  """
  rng, called, classes = np.random.default_rng([groups, int(100 * bias)]), 0, 3
  accuracy = 0.7 + ahead + np.zeros(3), 0.7 + np.linspace(-bias, bias, 3)
  group = np.arange(6 * groups) // 6
  label = group % classes
  for _ in range(simulations):
    hard, both = rng.normal(size=groups)[group], []
    for share in accuracy:  # a slide is hard for both: correlation 0.3
      z = 0.3**0.5 * hard + 0.7**0.5 * rng.normal(size=len(group))
      wrong = (label + rng.integers(1, 3, len(group))) % 3
      both.append(np.where(special.ndtr(z) < share[label], label, wrong))
    matrices = [by_group(label, said, group, 3) for said in both]
    pair = paired.difference(*matrices, against.METRIC, resamples=400)
    called += pair["value"] > 0 and against._of_student(pair, groups) < 0.05
  return 100 * called / simulations


@pytest.mark.full
@pytest.mark.parametrize("groups", [9, 15, 60])
@pytest.mark.parametrize("bias", [0.0, 0.25])
def test_of_equals_few_are_called_better(groups, bias):
  assert 0.5 < lead(groups, bias, 0.0) < 4.5  # 2.5 are due, 0.64 one standard error


def test_a_clear_lead_is_seen_whatever_the_classes():
  assert lead(30, 0.25, 0.2, simulations=40) > 85


def test_one_group_shows_nothing():
  held = example()
  label, prediction, group = said(CLASSES, 4, groups=1)
  found = {"mean_rgb": np.eye(3)[1 - prediction]}
  held["against"] = against.against(label, prediction, group, found, 1, 3)
  told = verdict(held)
  assert told["beats_baselines"] is None and told["tone"] == "doubt"
  assert "All images belong to one slide, so nothing follows" in told["sentences"][1]
  assert "CI" not in told["sentences"][1] and "p =" not in told["sentences"][1]


@pytest.mark.parametrize("nothing", [None, float("nan")])
def test_without_an_interval_the_headline_has_none(nothing):
  held = example()
  held["scores"]["images"]["balanced_accuracy"] |= {"low": nothing, "high": nothing}
  assert "CI" not in verdict(held)["headline"]


def test_a_report_from_before_the_test_can_still_be_shown():
  held = example()
  del held["against"], held["baselines"]["file"]
  told = verdict(held)
  assert told["beats_baselines"] is None
  assert told["sentences"][1] == "Not tested against its baselines; chance is 0.33."


def test_classes_of_one_group_are_said():
  held = example()
  rows = held["scores"]["images"]["per_class"]
  assert "no interval allows" not in words(held)
  for count, told in ((1, "Of poor one slide only"), (2, "Of poor and moderate one")):
    rows[count - 1]["recall"] |= {"low": None, "high": None}
    assert f"{told}" in words(held) and "no interval allows for others" in words(held)
