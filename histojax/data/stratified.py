"""Folds that keep groups whole and classes in proportion, and that a seed draws.

The rule is that of scikit-learn's StratifiedGroupKFold: group by group, those of the
most images first, into the fold that leaves the classes' shares most alike. There, only
groups that are as large as each other come in an order of the seed's, so that patients,
of whom no two have as many images, are folded the same way by every seed. Here, groups
that are less than a fifth larger count as equal.
"""

import numpy as np


def group_folds(
  label: np.ndarray, group: np.ndarray, folds: int, seed: int
) -> np.ndarray:
  """The fold of each row, int [N]; no group is in two.

  Args:
    label: int [N].
    group: [N], of at least `folds` different values.
  """
  (_, label), (_, group) = (np.unique(v, return_inverse=True) for v in (label, group))
  held = np.zeros((group.max() + 1, label.max() + 1))  # images [groups, classes]
  np.add.at(held, (group, label), 1)
  # Larger by the spread of its counts over the classes, in steps of 2^(1/4) = 1.19; a
  # group that holds as many of each class, a spread of 0, comes last.
  size = np.floor(4 * np.log2(np.maximum(held.std(1), 2.0**-9)))
  drawn = np.random.RandomState(seed).permutation(len(held))
  order = drawn[np.argsort(-size[drawn], kind="stable")]

  total, filled = held.sum(0), np.zeros((folds, held.shape[1]))
  fold_of = np.zeros(len(held), int)
  there = np.eye(folds)[:, :, None]  # one more group in fold i, for each i
  for one in order:
    shares = (filled + there * held[one]) / total
    uneven, images = shares.std(1).mean(1), filled.sum(1)  # [folds]
    best = 0
    for i in range(1, folds):
      alike = np.isclose(uneven[i], uneven[best]) and images[i] < images[best]
      if uneven[i] < uneven[best] or alike:
        best = i
    fold_of[one] = best
    filled[best] += held[one]
  return fold_of[group]
