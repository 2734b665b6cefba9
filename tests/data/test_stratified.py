"""Folds by group: whole, balanced, and drawn by the seed."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from histojax.data.stratified import group_folds

FOLDS = 5


def patients(seed, count=40):
  """(label, group) of patients with one to hundreds of images, two classes each."""
  rng = np.random.default_rng(seed)
  sizes = np.exp(rng.normal(3, 1, count)).astype(int) + 1
  of_patient = rng.integers(0, 3, count)
  label = [
    (k + (rng.random(n) < 0.2)) % 3 for k, n in zip(of_patient, sizes, strict=True)
  ]
  return np.concatenate(label), np.repeat(rng.permutation(count), sizes)


def by_sklearn(label, group, seed):
  fold = np.zeros(len(label), int)
  splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
  for i, (_, test) in enumerate(splitter.split(label, label, group)):
    fold[test] = i
  return fold


def unevenness(label, fold):
  """The mean over classes of the spread over folds of a class's share."""
  held = np.zeros((FOLDS, label.max() + 1))
  np.add.at(held, (fold, label), 1)
  return (held / held.sum(0)).std(0).mean()


def test_every_seed_draws_folds_of_its_own():
  label, group = patients(0)
  first = [
    frozenset(group[group_folds(label, group, FOLDS, s) == 0]) for s in range(20)
  ]
  assert len(set(first)) > 15
  again = group_folds(label, group, FOLDS, 3)
  np.testing.assert_array_equal(again, group_folds(label, group, FOLDS, 3))


@pytest.mark.parametrize("data", range(3))
def test_groups_are_whole_and_the_classes_about_as_even_as_scikit_learn_s(data):
  label, group = patients(data)
  found = [group_folds(label, group, FOLDS, seed) for seed in range(12)]
  for fold in found:
    assert sorted(set(fold)) == list(range(FOLDS))
    assert all(len(set(fold[group == g])) == 1 for g in set(group))
  uneven = [unevenness(label, fold) for fold in found]
  assert np.median(uneven) < 1.25 * unevenness(label, by_sklearn(label, group, 0))
  by_chance = np.random.default_rng(0).integers(0, FOLDS, (12, group.max() + 1))
  assert max(uneven) < min(unevenness(label, fold[group]) for fold in by_chance)


@pytest.mark.parametrize("seed", range(3))
def test_slides_of_one_size_are_folded_as_by_scikit_learn(seed):
  label, group = np.repeat([0, 0, 0, 1, 1, 2] * 12, 6), np.repeat(np.arange(72), 6)
  expected = by_sklearn(label, group, seed)
  np.testing.assert_array_equal(group_folds(label, group, FOLDS, seed), expected)
