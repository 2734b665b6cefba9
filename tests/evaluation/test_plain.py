"""The result in plain words: each figure is the report's, each reservation is said."""

import numpy as np
import pytest
from test_report import example
from test_report_folds import of_folds

from histojax.evaluation import plain
from histojax.evaluation.verdict import verdict
from histojax.evaluation.wording import listed, named


def told(held):
  """{question: text} of a report."""
  held = held | {"verdict": verdict(held)}
  return {question: " ".join(said) for question, said in plain.plain(held)}


def everything(held):
  return " ".join(told(held).values())


def test_figures_are_those_of_the_report():
  held = example(("poor", "moderate", "well"))
  images = held["scores"]["images"]
  matrix = np.array(images["confusion"])
  got = told(held)["What it got"]
  score = images["balanced_accuracy"]
  low, high = (f"{100 * score[k]:.0f}" for k in ("low", "high"))
  assert f"Of 100 images it names {100 * score['value']:.0f} rightly" in got
  assert f"from {low} to {high} (95 % interval)" in got
  assert f"{matrix.trace()} of {matrix.sum()}" in got
  assert "each class as often" in got  # the example's three are
  tested = told(held)["What was tested"]
  assert "72 images of 12 slides" in tested and "poor, moderate and well" in tested
  assert "No image of these slides had trained it" in tested


def test_a_class_that_is_mistaken_is_said_with_what_it_is_taken_for():
  held = example()
  images = held["scores"]["images"]
  images["confusion"] = [[20, 1, 3], [0, 24, 0], [0, 2, 22]]
  for k, value in enumerate((20 / 24, 1, 22 / 24)):
    images["per_class"][k]["recall"]["value"] = value
  got = told(held)["What it got"]
  assert "best at moderate (24 of 24) and worst at poor (20 of 24)" in got
  assert "mostly taken for well (3)" in got


def test_two_classes_are_both_said():
  got = told(example(("benign", "malignant")))["What it got"]
  assert got.count("benign (") == got.count("malignant (") == 1 and "best" not in got


@pytest.mark.parametrize(
  "claimed,held,word",
  [(0.9, 0.6, "less"), (0.5, 0.8, "more"), (0.80, 0.81, None)],
)
def test_probabilities_that_do_not_hold_are_said(claimed, held, word):
  report = example()
  bins = [
    {"above": 0, "upto": 1, "images": 50, "confidence": claimed, "accuracy": held}
  ]
  report["scores"]["images"]["reliability"] = {"bins": bins, "ece": 0}
  got = told(report)["What it got"]
  assert f"claims to be {100 * claimed:.0f} % sure, and is right in" in got
  if word:
    assert f"believe its percentages {word} than they say" in got
  else:
    assert "believe" not in got


@pytest.mark.parametrize(
  "right,colour,said",
  [(4, 2, "does better than all of these"), (2, 2, "is not shown to do better than")],
)
def test_baselines_are_set_beside_it(right, colour, said):
  held = example(right=right, colour=colour)
  base = held["baselines"]["colour_histogram"]["images"]["balanced_accuracy"]["value"]
  beside = told(held)["Beside what is simple"]
  assert said in beside and f"{100 * base:.0f} by colours without shape" in beside
  assert "33 by guessing" in beside


def test_reservations_are_said_where_they_hold():
  held = example()
  clean = everything(held)
  assert "synthetic" not in clean and "flatters" not in clean
  assert "12 slides are few" in clean and "another laboratory" in clean
  held["dataset"]["synthetic"] = True
  held["split"] |= {"shared_groups": 3, "shared_identical": 0}
  held["selection"]["on"] = "test"
  text = everything(held)
  for word in (
    "no patient is in them",
    "3 slides have images among those that trained",
  ):
    assert word in text
  assert text.count("flatters") == 2 and "Anything about patients" in text
  assert "No image of these" not in text


def test_unknown_patients_are_said():
  held = example()
  held["dataset"]["group_name"] = "image"
  text = everything(held)
  assert text.count("is not known") == 2
  assert "on new images:" not in text and "images are few" not in text


def test_copies_are_no_unseen_images():
  held = example()
  held["split"] |= {"shared_identical": 4}
  assert "4 of the pictures trained it, too" in told(held)["What was tested"]
  held["dataset"]["group_name"] = "image"
  tested = told(held)["What was tested"]
  assert "4 of the pictures trained it, too" in tested and "very images" not in tested


def test_a_test_part_of_its_own_may_be_from_elsewhere():
  held = example()
  assert "all images come from one data set" in everything(held)
  held["split"] |= {"protocol": "predefined"}
  assert "one data set" not in everything(held)
  assert "than its test images come from" in everything(held)


def test_folds_are_said():
  text = everything(of_folds()[0])
  assert "trained 5 times" in text and "each fold was trained once" in text


def test_names_cannot_turn_a_sentence():
  turned = named("\u202egnirts\n\x00 " + "x" * 90)
  assert turned.startswith("\u2068") and turned.endswith("\u2069") and len(turned) <= 42
  assert "\n" not in turned and "\x00" not in turned
  assert named("poor") == "poor" and named("\udcff") == ""
  assert listed(["a"]) == "a" and listed(list("abc")) == "a, b and c"
