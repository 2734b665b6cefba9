"""The bootstrap against a plain loop, against theory, and against the clock."""

import time

import numpy as np
import pytest
from scipy import stats

from histojax.evaluation import intervals
from histojax.evaluation.confusion import SCALARS, confusion_matrix, metrics


def predictions(groups, per_group, k=3, seed=0):
  """Labels, predictions and groups; the accuracy varies from group to group."""
  rng = np.random.default_rng(seed)
  group = np.repeat(np.arange(groups), per_group)
  label = rng.integers(0, k, len(group))
  right = rng.random(len(group)) < rng.beta(4, 2, groups)[group]
  return label, np.where(right, label, rng.integers(0, k, len(group))), group


def test_drawn_scores_equal_a_plain_loop_over_groups():
  label, prediction, group = predictions(20, 6)
  own = intervals.by_group(label, prediction, group, 3)
  ours = metrics(intervals.resample(own, 10_000, np.random.default_rng(0)))
  rng = np.random.default_rng(1)
  rows = [np.flatnonzero(group == g) for g in range(20)]
  draws = []
  for _ in range(3000):
    drawn = np.concatenate([rows[g] for g in rng.integers(0, 20, 20)])
    draws.append(metrics(confusion_matrix(label[drawn], prediction[drawn], 3)))
  for name in (*SCALARS, *intervals.EACH):
    theirs = np.array([d[name] for d in draws])
    # two bootstraps of one sample differ by Monte-Carlo error alone
    for share in (0.025, 0.5, 0.975):
      pair = (np.quantile(x, share, axis=0) for x in (ours[name], theirs))
      np.testing.assert_allclose(*pair, atol=0.025, err_msg=name)
    np.testing.assert_allclose(ours[name].std(0), theirs.std(0), rtol=0.06)


def test_few_kinds_of_groups_are_drawn_alike():
  """One image a group leaves few kinds, drawn another way: the same distribution."""
  label, prediction, _ = predictions(300, 1)
  own = intervals.by_group(label, prediction, np.arange(300), 3)
  kinds = intervals.resample(own, 20_000, np.random.default_rng(0))
  times = intervals.drawn_times(300, 20_000, np.random.default_rng(1))
  assert (times.sum(-1) == 300).all()
  plain = (times @ own.reshape(300, 9)).reshape(-1, 3, 3)
  np.testing.assert_allclose(kinds.mean(0), plain.mean(0), atol=0.3)
  np.testing.assert_allclose(kinds.std(0), plain.std(0), rtol=0.04)


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
  assert intervals.bootstrap(*predictions(15, 2), 3)["note"]
  assert intervals.bootstrap(*predictions(60, 2), 3)["note"] is None


def test_every_score_lies_in_its_interval():
  for seed in range(8):
    label, prediction, group = predictions(9, 4, seed=seed)
    found = intervals.bootstrap(label, prediction, group, 3, resamples=500)
    point = metrics(confusion_matrix(label, prediction, 3))
    for name in (*SCALARS, *intervals.EACH):
      low, high = np.array(found[name]).T
      assert (low <= point[name]).all() and (point[name] <= high).all(), name
      assert (low >= intervals.BOTTOM.get(name, 0)).all() and (high <= 1).all()


def test_classes_of_few_groups_have_wider_intervals():
  """A class that stands in three groups is known from three."""
  group = np.repeat(np.arange(33), 4)
  label = (group < 3).astype(int)
  prediction = np.where(np.arange(len(group)) % 4 == group % 3, 1 - label, label)
  found = intervals.bootstrap(label, prediction, group, 2)
  many, few = (high - low for low, high in found["recall"])
  assert few > 2 * many
  assert found["class_specificity"][0] == found["recall"][1]


def test_draws_without_a_class_do_not_count_against_the_g_mean():
  """One rare group of three: a third of the draws lack it, and their G-mean is 0."""
  group = np.repeat(np.arange(12), 6)
  label = (group == 0).astype(int)
  wrong = np.arange(len(group)) % 6 == 0
  prediction = np.where(wrong, 1 - label, label)
  found = intervals.bootstrap(label, prediction, group, 2)
  assert found["g_mean"][1] - found["g_mean"][0] < 0.35


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


def test_a_class_never_recognised_leaves_the_g_mean_open():
  group = np.repeat(np.arange(15), 4)
  label = group % 3
  prediction = np.where(label == 2, 0, label)
  found = intervals.bootstrap(label, prediction, group, 3)
  recall = stats.beta.ppf(0.975, 1, 5)  # Clopper & Pearson for 0 of 5 groups
  np.testing.assert_allclose(found["g_mean"], (0, recall ** (1 / 3)), atol=1e-12)
  np.testing.assert_allclose(found["iba"], (0, recall ** (2 / 3)), atol=1e-12)
  assert abs(found["recall"][2][1] - recall) < 1e-12
  absent = intervals.bootstrap(np.zeros(8, int), np.arange(8) % 2, np.arange(8), 2)
  assert np.isnan(absent["g_mean"]).all()


def test_what_rests_on_one_group_of_rivals_has_no_interval():
  label = np.repeat([0, 1], [8, 40])
  group = np.where(label, 1 + np.arange(48) // 4, 0)
  said = np.where(np.arange(48) % 4 == group % 3, 1 - label, label)
  found = intervals.bootstrap(label, said, group, 2, resamples=500)
  for name in ("class_g_mean", "class_iba"):
    assert np.isnan(found[name]).all()
  assert np.isfinite(found["recall"][1]).all()


def test_the_precision_of_what_was_never_predicted_has_no_interval():
  label = np.arange(48) // 4 % 3
  found = intervals.bootstrap(label, np.minimum(label, 1), np.arange(48) // 4, 3)
  assert np.isnan(found["precision"][2]).all()
  assert np.isfinite(found["precision"][:2]).all() and found["recall"][2][0] == 0
