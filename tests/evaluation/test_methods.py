"""The methods section and the checklist say what the run says, and nothing else."""

import re

import pytest
from test_report import example
from test_report_folds import of_folds

from histojax.evaluation import checklist, methods
from histojax.evaluation.verdict import verdict

CONFIG = {
  "epochs": 20,
  "batch_size": 32,
  "loss": "focal(gamma=2.0)",
  "sampling": "balanced",
  "split": {"protocol": "grouped", "folds": 5, "grouped": True},
  "augment": {"size": 64, "rotations": 36, "train_rotations": "random", "flip": "both"}
  | {"normalise": "fixed", "shift": 0.05},
  "model": {
    "name": "resnet50",
    "attention": "se",
    "stage_end": "none",
    "head": "linear",
  },
  "optimizer": {"name": "sgd", "learning_rate": 0.03, "momentum": 0.9, "clip": 1.0}
  | {"weight_decay": 1e-4, "schedule": "cosine", "ema": 0.0},
}


def whole(**changes):
  held = example(**changes)
  held["config"] = CONFIG
  held["training"] = {"epochs": 20, "steps": 400, "epochs_to_within_1_percent": 7.0}
  held["environment"] = {"python": "3.11.7", "versions": {"jax": "0.10.1"}}
  held["audit"] = {"near": {"across": 0}, "imbalance": 1.5}
  held["calibration"] = {"temperature": 1.3, "on": "validation", "n": 12}
  held["handouts"] = [{"why": "final evaluation"}, {"why": "x", "scored": False}]
  return held | {"verdict": verdict(held)}


def text(held):
  return "\n".join(paragraph for _, paragraph in methods.methods(held))


def test_what_a_paper_must_say_is_there():
  said = text(whole())
  for word in (
    "72 images of 12 slides", "poor, 24 (4 slides)", "Whole slides were dealt out",
    "train, 60 images of 10 slides", "No slide and no pixel-identical image",
    "no cluster on both", "resnet50", "attention se", "26,045,171 parameters",
    "random weights", "focal(gamma=2.0)", "stochastic gradient descent",
    "learning rate 0.03", "momentum 0.9", "weight decay 0.0001", "clipped at 1.0",
    "20 epochs (400 steps) in batches of 32, every class drawn as often", "64 x 64",
    "multiples of 10°", "about both axes", "shifted by up to 5 %", "epoch 3",
    "after 7 epochs", "seen at 2 angles", "scored once", "temperature of 1.3",
    "balanced accuracy 0.", "95 %", "paired bootstrap", "jax 0.10.1", "Python 3.11.7",
    "seed 0", "model.size = 224", "file properties",
  ):  # fmt: skip
    assert word in said, word


def test_the_papers_own_habits_are_not_made_better():
  held = whole()
  held["split"] |= {"protocol": "paper", "shared_groups": 70, "shared_identical": 2}
  said = text(held)
  assert "Images were dealt out one by one" in said and "Whole slides" not in said
  assert "70 slides and 2 pixel-identical images stood on both sides" in said
  held["dataset"]["synthetic"] = True
  assert "72 synthetic images" in text(held) and "test synthetic images" in text(held)


@pytest.mark.parametrize("classes", [("a", "b"), [f"class {k}" for k in range(12)]])
def test_nothing_is_said_of_what_is_not_there(classes):
  """Every key but the required ones may be absent: no None, no gap, no brace."""
  held = whole(classes=classes)
  needed = {"title", "dataset", "split", "scores", "baselines"}
  reports = [
    {k: v for k, v in held.items() if k != gone} for gone in held.keys() - needed
  ]
  reports.append({k: v for k, v in held.items() if k in needed})
  for part in ("augment", "optimizer", "model", "split"):
    config = {k: v for k, v in CONFIG.items() if k != part}
    reports.append(held | {"config": config})
  for report in reports:
    rows = [row["said"] or "" for row in checklist.checklist(report)]
    for said in (text(report), *rows):
      assert not re.search(r"\bnan\b|[{}]|  | ,|\.\.(?!\.)|\(\)", said), said
      assert "None" not in said.replace("None: training", ""), said


def test_folds_are_a_design_of_their_own():
  held, _ = of_folds()
  held["config"] = CONFIG
  said = text(held | {"verdict": verdict(held)})
  assert "In 5-fold cross-validation, whole slides were dealt out" in said
  assert "Each fold was trained once" in said
  held["config"] = CONFIG | {"split": {"folds": 5, "grouped": False}}
  assert "cross-validation, images were dealt out" in text(held)
  held["handouts"] = [
    {"fold": i, "why": why, "scored": why == "final evaluation"}
    for i in range(5)
    for why in ("leakage audit", "final evaluation")
  ]
  assert "Each fold's test part was scored once" in text(held)
  held["handouts"] += 2 * [{"fold": 3, "why": "evaluate again"}]
  assert "Each fold's test part was scored once to 3 times" in text(held)
  held["calibration"] = {"temperature": None, "temperatures": [1.1, 0.9], "n": 60}
  assert "Temperatures of 1.1 and 0.9 were fitted" in text(held)
  told = {row["topic"]: row["said"] for row in checklist.checklist(held)}
  assert told["Recalibration"].startswith("Temperatures of 1.1 and 0.9")
  assert "page of its fold" in told["Explanations"]


def test_what_was_left_out_is_counted():
  held = whole()
  told = {row["topic"]: row["said"] for row in checklist.checklist(held)}
  assert told["Images left out, subsets"].startswith("Every image")
  held["dataset"]["duplicates"] = 123
  told = {row["topic"]: row["said"] for row in checklist.checklist(held)}
  assert "123 images with the pixels of another" in told["Images left out, subsets"]
  assert "Images left out: 123 (with the pixels of another)." in text(held)
  held["dataset"]["skipped"] = {"empty": {"images": 1}}
  assert "1 (empty), 123 (with the pixels of another)." in text(held)


def test_of_a_given_test_part_no_more_is_claimed():
  """Its validation part may have been cut from the training images all the same."""
  held = whole()
  held["split"] |= {"protocol": "predefined"}
  assert "The test part is the one that came with the data" in text(held)


def test_the_checklist_covers_every_item_once_a_row():
  rows = checklist.checklist(whole())
  topics = [row["topic"] for row in rows]
  assert len(set(topics)) == len(topics)
  numbers = {
    key: {int(n) for row in rows for n in re.findall(r"\d+", row[key])}
    for key in ("tripod", "claim")
  }
  assert numbers["tripod"] == set(range(1, 28))
  assert numbers["claim"] == set(range(1, 43))
  for row in rows:
    assert all(re.fullmatch(r"(\d+[a-g]?(, \d+[a-g]?)*)?", row[k]) for k in numbers)


def test_what_a_run_cannot_know_is_left_to_its_owner():
  said = {row["topic"]: row["said"] for row in checklist.checklist(whole())}
  for topic in ("Ethical approval", "Title and abstract", "Fairness", "Explanations"):
    assert said[topic] is None
  assert (
    "12 slides" in said["Data source"] and "paired" in said["Uncertainty and tests"]
  )
  shown = whole() | {"figures": ["attention"]}
  told = {row["topic"]: row["said"] for row in checklist.checklist(shown)}
  assert "Maps" in told["Explanations"]


def test_leaks_are_in_the_checklist():
  held = whole()
  held["split"] |= {"shared_groups": 70}
  rows = {row["topic"]: row["said"] for row in checklist.checklist(held)}
  assert rows["Level at which parts are disjoint"].startswith("Not disjoint: 70 slides")
