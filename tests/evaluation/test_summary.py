"""The terminal's thirty lines: what stands there, and what gives way."""

import pytest
from test_report import block, example, shown

CLASSES = ("poor", "moderate", "well")


def tempered(held, temperature=1.8):
  before = held["scores"]["images"]["reliability"]
  held["calibration"] = {
    "temperature": temperature, "on": "validation", "n": 60, "note": "",
    "before": before, "after": before | {"ece": 0.011},
  }  # fmt: skip
  return held


def test_every_kind_of_score_has_its_place():
  held = tempered(example())
  text, images = shown(held), held["scores"]["images"]
  for name, key in (
    ("MCC", "mcc"), ("kappa", "kappa"), ("G-mean", "g_mean"), ("IBA", "iba"),
    ("macro AUROC", "macro_auroc"), ("macro AUPRC", "macro_auprc"),
    ("recognition rate", "recognition_rate"),
  ):  # fmt: skip
    score = images[key]
    told = text.split(f" {name} ")[1].split()
    low = f"{score['low']:.2f}–{score['high']:.2f}"
    assert told[:2] == [f"{score['value']:.2f}", low], name
  ece = images["reliability"]["ece"]
  assert text.split(" ECE ")[1].split()[:5] == [f"{ece:.2f}", "0.01", "at", "T", "1.8"]


def test_without_groups_or_a_temperature_something_else_stands_there():
  held = example()
  images = block(CLASSES, 4, groups=72, per_group=1)
  held["scores"] |= {"images": images, "views": None, "groups": None}
  text = shown(held)
  assert "recognition" not in text and "weighted F1" in text and " at T" not in text
  assert "tempered" in shown(tempered(example(), temperature=None))


@pytest.mark.parametrize("neighbours", [False, True])
def test_every_baseline_has_its_column(neighbours):
  held = example()
  if neighbours:
    held["scores_neighbours"] = {"k": 5} | held["scores"]
  text = shown(held)
  head = next(line for line in text.splitlines() if "balanced acc." in line)
  assert "histogram  mean RGB  file" in head
  assert ("k-NN" in head) is neighbours and ("chance" in head) is not neighbours
  row = next(line for line in text.splitlines() if line.startswith(" images"))
  assert len(row.split()) == 8  # level, n, score, interval, four others
  assert "…" not in text


def test_the_rest_gives_way_where_lines_are_few():
  names = [f"class {i}" for i in range(9)]
  assert "macro AUROC" in shown(example(published=None))
  held = example(names)
  held["split"] |= {"shared_groups": 70, "shared_identical": 3}
  held["selection"]["on"] = "test"
  text = shown(held)
  assert "macro AUROC" not in text and len(text.splitlines()) <= 30


def test_reports_from_before_there_were_probabilities_are_shown():
  held = example()
  del held["against"], held["baselines"]["file"]
  for level in ("images", "views", "groups"):
    for key in ("reliability", "macro_auroc", "macro_auprc", "recognition_rate"):
      del held["scores"][level][key]
  text = shown(held)
  assert "Not tested" in text and "file" not in text and "ECE" not in text
