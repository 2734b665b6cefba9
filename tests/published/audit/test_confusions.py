"""Confusion matrices recovered from what is printed of them."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histojax.evaluation import confusion
from histojax.published.audit import confusions
from histojax.published.audit.paper import Scores
from histojax.published.audit.printed import parse, percent

METRICS = ("precision", "recall", "f1")


def scores_of(cm, digits=2):
  """What a paper would print of a matrix, rounded half up."""
  cm = np.asarray(cm)
  found = Scores(classes=[str(i) for i in range(len(cm))])
  found.n = {str(i): int(n) for i, n in enumerate(cm.sum(1))} | {"": int(cm.sum())}

  def add(name, metric, above, below):
    text = percent(Fraction(int(above), int(below)), digits)[:-2]
    found.add(("a", name, metric), parse(text), "Table 1")

  for i, hit in enumerate(np.diag(cm)):
    row, column = cm[i].sum(), cm[:, i].sum()
    add(str(i), "precision", hit, column)
    add(str(i), "recall", hit, row)
    add(str(i), "f1", 2 * hit, row + column)
  add("", "accuracy", np.trace(cm), cm.sum())
  return found


def matrices(k, most=40):
  cells = st.lists(st.integers(0, most), min_size=k * k, max_size=k * k)
  return cells.map(lambda c: np.reshape(c, (k, k)) + most * np.eye(k, dtype=int))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([2, 3, 4]).flatmap(matrices), st.integers(0, 2))
def test_the_truth_is_among_the_solutions(cm, digits):
  found = confusions.solve(scores_of(cm, digits), "a")
  truth = tuple(np.diag(cm)), tuple(cm.sum(0))
  assert found.count >= 1 and found.rounding == ""
  if found.count == 1:
    assert found.first[0] == truth
  if found.count == len(found.first):
    assert truth in found.first


@settings(deadline=None, max_examples=6)
@given(matrices(3, 6))
def test_every_solution_of_a_small_table_is_found(cm):
  scores = scores_of(cm, 1)
  n = [scores.n[str(i)] for i in range(3)]
  found, brute = confusions.solve(scores, "a"), set()
  printed = {key: cells[0].printed for key, cells in scores.cells.items()}

  def same(other):
    again = scores_of(other, 1).cells
    return all(again[key][0].printed == value for key, value in printed.items())

  near = range(-1, 2)
  for h in itertools.product(near, repeat=3):
    hits = np.diag(cm) + h
    if (hits < 0).any() or (hits > n).any():
      continue
    for d in itertools.product(near, repeat=2):
      said = cm.sum(0) + [*d, -sum(d)]
      solution = confusions.Solution(tuple(hits), tuple(said))
      if (said >= hits).all() and (said > 0).all() and confusions.feasible(n, solution):
        cells, free = confusions.three(n, solution)
        t = free[0]
        other = np.array([[c + f * t for c, f in row] for row in cells])
        if same(other):
          brute.add((tuple(hits), tuple(said)))
  if found.count == len(found.first):
    assert brute <= {*map(tuple, found.first)}


@settings(deadline=None, max_examples=60)
@given(matrices(3, 9))
def test_the_free_integer_spans_every_matrix_with_those_sums(cm):
  solution = confusions.Solution(tuple(np.diag(cm)), tuple(cm.sum(0)))
  cells, free = confusions.three(list(cm.sum(1)), solution)
  assert cm[0, 1] in free
  made = {t: np.array([[c + f * t for c, f in row] for row in cells]) for t in free}
  np.testing.assert_array_equal(made[cm[0, 1]], cm)
  for matrix in made.values():
    assert (matrix >= 0).all() and (matrix.sum(0) == cm.sum(0)).all()
    assert (matrix.sum(1) == cm.sum(1)).all()
  for t in (free[0] - 1, free[-1] + 1):
    assert min(c + f * t for row in cells for c, f in row) < 0
  kappa, macro = confusions.agreement(cm.sum(1).tolist(), solution)
  for matrix in made.values():
    oracle = confusion.metrics(matrix)
    assert oracle["kappa"] == pytest.approx(float(kappa), abs=1e-12)
    assert oracle["macro_f1"] == pytest.approx(float(macro), abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 4), min_size=9, max_size=9))
def test_errors_that_cannot_be_dealt_out_are_known(cells):
  cm = np.reshape(cells, (3, 3))
  misses, alarms = cm.sum(1), cm.sum(0)[[1, 2, 0]]  # sums that may fit or not
  free = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
  found = False
  for t in range(misses[0] + 1):  # the one free cell decides the other five
    m = np.zeros((3, 3), int)
    m[0, 1], m[0, 2] = t, misses[0] - t
    m[2, 1] = alarms[1] - t
    m[1, 2] = alarms[2] - m[0, 2]
    m[2, 0], m[1, 0] = misses[2] - m[2, 1], misses[1] - m[1, 2]
    found |= all(m[i] >= 0 for i in free) and m[:, 0].sum() == alarms[0]
  solution = confusions.Solution((0, 0, 0), tuple(alarms))
  assert confusions.feasible(list(misses), solution) == found


def test_an_accuracy_that_does_not_fit_leaves_the_rest():
  scores = scores_of([[90, 10], [20, 180]])
  key = ("a", "", "accuracy")
  scores.cells[key] = []
  scores.add(key, parse("91.00"), "Table 1")
  assert confusions.solve(scores, "a").count == 0
  assert confusions.solve(scores, "a", False).first == [((90, 180), (110, 190))]


def test_too_many_solutions_are_not_counted():
  n = 200_000
  scores = scores_of(np.full((6, 6), 100) + n * np.eye(6, dtype=int), 1)
  assert confusions.solve(scores, "a").count == confusions.MANY


def test_cut_off_digits_are_recognised():
  scores = Scores(classes=["x", "y"], n={"x": 7, "y": 11, "": 18})
  for name, recall, precision in (("x", "71.4", "83.3"), ("y", "90.9", "83.3")):
    scores.add(("a", name, "recall"), parse(recall), "Table 1")
    scores.add(("a", name, "precision"), parse(precision), "Table 1")
  scores.add(("a", "", "accuracy"), parse("83.3"), "Table 1")
  assert confusions.solve(scores, "a").rounding == ""
  cut = Scores(classes=["x", "y"], n={"x": 3, "y": 6, "": 9})
  cut.add(("a", "x", "recall"), parse("66.6"), "Table 1")
  cut.add(("a", "y", "recall"), parse("83.3"), "Table 1")
  found = confusions.solve(cut, "a")
  assert found.rounding == "digits were cut off" and found.first[0].hits == (2, 5)


def test_without_recall_or_counts_nothing_is_solved():
  scores = Scores(classes=["x"], n={})
  scores.add(("a", "x", "recall"), parse("66.7"), "Table 1")
  assert confusions.solve(scores, "a") is None
