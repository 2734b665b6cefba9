"""The block of scores: every metric with its interval, ready for JSON."""

import json

import numpy as np
import pytest

from histojax.evaluation import calibration, scores
from histojax.evaluation.confusion import SCALARS, confusion_matrix, metrics

CLASSES = ("poor", "moderate", "well")


def found(probability=True):
  rng = np.random.default_rng(0)
  group = np.repeat(np.arange(12), 5)
  label = group % 3
  p = rng.dirichlet([1, 1, 1], 60) + 0.5 * np.eye(3)[label]
  p /= p.sum(-1, keepdims=True)
  options = {"probability": p} if probability else {}
  return label, p, scores.score(label, p.argmax(-1), group, CLASSES, **options)


def test_every_metric_has_its_value_and_interval():
  label, p, block = found()
  values = metrics(confusion_matrix(label, p.argmax(-1), 3))
  for name in SCALARS:
    assert block[name]["value"] == values[name]
  triples = [block[name] for name in (*SCALARS, "recognition_rate", "macro_auroc")]
  for k, row in enumerate(block["per_class"]):
    assert row["class"] == CLASSES[k] and row["support"] == 20
    assert row["specificity"]["value"] == values["class_specificity"][k]
    triples += [v for v in row.values() if isinstance(v, dict)]
  # per class: precision, recall, f1, specificity, g_mean, iba, auroc, auprc
  assert len(triples) == len(SCALARS) + 2 + 3 * 8
  assert all(t["low"] <= t["value"] <= t["high"] for t in triples)
  assert block["recognition_rate"]["value"] == pytest.approx(block["accuracy"]["value"])
  assert block["reliability"]["ece"] == calibration.reliability(label, p)["ece"]
  assert json.loads(json.dumps(block, allow_nan=False)) == block


def test_without_probabilities_the_rest_is_the_same():
  full, plain = found()[2], found(probability=False)[2]
  assert "reliability" not in plain and "auroc" not in plain["per_class"][0]
  assert all(full[name] == value for name, value in plain.items() if name[:3] != "per")
