"""A number with the digits it was printed with, and what may stand behind it.

All arithmetic is exact (`fractions.Fraction`); shares are held as ratios in 0..1.
"""

import math
import re
from fractions import Fraction
from typing import NamedTuple

NEAREST = ("half up", "half even")
ROUNDINGS = (*NEAREST, "cut off")  # what is tried before a number is called impossible
TWICE = "rounded twice"  # first to one digit more: 97.848 -> 97.85 -> 97.9


class Printed(NamedTuple):
  """`value` is what `text` says; `step` is one unit of its last digit."""

  text: str
  value: Fraction
  step: Fraction

  @property
  def low(self) -> Fraction:
    """The least that rounds to it."""
    return self.value - self.step / 2

  @property
  def high(self) -> Fraction:
    """The most that rounds to it, or the least that no longer does."""
    return self.value + self.step / 2


def parse(text: str, percent: bool = True) -> Printed:
  """'95.30' as 0.9530 in steps of 0.0001; not `percent`: the number as it stands.

  Raises:
    ValueError: not a plain decimal number.
  """
  if not re.fullmatch(r"\d{1,12}(\.\d{1,9})?|\.\d{1,9}", text, re.ASCII):
    raise ValueError(text)
  scale = 100 if percent else 1
  digits = len(text.partition(".")[2])
  shown = f"{text} %" if percent else text
  return Printed(shown, Fraction(text) / scale, Fraction(1, 10**digits * scale))


def rounded(share: Fraction, step: Fraction, rule: str) -> Fraction:
  """`share` in multiples of `step`, by one of ROUNDINGS or TWICE."""
  if rule == TWICE:
    share = rounded(share, step / 10, "half up")
  scaled = share / step
  if rule == "half even":
    return round(scaled) * step
  return math.floor(scaled if rule == "cut off" else scaled + Fraction(1, 2)) * step


def prints(share: Fraction, printed: Printed, rules=NEAREST) -> bool:
  """Whether a share comes out as printed, by any of the rules."""
  return any(rounded(share, printed.step, rule) == printed.value for rule in rules)


def counts(printed: Printed, n: int, rules=NEAREST) -> list[int]:
  """The k for which k of `n` comes out as printed."""
  least = max(math.floor((printed.value - printed.step) * n), 0)
  most = min(math.ceil((printed.value + 2 * printed.step) * n), n)
  return [k for k in range(least, most + 1) if prints(Fraction(k, n), printed, rules)]


def around(printed: Printed, n: int) -> list[int]:
  """The largest k of `n` below what is printed and the smallest above."""
  below = math.floor(printed.value * n)
  return [k for k in (below, below + 1) if k <= n]


def always(printed: Printed, n: int) -> bool:
  """Whether every number of so many digits is some count of `n`: no test at all."""
  return n * printed.step >= 1


def percent(share, digits: int = 2) -> str:
  """'95.30 %', half up."""
  return f"{number(Fraction(share) * 100, digits)} %"


def number(value, digits: int) -> str:
  """Half up, from the exact value."""
  whole = rounded(abs(Fraction(value)), Fraction(1, 10**digits), "half up")
  scaled = str(int(whole * 10**digits)).rjust(digits + 1, "0")
  point = f"{scaled[:-digits]}.{scaled[-digits:]}" if digits else scaled
  return f"-{point}" if value < 0 and whole else point


def like(share: Fraction, printed: Printed) -> str:
  """A share with as many digits as another number is printed with."""
  percents = printed.text.endswith("%")
  digits = len(printed.text.removesuffix(" %").partition(".")[2])
  return percent(share, digits) if percents else number(share, digits)
