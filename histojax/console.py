"""What a run says: lines to the terminal and log.txt, progress with an ETA."""

import contextlib
import contextvars
import io
import math
import sys
import time
from pathlib import Path

from histojax.errors import naming

_log = contextvars.ContextVar("log", default=None)  # the run's open log.txt
_muted = False


def mute() -> None:
  """From here on nothing is said or logged: of several processes the first speaks."""
  global _muted
  _muted = True


@contextlib.contextmanager
def log_to(path: Path):
  """Within this context every line also goes to `path` (appended)."""
  if _muted:
    yield
    return
  # unbuffered: what a full disk did not take is not tried again when it is closed
  with path.open("ab", buffering=0) as file:
    outer = _log.set(file)  # a fold writes to its own, within the run of all folds
    try:
      yield
    finally:
      _log.reset(outer)


def say(text: str, style: str = "") -> None:
  """Prints one line; `style` is a rich style such as 'bold red'."""
  from rich.text import Text

  show(Text(text, style=style), soft_wrap=True)


def warn(text: str) -> None:
  say(f"warning: {text}", style="bold yellow")


def show(renderable, soft_wrap: bool = False) -> None:
  """Prints a rich renderable (a table, a panel) and logs its plain text."""
  from rich.console import Console
  from tqdm import tqdm

  if _muted:
    return
  with tqdm.external_write_mode():  # a bar on the screen steps aside
    Console(highlight=False).print(renderable, soft_wrap=soft_wrap)
  if log := _log.get():
    text = io.StringIO()
    plain = Console(file=text, width=100, color_system=None, highlight=False)
    plain.print(renderable, soft_wrap=soft_wrap)
    with naming(log.name):
      log.write(text.getvalue().encode("utf-8", "backslashreplace"))


class Progress:
  """A bar with rate and ETA on a terminal; a line every 20 seconds elsewhere."""

  def __init__(self, total: int, label: str, unit: str, done: int = 0):
    from tqdm import tqdm

    self.total, self.label, self.unit, self.done = total, label, unit, done
    self._first = None  # (time, done) of the first advance: compilation ends there
    self._spoken = math.inf if _muted else time.monotonic()
    self._tty = sys.stderr.isatty() and not _muted
    self._bar = tqdm(
      total=total, initial=done, desc=label, unit=f" {unit}", disable=not self._tty,
      dynamic_ncols=True, leave=False,
    )  # fmt: skip

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._bar.close()

  def advance(self, count: int = 1, note: str = "") -> None:
    """Counts `count` more units; `note` (loss, accuracy) stands at the line's end."""
    now = time.monotonic()
    self.done = min(self.done + count, self.total)
    self._first = self._first or (now, self.done)
    if self._tty:
      self._bar.set_postfix_str(note, refresh=False)
      self._bar.update(self.done - self._bar.n)
    elif now - self._spoken >= 20 and self._first[1] < self.done < self.total:
      self._spoken = now
      print(
        f"{self.label}: {self.done:,}/{self.total:,} {self.unit}s,"
        f" {self.rate:,.0f} {self.unit}s/s, {duration(self.eta)} left  {note}",
        file=sys.stderr,
        flush=True,
      )

  @property
  def rate(self) -> float:
    """Units per second since the first advance."""
    start, done = self._first or (time.monotonic(), self.done)
    return (self.done - done) / max(time.monotonic() - start, 1e-9)

  @property
  def eta(self) -> float:
    """Seconds left at that rate."""
    return (self.total - self.done) / max(self.rate, 1e-9)


def duration(seconds: float) -> str:
  """12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
  seconds = round(seconds)
  units = (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1))
  for unit, size, lower, lower_size in units:
    if seconds >= size:
      rest = seconds % size // lower_size
      return f"{seconds // size} {unit}" + (f" {rest} {lower}" if rest else "")
  return f"{seconds} s"
