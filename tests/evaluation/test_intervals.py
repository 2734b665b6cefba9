"""The bootstrap against a plain loop, against theory, and against the clock."""

import time

import numpy as np
import pytest
from scipy import stats

from histojax.evaluation import intervals
from histojax.evaluation.confusion import PER_CLASS, SCALARS, confusion_matrix, metrics


def predictions(groups, per_group, k=3, seed=0):
  """Labels, predictions and groups; the accuracy varies from group to group."""
  rng = np.random.default_rng(seed)
  group = np.repeat(np.arange(groups), per_group)
  label = rng.integers(0, k, len(group))
  right = rng.random(len(group)) < rng.beta(4, 2, groups)[group]
  return label, np.where(right, label, rng.integers(0, k, len(group))), group


def test_equals_a_plain_loop_over_groups():
  label, prediction, group = predictions(20, 6)
  ours = intervals.bootstrap(label, prediction, group, 3)
  rng = np.random.default_rng(1)
  rows = [np.flatnonzero(group == g) for g in range(20)]
  draws = []
  for _ in range(3000):
    drawn = np.concatenate([rows[g] for g in rng.integers(0, 20, 20)])
    draws.append(metrics(confusion_matrix(label[drawn], prediction[drawn], 3)))
  for name in SCALARS:
    expected = np.quantile([d[name] for d in draws], (0.025, 0.975))
    # two bootstraps of one sample differ by Monte-Carlo error alone
    np.testing.assert_allclose(ours[name], expected, atol=0.015, err_msg=name)
  for name in PER_CLASS:
    expected = np.quantile([d[name] for d in draws], (0.025, 0.975), axis=0).T
    np.testing.assert_allclose(ours[name], expected, atol=0.02, err_msg=name)


def test_single_images_give_the_binomial_quantiles():
  label = np.zeros(200, int)
  prediction = (np.arange(200) < 60).astype(int)  # 70 % right
  low, high = intervals.bootstrap(label, prediction, np.arange(200), 2)["accuracy"]
  expected = stats.binom.ppf((0.025, 0.975), 200, 0.7) / 200
  np.testing.assert_allclose((low, high), expected, atol=0.0051)  # one image


def test_images_of_one_group_do_not_pass_for_evidence():
  label, prediction, group = predictions(15, 2)
  once = intervals.bootstrap(label, prediction, group, 3)["accuracy"]
  copies = [np.repeat(a, 36) for a in (label, prediction, group)]
  again = intervals.bootstrap(*copies, 3)["accuracy"]
  np.testing.assert_allclose(again, once, atol=1e-12)
  naive = intervals.bootstrap(*copies[:2], np.arange(len(copies[0])), 3)["accuracy"]
  assert naive[1] - naive[0] < 0.5 * (once[1] - once[0])


def test_the_seed_decides():
  data = predictions(12, 5)
  first, second = (intervals.bootstrap(*data, 3, seed=3) for _ in range(2))
  assert first == second != intervals.bootstrap(*data, 3, seed=4)


def test_says_when_groups_are_few():
  assert "15 slides" in intervals.few_groups(15, "slide")
  assert intervals.bootstrap(*predictions(15, 2), 3)["note"]
  assert intervals.bootstrap(*predictions(40, 2), 3)["note"] is None


def test_one_group_has_no_interval():
  found = intervals.bootstrap([0, 1, 1], [0, 1, 0], ["a"] * 3, 2)
  assert np.isnan(found["accuracy"]).all() and np.isnan(found["recall"]).all()
  assert "No interval" in found["note"]


def test_a_perfect_score_is_not_certain():
  label = np.arange(30) % 3
  found = intervals.bootstrap(label, label, np.arange(30) // 2, 3)
  low, high = found["accuracy"]
  assert high == 1
  # Clopper & Pearson for 15 of 15
  np.testing.assert_allclose(low, stats.beta.ppf(0.025, 15, 1), atol=1e-12)
  assert found["recall"][0][0] < low  # the class stands in fewer groups
  never = intervals.bootstrap(label, (label + 1) % 3, np.arange(30) // 2, 3)
  np.testing.assert_allclose(never["accuracy"], (0, 1 - low), atol=1e-12)


def test_absent_class_has_no_interval_and_no_warning():
  found = intervals.bootstrap([0, 1, 0, 1], [0, 1, 1, 1], list("abcd"), 3)
  assert np.isnan(found["recall"][2]).all()
  assert not np.isnan(found["recall"][:2]).any()


@pytest.mark.parametrize("per_group", [1, 6])
def test_ten_thousand_resamples_of_ten_thousand_take_seconds(per_group):
  data = predictions(10_000 // per_group, per_group, k=5)
  start = time.perf_counter()
  intervals.bootstrap(*data, 5)
  assert time.perf_counter() - start < 2
