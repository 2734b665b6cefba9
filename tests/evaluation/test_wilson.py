"""Wilson's interval against scipy; the note against what was measured."""

import json

import numpy as np
import pytest
from conftest import ROOT
from scipy import stats

from histojax.evaluation import wilson

MEASURED = ROOT / "tests" / "benchmarks" / "results" / "coverage.json"


@pytest.mark.parametrize("hits,trials", [(0, 7), (3, 7), (81, 90), (90, 90), (1, 1)])
def test_equals_scipy(hits, trials):
  theirs = stats.binomtest(hits, trials).proportion_ci(method="wilson")
  np.testing.assert_allclose(wilson.wilson(hits / trials, trials), theirs, atol=1e-12)


def test_published_score_of_the_liver_paper():
  low, high = wilson.wilson(0.9527, 3132)
  assert (round(100 * low, 2), round(100 * high, 2)) == (94.47, 95.96)


def test_of_independent_images_it_is_wilsons_with_students_quantile():
  share, n = 0.8, 400
  found = wilson.clustered(share, share * (1 - share) / n, n, n)
  wide = n * ((n - 1) / n) ** 2
  expected = wilson.wilson(share, wide, wilson.student(n - 1))
  np.testing.assert_allclose(found, expected, atol=1e-12)
  np.testing.assert_allclose(found, wilson.wilson(share, n), atol=5e-4)


def test_scores_that_go_below_zero():
  """kappa of two even classes is twice the accuracy less one: so are its ends."""
  accuracy = np.array(wilson.clustered(0.8, 0.001, 20, 200))
  kappa = wilson.clustered(0.6, 0.004, 20, 200, bottom=-1.0)
  np.testing.assert_allclose(kappa, 2 * accuracy - 1, atol=1e-12)


def test_what_does_not_vary_is_as_sure_as_its_images():
  """Every group has half of its images right: no draw differs."""
  found = wilson.clustered(0.5, 1e-34, 10, 60)
  expected = wilson.wilson(0.5, 60, wilson.student(9))
  np.testing.assert_allclose(found, expected, atol=1e-12)


def test_what_has_no_interval():
  for args in [
    (0.5, 0.1, 1, 9),
    (np.nan, 0.1, 9, 9),
    (0.5, np.nan, 9, 9),
    (1.1, 0, 9, 9),
  ]:
    assert np.isnan(wilson.clustered(*args)).all()


def test_variance_leaves_out_what_is_undefined():
  drawn = np.array([[1.0, np.nan, np.nan], [2.0, 4.0, np.nan], [6.0, 6.0, np.nan]])
  np.testing.assert_allclose(wilson.variance(drawn), [14 / 3, 1, np.nan])


def test_the_note_says_what_was_measured():
  text = wilson.few_groups(15, "slide")
  low, high = wilson.COVERAGE[15]
  assert "15 slides" in text and f"{low}–{high} %" in text
  assert "15 groups" in wilson.few_groups(20) and "20 groups" in wilson.few_groups(20)
  assert "unknown" in wilson.few_groups(3, "patient")
  assert "No interval" in wilson.few_groups(1)
  assert wilson.few_groups(60) is None


def measured(groups):
  """Percent covered by the reports' interval of the accuracy, by correlation."""
  held = json.loads(MEASURED.read_text())["accuracy"][str(groups)]
  return [methods["wilson_t"]["covered"] for methods in held.values()]


def measured_of_classes(groups):
  """The same of accuracy and balanced accuracy, three classes in two designs."""
  held = json.loads(MEASURED.read_text())["scores"][str(groups)]
  cells = [cell for design in held.values() for cell in design.values()]
  names = "accuracy", "balanced_accuracy"
  return [cell[name]["wilson_t"]["covered"] for cell in cells for name in names]


def test_the_table_is_the_stored_measurement():
  assert json.loads(MEASURED.read_text())["simulations"] >= 2000
  for groups, (low, high) in wilson.COVERAGE.items():
    found = measured(groups) + measured_of_classes(groups)
    assert (low, high) == (int(min(found)), int(np.ceil(max(found)))), groups


@pytest.mark.parametrize("groups", [60, 100])
def test_sixty_groups_cover_what_they_promise(groups):
  assert all(93 <= percent <= 97 for percent in measured(groups))


@pytest.mark.parametrize("groups", [8, 15, 25, 40])
def test_few_groups_are_served_better_than_by_percentiles(groups):
  held = json.loads(MEASURED.read_text())["accuracy"][str(groups)]
  for methods in held.values():
    ours, plain = (methods[m]["covered"] for m in ("wilson_t", "percentile"))
    assert ours > plain and ours > 92
  kinds = "expanded", "bca", "t"
  worst = [min(m[kind]["covered"] for m in held.values()) for kind in kinds]
  assert min(measured(groups)) > max(worst)


def test_simulated_coverage():
  """The stored simulation once more, small: 15 groups that resemble themselves."""
  rng, inside = np.random.default_rng(0), []
  for _ in range(1000):
    right = rng.binomial(6, rng.beta(0.85, 0.15, 15)) / 6  # correlation 0.5
    low, high = wilson.clustered(right.mean(), right.var() / 15, 15, 90)
    inside.append(low <= 0.85 <= high)
  assert 0.91 < np.mean(inside) < 0.97
