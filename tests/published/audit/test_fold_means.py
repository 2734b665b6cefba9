"""Means and deviations over folds: what real folds print is never called impossible."""

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histojax.published.audit import folds
from histojax.published.audit.paper import Scores
from histojax.published.audit.printed import NEAREST, Printed, parse, percent, rounded

STEP = Fraction(1, 10**4)


def printed(share, digits=2) -> Printed:
  return parse(percent(share, digits)[:-2])


def both(share):
  return {rounded(share, STEP, rule) for rule in NEAREST}


def hits(size, count):
  near = st.integers(size // 2, size)
  return st.lists(near, min_size=count, max_size=count)


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(3, 6), st.integers(20, 90))
def test_a_mean_of_rounded_folds_is_possible(data, count, n):
  sizes = folds.sizes(n, count)
  middle = data.draw(st.integers(0, min(sizes)))
  values = [
    data.draw(st.integers(max(middle - 5, 0), min(middle + 5, s))) for s in sizes
  ]
  shares = [Fraction(k, s) for k, s in zip(values, sizes, strict=True)]
  mean = sum(rounded(s, STEP, "half up") for s in shares) / count
  assert folds.rounded_first(printed(mean), n, count)
  assert folds.unrounded(printed(sum(shares) / count), n, count, None)


@pytest.mark.parametrize(("n", "count"), [(7, 3), (11, 2), (6, 3)])
def test_what_is_called_impossible_is_so_by_enumeration(n, count):
  sizes = folds.sizes(n, count)
  unrounded, first = set(), set()
  for ks in itertools.product(*(range(s + 1) for s in sizes)):
    shares = [Fraction(k, s) for k, s in zip(ks, sizes, strict=True)]
    unrounded |= both(sum(shares) / count)
    each = [rounded(s, STEP, "half up") for s in shares]
    first |= both(sum(each) / count)
  for value in {*range(0, 10**4, 17), *(int(x / STEP) for x in unrounded | first)}:
    text, share = percent(value * STEP)[:-2], value * STEP
    assert folds.unrounded(parse(text), n, count, None) == (share in unrounded), text
    assert folds.rounded_first(parse(text), n, count) == (share in first), text


@settings(deadline=None)
@given(st.integers(2, 6).flatmap(lambda f: st.tuples(st.just(f), hits(20, f))))
def test_a_real_deviation_is_never_impossible(drawn):
  count, values = drawn
  shares = [Fraction(k, 20) for k in values]
  mean = sum(shares) / count
  variance = sum((s - mean) ** 2 for s in shares) / (count - 1)
  scores = Scores(n={"": 20 * count}, folds=count)
  for share in (1, Fraction(count - 1, count)):  # of a sample, of these folds
    sd = Fraction(math.sqrt(variance * share)).limit_denominator(10**9)
    assert folds.impossible(printed(mean), printed(sd), scores) == ""


def test_deviations_that_no_folds_have():
  scores = Scores(n={"": 50}, folds=5)
  assert "at most" in folds.impossible(parse("98.0"), parse("20.0"), scores)
  # of 5 folds of 10 with 49 right, only 10, 10, 10, 10, 9 remain: sd 4.47
  assert folds.impossible(parse("98.0"), parse("4.5"), scores) == ""
  assert "no 5 counts" in folds.impossible(parse("98.0"), parse("3.0"), scores)


@pytest.mark.parametrize("sd", ["4.0", "4.4"])  # over all five; 4.47 cut off
def test_deviations_of_another_kind_are_possible(sd):
  assert folds.impossible(parse("98.0"), parse(sd), Scores(n={"": 50}, folds=5)) == ""
