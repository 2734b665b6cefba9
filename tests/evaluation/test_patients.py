"""Patient scores and scores over seeds and folds, by hand and by scipy."""

import numpy as np
import pytest
from scipy import stats

from histojax.evaluation import patients, repeated


def test_patients_count_alike_however_many_images():
  group = ["b"] * 8 + ["a"] * 2
  label = np.zeros(10, int)
  prediction = np.array([0] * 6 + [1] * 2 + [1, 0])
  found = patients.patient_scores(label, prediction, group)
  assert found["group"].tolist() == ["a", "b"]
  assert found["images"].tolist() == [2, 8] and found["correct"].tolist() == [1, 6]
  assert found["score"].tolist() == [0.5, 0.75]
  value, low, high = patients.recognition_rate(label, prediction, group)
  assert value == 0.625 and low < value < high  # and not 7 of 10 images


def test_the_rate_of_equal_groups_is_the_accuracy():
  rng = np.random.default_rng(0)
  prediction = rng.integers(0, 2, 60)
  value, low, high = patients.recognition_rate(
    np.ones(60, int), prediction, np.arange(60) // 5
  )
  assert abs(value - prediction.mean()) < 1e-15 and 0 <= low < value < high <= 1
  alone = patients.recognition_rate([1, 1], [1, 0], ["a", "a"])
  assert alone[0] == 0.5 and np.isnan(alone[1:]).all()


def test_seeds_have_a_mean_and_students_interval():
  values = [0.91, 0.88, 0.94, 0.9]
  found = repeated.over_seeds(values)
  low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
  assert found["count"] == 4 and abs(found["mean"] - 0.9075) < 1e-15
  assert abs(found["sd"] - np.std(values, ddof=1)) < 1e-15
  np.testing.assert_allclose((found["low"], found["high"]), (low, high), atol=1e-12)
  alone = repeated.over_seeds([0.9])
  assert alone["mean"] == 0.9 and np.isnan(alone["sd"]) and np.isnan(alone["low"])


def test_folds_have_nadeau_and_bengios_interval():
  values = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
  found = repeated.over_splits(values, train=80, test=20)
  # the formula of the paper, written out: (1/5 + 20/80) s^2
  error = np.sqrt((0.2 + 0.25) * values.var(ddof=1))
  t = values.mean() / error
  assert abs(found["p"] - 2 * stats.t.sf(t, 4)) < 1e-12
  half = stats.t.ppf(0.975, 4) * error
  assert abs(found["high"] - values.mean() - half) < 1e-12
  naive = repeated.over_seeds(values)
  assert abs(
    (found["high"] - found["mean"]) / (naive["high"] - naive["mean"]) - 1.5
  ) < (1e-12)
  assert np.isnan(repeated.over_splits([0.1], 4, 1)["p"])


@pytest.mark.parametrize("value,p", [(0.0, 1.0), (0.1, np.nan)])
def test_folds_without_spread_are_no_certainty(value, p):
  """Two folds of few images are often equal; that is no p of 0."""
  found = repeated.over_splits([value] * 2, 3, 1)
  np.testing.assert_equal(found["p"], p)
  assert found["sd"] == 0 and np.isnan([found["low"], found["high"]]).all()
