"""The block of scores: every metric with its interval, ready for JSON."""

import json
import time

import numpy as np
import pytest
from sklearn import metrics as reference

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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("seed", range(6))
def test_every_number_is_scikit_learns(seed):
  """The whole block, as it stands in report.json, to 1e-12."""
  rng = np.random.default_rng(seed)
  n, k = 200, 2 + seed
  label = np.append(np.arange(k), rng.choice(k, n - k, p=rng.dirichlet(np.ones(k))))
  p = rng.dirichlet(np.ones(k), n) + 0.3 * np.eye(k)[label]
  p, said = p / p.sum(-1, keepdims=True), p.argmax(-1)
  names = [str(c) for c in range(k)]
  block = scores.score(label, said, np.arange(n) // 4, names, probability=p)
  macro, weighted = ({"average": a, "zero_division": 0} for a in ("macro", "weighted"))
  ours = {name: block[name]["value"] for name in (*SCALARS, "macro_auroc")}
  recall, f1 = reference.recall_score, reference.f1_score
  theirs = {
    "accuracy": reference.accuracy_score(label, said),
    "balanced_accuracy": reference.balanced_accuracy_score(label, said),
    "macro_precision": reference.precision_score(label, said, **macro),
    "macro_recall": recall(label, said, **macro),
    "macro_f1": f1(label, said, **macro),
    "weighted_f1": f1(label, said, **weighted),
    "mcc": reference.matthews_corrcoef(label, said),
    "kappa": reference.cohen_kappa_score(label, said),
    "macro_auroc": np.mean(
      [reference.roc_auc_score(label == c, p[:, c]) for c in range(k)]
    ),
  }
  for name, value in theirs.items():
    assert abs(ours[name] - value) < 1e-12, name
  for c, row in enumerate(block["per_class"]):
    own = {"average": "binary", "zero_division": 0}
    expected = {
      "precision": reference.precision_score(label == c, said == c, **own),
      "recall": recall(label == c, said == c, **own),
      "specificity": recall(label != c, said != c, **own),
      "f1": f1(label == c, said == c, **own),
      "auroc": reference.roc_auc_score(label == c, p[:, c]),
      "auprc": reference.average_precision_score(label == c, p[:, c]),
    }
    for name, value in expected.items():
      assert abs(row[name]["value"] - value) < 1e-12, (c, name)
  each = np.bincount(np.arange(n) // 4, label == said) / 4
  assert abs(block["recognition_rate"]["value"] - each.mean()) < 1e-12


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(6))
def test_every_imbalanced_score_is_imbalanced_learns(seed):
  theirs = pytest.importorskip("imblearn.metrics")
  rng = np.random.default_rng(seed)
  k = 2 + seed
  label = np.append(np.arange(k), rng.integers(0, k, 200))
  said = np.where(rng.random(len(label)) < 0.6, label, rng.integers(0, k, len(label)))
  names = [str(c) for c in range(k)]
  block = scores.score(label, said, np.arange(len(label)), names)
  mean = theirs.geometric_mean_score
  index = theirs.make_index_balanced_accuracy(alpha=0.1, squared=True)(mean)
  assert abs(block["g_mean"]["value"] - mean(label, said)) < 1e-12
  assert abs(block["iba"]["value"] - index(label, said)) < 1e-12
  special = theirs.specificity_score(label, said, average=None)
  for c, row in enumerate(block["per_class"]):
    assert abs(row["specificity"]["value"] - special[c]) < 1e-12


def test_ten_thousand_predictions_are_scored_in_seconds():
  rng = np.random.default_rng(0)
  label, group = rng.integers(0, 9, 10_000), np.arange(10_000) // 6
  p = rng.dirichlet(np.ones(9), 10_000) + 0.5 * np.eye(9)[label]
  p /= p.sum(-1, keepdims=True)
  start = time.process_time()
  scores.score(label, p.argmax(-1), group, [*"abcdefghi"], probability=p)
  assert time.process_time() - start < 4


def test_without_probabilities_the_rest_is_the_same():
  full, plain = found()[2], found(probability=False)[2]
  assert "reliability" not in plain and "auroc" not in plain["per_class"][0]
  assert all(full[name] == value for name, value in plain.items() if name[:3] != "per")
