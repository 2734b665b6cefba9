"""Calibration against a plain loop and scipy's own optimiser."""

import numpy as np
import pytest
from scipy import optimize

from histojax.evaluation import calibration


def overconfident(factor=3.0, n=400, k=4, seed=0):
  """Labels drawn from softmax(z), and the probabilities of softmax(factor z)."""
  rng = np.random.default_rng(seed)
  z = rng.normal(size=(n, k))
  p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
  label = (p.cumsum(-1) < rng.random((n, 1))).sum(-1)
  sharp = np.exp(factor * z)
  return label, sharp / sharp.sum(-1, keepdims=True)


def ece(label, probability, bins):
  total = 0.0
  for b in range(bins):
    inside = []
    for y, p in zip(label, probability, strict=True):
      if b / bins < max(p) <= (b + 1) / bins:
        inside.append((max(p), float(np.argmax(p) == y)))
    if inside:
      told, right = np.mean(inside, axis=0)
      total += len(inside) / len(label) * abs(told - right)
  return total


@pytest.mark.parametrize("bins", [8, 15])
@pytest.mark.parametrize("seed", range(4))
def test_ece_equals_a_plain_loop(seed, bins):
  label, p = overconfident(seed=seed)
  found = calibration.reliability(label, p, bins=bins)
  assert abs(found["ece"] - ece(label, p, bins)) < 1e-12
  assert sum(row["images"] for row in found["bins"]) == len(label)
  gaps = [
    r["images"] * abs(r["accuracy"] - r["confidence"])
    for r in found["bins"]
    if r["images"]
  ]
  assert abs(sum(gaps) / len(label) - found["ece"]) < 1e-12


def test_edges_belong_to_the_bin_below_and_certainty_to_the_last():
  p = np.array([[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
  rows = calibration.reliability(np.zeros(3, int), p, bins=4)["bins"]
  assert [row["images"] for row in rows] == [0, 1, 1, 1]
  assert "accuracy" not in rows[0] and rows[3]["accuracy"] == 1


@pytest.mark.parametrize("factor", [0.3, 1.0, 3.0, 12.0])
def test_temperature_is_where_scipy_finds_the_likeliest(factor):
  label, p = overconfident(factor)

  def loss(t):
    return calibration.nll(label, calibration.tempered(p, t))

  found = calibration.temperature(label, p)
  theirs = optimize.minimize_scalar(
    loss, bounds=(found / 3, found * 3), method="bounded", options={"xatol": 1e-10}
  )
  # a minimum is flat: compare its place to 1e-6 through the slope's root
  root = optimize.brentq(
    lambda t: loss(t * (1 + 1e-4)) - loss(t * (1 - 1e-4)), found / 3, found * 3
  )
  assert abs(found - theirs.x) < 1e-6 * max(found, 1)
  assert abs(found - root) < 1e-6 * max(found, 1)
  assert abs(found / factor - 1) < 0.25  # what the labels were drawn with


def test_temperature_has_bounds_and_survives_certainty():
  label = np.array([0, 1, 1])
  right = np.eye(2)[label] * 0.6 + 0.2
  assert calibration.temperature(label, right) == calibration.RANGE[0]
  assert calibration.temperature(1 - label, right) == calibration.RANGE[1]
  certain = np.eye(2)[[0, 1, 0, 1]]  # one of four is wrong, and certain
  found = calibration.temperature(np.array([0, 1, 0, 0]), certain)
  assert np.isfinite(calibration.nll([0], [[0.0, 1.0]]))
  after = calibration.tempered(certain, found)
  np.testing.assert_allclose(after.max(-1), 0.75, atol=1e-9)


def test_the_validation_part_decides_and_no_prediction_changes():
  label, p = overconfident(3.0, n=900)
  group = np.arange(900) // 9
  parts = [{"label": label[i::3], "probability": p[i::3]} for i in range(2)]
  parts[1]["group"] = group[1::3]
  found = calibration.calibrated(*parts)
  assert abs(found["temperature"] - 3) < 0.6
  assert found["after"]["ece"] < 0.4 * found["before"]["ece"]
  assert found["after"]["nll"] < found["before"]["nll"]
  p = parts[1]["probability"]
  same = calibration.tempered(p, found["temperature"]).argmax(-1)
  np.testing.assert_array_equal(same, p.argmax(-1))
  full = [row for row in found["before"]["bins"] if row["images"] > 20]
  assert all(0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in full)
  none = {"label": np.zeros(0, int), "probability": np.zeros((0, 4))}
  assert calibration.calibrated(none, parts[1])["temperature"] is None
