"""Paired tests against plain loops, statsmodels and simulations of no difference."""

import itertools

import numpy as np
import pytest
from scipy import stats

from histojax.evaluation import paired
from histojax.evaluation.confusion import by_group, confusion_matrix, metrics


def two_runs(groups=8, per_group=5, k=3, seed=0, better=0.0):
  """Labels, both predictions, groups; both are right more often in the same groups."""
  rng = np.random.default_rng(seed)
  index = np.repeat(np.arange(groups), per_group)
  label = rng.integers(0, k, len(index))
  ease = rng.beta(4, 2, groups)[index]
  said = []
  for extra in (better, 0.0):
    right = rng.random(len(index)) < ease + extra
    said.append(np.where(right, label, rng.integers(0, k, len(index))))
  return label, *said, index


def matrices(label, a, b, index, k=3):
  return by_group(label, a, index, k), by_group(label, b, index, k)


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "mcc"])
def test_exact_permutation_equals_a_loop_over_all_exchanges(metric):
  label, a, b, index = two_runs()
  scores = []
  for swap in itertools.product([False, True], repeat=8):
    here = np.array(swap)[index]
    pair = np.where(here, b, a), np.where(here, a, b)
    one, two = (metrics(confusion_matrix(label, p, 3))[metric] for p in pair)
    scores.append(abs(one - two))
  expected = np.mean(np.array(scores) >= scores[0] - 1e-12)
  found = paired.permutation(*matrices(label, a, b, index), metric)
  assert found["exact"] and found["p"] == expected
  assert 0 < expected < 1


def test_drawn_permutations_agree_with_all_of_them(monkeypatch):
  pair = matrices(*two_runs(groups=13, better=0.15))
  exact = paired.permutation(*pair, "accuracy")
  monkeypatch.setattr(paired, "_EXACT", 0)
  drawn = paired.permutation(*pair, "accuracy")
  assert exact["exact"] and not drawn["exact"] and drawn["draws"] == 10_000
  assert abs(exact["p"] - drawn["p"]) < 4 * (exact["p"] / 10_000) ** 0.5


def test_groups_that_differ_alike_are_exchanged_by_number():
  """Of single images, how many of each kind are exchanged."""
  label, a, b, _ = two_runs(groups=300, per_group=1, k=2, better=0.05)
  found = paired.permutation(*matrices(label, a, b, np.arange(300), 2), "accuracy")
  wins = int(((a == label) & (b != label)).sum())
  expected = stats.binomtest(wins, found["differing"]).pvalue  # of counts: a sign test
  assert not found["exact"] and 0.01 < expected < 0.99
  assert abs(found["p"] - expected) < 4 * (expected / 10_000) ** 0.5


def test_groups_that_agree_change_nothing():
  label, a, b, index = two_runs(groups=10)
  b = np.where(index < 4, a, b)
  found = paired.permutation(*matrices(label, a, b, index), "accuracy")
  rest = index >= 4
  alone = paired.permutation(
    *matrices(label[rest], a[rest], b[rest], index[rest] - 4), "accuracy"
  )
  assert found == alone and found["differing"] == 5 and found["least_p"] == 2 / 2**5
  same = paired.permutation(*matrices(label, a, a, index), "accuracy")
  assert same["p"] == same["least_p"] == 1


def test_the_difference_of_accuracies_is_a_paired_t_interval():
  label, a, b, index = two_runs(groups=8, per_group=20, better=0.1)
  found = paired.difference(*matrices(label, a, b, index), "accuracy")
  each = [np.mean((a == label)[index == g]) for g in range(8)]
  other = [np.mean((b == label)[index == g]) for g in range(8)]
  away = np.subtract(each, other)
  low, high = stats.t.interval(0.95, 7, away.mean(), stats.sem(away))
  assert abs(found["value"] - away.mean()) < 1e-12
  # the bootstrap's spread has a Monte-Carlo error of 0.7 %
  np.testing.assert_allclose(
    [found["low"], found["high"]], [low, high], atol=0.0125 * (high - low)
  )
  np.testing.assert_allclose(found["sd"], away.std(ddof=1), rtol=0.025)


def test_pairing_narrows_and_one_group_says_nothing():
  label, a, b, index = two_runs(groups=40)
  b = np.where(np.arange(len(a)) % 10 == 0, b, a)  # nearly the same classifier
  own = matrices(label, a, b, index)
  close = paired.difference(*own, "balanced_accuracy")
  shuffled = own[1][np.random.default_rng(0).permutation(40)]
  loose = paired.difference(own[0], shuffled, "balanced_accuracy")
  assert close["sd"] < 0.5 * loose["sd"]
  alone = paired.difference(own[0][:1], own[1][:1], "accuracy")
  assert np.isnan([alone["low"], alone["high"], alone["sd"]]).all()


def null(rng, groups=20, per_group=10):
  """Two equally good classifiers whose errors come in groups, each its own."""
  index = np.repeat(np.arange(groups), per_group)
  label = np.zeros(len(index), int)
  said = (rng.random(len(index)) > rng.beta(1.7, 0.3, groups)[index] for _ in "ab")
  return label, *(s.astype(int) for s in said), index


@pytest.mark.parametrize(
  "times,low,high",
  [(150, 0.01, 0.1), pytest.param(2000, 0.04, 0.06, marks=pytest.mark.full)],
)
def test_no_difference_is_found_one_time_in_twenty(times, low, high):
  rng, found = np.random.default_rng(0), []
  for _ in range(times):
    label, a, b, index = null(rng)
    pair = matrices(label, a, b, index, 2)
    p = paired.permutation(*pair, "accuracy", draws=199)["p"]
    span = paired.difference(*pair, "accuracy", resamples=200)
    naive = paired.mcnemar(label, a, b)["exact_p"]
    found.append((p <= 0.05, not span["low"] <= 0 <= span["high"], naive <= 0.05))
  permuted, missed, naive = np.mean(found, axis=0)
  assert low < permuted < high
  assert low < missed < high
  assert naive > 0.2  # McNemar's test takes every image for a witness of its own


def test_mcnemar_against_its_formulas():
  label = np.zeros(40, int)
  first = np.r_[np.zeros(30, int), np.ones(10, int)]
  second = np.r_[np.ones(3, int), np.zeros(27 + 8, int), np.ones(2, int)]
  found = paired.mcnemar(label, first, second)
  assert (found["only_first"], found["only_second"]) == (3, 8)
  assert abs(found["exact_p"] - stats.binomtest(3, 11).pvalue) < 1e-12
  assert abs(found["chi2"] - 16 / 11) < 1e-12
  assert abs(found["chi2_p"] - stats.chi2.sf(16 / 11, 1)) < 1e-12
  same = paired.mcnemar(label, first, first)
  assert same["exact_p"] == same["chi2_p"] == 1


def test_holm_by_hand():
  # sorted 0.01, 0.02, 0.03, 0.9: times 4, 3, 2, 1, never falling
  found = paired.holm([0.03, 0.01, 0.9, 0.02])
  np.testing.assert_allclose(found, [0.06, 0.04, 0.9, 0.06], atol=1e-15)
  assert paired.holm([0.7, 0.6]).tolist() == [1, 1]


@pytest.mark.parametrize("effect", [0.2, 0.5, 1.3])
def test_the_groups_needed_give_the_power_that_simulation_finds(effect):
  groups = paired.groups_needed(2 * effect, 2.0)
  assert paired.power(effect, groups) >= 0.8 > paired.power(effect, groups - 1)
  drawn = np.random.default_rng(0).normal(effect, 1, (4000, groups))
  seen = (stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05).mean()
  assert abs(seen - paired.power(effect, groups)) < 0.02
  assert abs(paired.power(paired.detectable(1.0, groups), groups) - 0.8) < 1e-9


def test_no_number_of_groups_shows_nothing():
  assert paired.groups_needed(0.0, 1.0) is None
  assert paired.groups_needed(0.1, 0.0) is None
  assert paired.groups_needed(0.1, float("nan")) is None
  assert np.isnan(paired.detectable(float("nan"), 5))
  assert np.isnan(paired.detectable(1.0, 1))


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore")
def test_equals_statsmodels():
  tables = pytest.importorskip("statsmodels.stats.contingency_tables")
  from statsmodels.stats.multitest import multipletests
  from statsmodels.stats.power import TTestPower

  for seed in range(20):
    label, a, b, _ = two_runs(seed=seed, better=0.1)
    ours, right = paired.mcnemar(label, a, b), (a == label, b == label)
    table = [
      [np.sum((right[0] == x) & (right[1] == y)) for y in (1, 0)] for x in (1, 0)
    ]
    exact, chi2 = (tables.mcnemar(table, exact=e) for e in (True, False))
    assert abs(ours["exact_p"] - exact.pvalue) < 1e-12
    if ours["only_first"] != ours["only_second"]:  # theirs corrects past zero there
      assert abs(ours["chi2"] - chi2.statistic) < 1e-12
      assert abs(ours["chi2_p"] - chi2.pvalue) < 1e-12
    p = np.random.default_rng(seed).random(7) ** 3
    np.testing.assert_allclose(
      paired.holm(p), multipletests(p, method="holm")[1], atol=1e-12
    )
  for effect in (0.1, 0.4, 0.9, 2.0):
    theirs = TTestPower().solve_power(effect, power=0.8, alpha=0.05)
    assert paired.groups_needed(effect, 1.0) == int(np.ceil(theirs - 1e-6))
    theirs = TTestPower().power(effect, 15, 0.05)
    assert abs(paired.power(effect, 15) - theirs) < 1e-9


@pytest.mark.parametrize("effect,groups,expected", [(8, 2, 0.6253), (20, 2, 0.9735)])
def test_power_has_a_value_where_scipy_has_none(effect, groups, expected):
  """Drawn: the share of pairs whose t is beyond its quantile."""
  assert paired.power(effect, groups) == pytest.approx(expected, abs=1e-4)
  drawn = np.random.default_rng(0).normal(effect, 1, (20_000, groups))
  t = drawn.mean(1) / drawn.std(1, ddof=1) * groups**0.5
  seen = (np.abs(t) > stats.t.ppf(0.975, groups - 1)).mean()
  assert seen == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("groups", [2, 3, 5, 8])
def test_what_few_groups_can_show_is_found(groups):
  least = paired.detectable(1.0, groups)
  assert paired.power(least, groups) == pytest.approx(0.8, abs=1e-6)
  assert paired.groups_needed(1.01 * least, 1.0) == groups
