"""Printed numbers against the standard library's decimal rounding."""

import decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histojax.published.audit import printed

DECIMAL = {
  "half up": decimal.ROUND_HALF_UP,
  "half even": decimal.ROUND_HALF_EVEN,
  "cut off": decimal.ROUND_DOWN,
}
SHARES = st.tuples(st.integers(0, 500), st.integers(1, 500)).filter(
  lambda s: s[0] <= s[1]
)


@given(st.integers(0, 10**6), st.integers(0, 4), st.sampled_from([*DECIMAL]))
def test_rounding_is_that_of_decimal(millionths, digits, rule):
  share, step = Fraction(millionths, 10**6), Fraction(1, 10**digits)
  exact = decimal.Decimal(millionths) / 10**6
  expected = exact.quantize(decimal.Decimal(10) ** -digits, DECIMAL[rule])
  assert printed.rounded(share, step, rule) == Fraction(expected)


def test_rounding_twice_is_that_of_the_known_example():
  step = Fraction(1, 1000)
  share = Fraction(591, 604)  # 97.848 %
  assert printed.rounded(share, step, "half up") == Fraction(978, 1000)
  assert printed.rounded(share, step, printed.TWICE) == Fraction(979, 1000)


@settings(deadline=None, max_examples=40)
@given(SHARES, st.integers(0, 3), st.sampled_from([*printed.ROUNDINGS, printed.TWICE]))
def test_a_printed_share_finds_its_count_and_no_other(share, digits, rule):
  (k, n), step = share, Fraction(1, 10 ** (digits + 2))
  value = printed.rounded(Fraction(k, n), step, rule)
  text = printed.percent(value, digits).removesuffix(" %")
  found = printed.counts(printed.parse(text), n, (rule,))
  same = [
    j for j in range(n + 1) if printed.rounded(Fraction(j, n), step, rule) == value
  ]
  assert found == same and k in found


@given(st.integers(0, 10**6), st.integers(0, 5))
def test_numbers_are_written_as_decimal_does(value, digits):
  exact = decimal.Decimal(value) / 1000
  shown = exact.quantize(decimal.Decimal(10) ** -digits, decimal.ROUND_HALF_UP)
  assert printed.number(Fraction(value, 1000), digits) == str(shown)


def test_digits_are_kept():
  assert printed.parse("95.30").step == Fraction(1, 10**4)
  assert printed.parse("95.3").step == Fraction(1, 10**3)
  assert printed.parse("0.953", percent=False).value == Fraction(953, 1000)
  assert printed.like(Fraction(1, 3), printed.parse("95.30")) == "33.33 %"
  assert printed.like(Fraction(1, 3), printed.parse(".9", False)) == "0.3"


@pytest.mark.parametrize("text", ["", "x", "1e3", "-1", "1,5", "nan", "١", "9" * 40])
def test_what_is_no_number_is_refused(text):
  with pytest.raises(ValueError):
    printed.parse(text)


@settings(deadline=None, max_examples=10)
@given(st.integers(60, 150) | st.integers(900, 1100), st.integers(0, 1))
def test_numbers_that_always_exist_are_known_as_such(n, digits):
  step = Fraction(1, 10 ** (digits + 2))
  every = all(
    printed.counts(printed.parse(printed.percent(k * step, digits)[:-2]), n)
    for k in range(0, 100 * 10**digits + 1, 1 + 6 * digits)
  )  # fmt: skip
  if printed.always(printed.parse("5" + ".0" * digits), n):
    assert every
