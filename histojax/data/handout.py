"""The test part of a split: kept by one object, handed out for a reason, written down.

Whatever looks at test images and then chooses (an epoch, a learning rate) makes their
score too good. So training gets a split without a test part and tiles that refuse its
rows; only `Handout.handed_out` lets them through, and the run folder keeps every time.
"""

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Callable

import numpy as np

from histojax.data.splits import Split
from histojax.data.tiles import Tiles

FINAL, AGAIN = "final evaluation", "evaluate again"
CHOOSING = "select_on=test, epoch {:g}"  # the papers' habit
AUDIT = "leakage audit before training"
REPORT = "audit, baselines and figures of the report"


class Withheld(AssertionError):
  """Something reached for the test part without being handed it: a bug, not a typo."""


@dataclasses.dataclass(frozen=True)
class Sealed:
  """A `Split` without its test part: all that training and choosing may know."""

  train: np.ndarray
  validation: np.ndarray

  @property
  def test(self):
    raise Withheld("the test part is not here: handout.Handout.handed_out gives it")

  def parts(self) -> dict[str, np.ndarray]:
    return {"train": self.train, "validation": self.validation}


class Handout:
  """Alone knows the test part of `split`, and tells `record` before it hands it out."""

  def __init__(self, split: Split, record: Callable[[dict], None]):
    self._split, self._record, self._out = split, record, False

  @contextlib.contextmanager
  def handed_out(self, why: str, step: int | None = None, *, scored: bool = True):
    """Within, the test part may be looked at: yields the whole `Split`.

    Args:
      why: FINAL, for example.
      step: the training step of the state that looks at it.
      scored: a network's answers are compared with the labels; False for what only
        describes the images.
    """
    self.note(why, step, scored=scored)  # before: a kill must not hide it
    before, self._out = self._out, True
    try:
      yield self._split
    finally:
      self._out = before

  def note(self, why: str, step: int | None = None, *, scored: bool) -> None:
    """Writes down, as `handed_out` does, what has been or will be looked at."""
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    row = {"when": now, "why": why, "scored": scored, "images": len(self._split.test)}
    self._record(row | {"step": step, "process": os.getpid()})

  def guard(self, tiles: Tiles) -> Tiles:
    """`tiles` from which nothing of the test part can be taken unless it is out."""
    return dataclasses.replace(tiles, keeper=self)

  def admit(self, rows: np.ndarray) -> None:
    """Raises Withheld where `rows` hold any of the test part and it is not out.

    Asked once for a plan, which may then yield as many batches as it likes.
    """
    if self._out:
      return
    taken = np.intersect1d(rows, self._split.test)
    if len(taken):
      raise Withheld(
        f"{len(taken)} rows of the test part (row {taken[0]}, ...) were asked for, but"
        " it is not handed out: use handout.Handout.handed_out"
      )


def seal(split: Split, record: Callable[[dict], None]) -> tuple[Sealed, Handout]:
  """What training may know of `split`, and the keeper of the rest."""
  return Sealed(split.train, split.validation), Handout(split, record)


def final(rows: list[dict]) -> str:
  """Why the chosen state looks at the test part: FINAL, or AGAIN after `rows`."""
  return AGAIN if any(row.get("why") in (FINAL, AGAIN) for row in rows) else FINAL


def sentence(rows: list[dict]) -> str:
  """'The test part was looked at 3 times: ...' where a network was scored on it more
  than once, else ''."""
  why = [str(row.get("why")) for row in rows if row.get("scored", True)]
  if len(why) < 2:
    return ""
  choosing = sum(reason.startswith("select_on=") for reason in why)
  others = [reason for reason in why if not reason.startswith("select_on=")]
  told = [f"{_times(choosing)} to choose the epoch (select_on=test)"] * bool(choosing)
  for reason in dict.fromkeys(others):
    goal = "to evaluate again" if reason == AGAIN else f"for the {reason}"
    told.append(f"{_times(others.count(reason))} {goal}")
  return f"The test part was looked at {len(why):,} times: {', '.join(told)}."


def of_folds(rows: list[dict]) -> str:
  """`sentence` of every fold whose test part was looked at more than once; `rows` hold
  `fold`, its number."""
  each, told = {}, {}
  for row in rows:
    each.setdefault(row["fold"], []).append(row)
  for fold, held in each.items():
    told.setdefault(sentence(held), []).append(str(fold))
  told.pop("", None)
  return " ".join(f"Fold {', '.join(which)}: {said}" for said, which in told.items())


def _times(count: int) -> str:
  return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
