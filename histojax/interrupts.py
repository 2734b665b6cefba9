"""SIGTERM and Ctrl-C: one line and the exit code of the signal, whenever they come."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_arrived = None  # the signal that `_stop` has answered
_listening = None  # the main thread's `Interrupts`, which hears for other threads


class Interrupted(Exception):
  """SIGTERM or Ctrl-C arrived; `signum` says which."""

  def __init__(self, signum: int):
    super().__init__(signal.Signals(signum).name)
    self.signum = signum


def stop_at_once() -> None:
  """From here on a signal is one line and SystemExit, so that `finally` tidies up.

  For every moment at which nothing waits to be saved: `Interrupts` is for the others.
  """
  for signum in _SIGNALS:
    signal.signal(signum, _stop)


class Interrupts:
  """Within it signals are remembered until somebody polls.

  Whoever sends SIGTERM twice is a scheduler: the run is saved all the same. Whoever
  presses Ctrl-C once more is a person in a hurry: that ends at once.

  A signal comes to the main thread; in another one polling asks what that one heard.

  Args:
    heard: (this process's signal, or 0) -> what its run is to answer now, or 0.
  """

  def __init__(self, heard: Callable[[int], int] = int):
    self._heard = heard

  def __enter__(self):
    global _listening
    self.signum, self._polled = _arrived, False
    self._old, self._outer = {}, _listening
    if threading.current_thread() is not threading.main_thread():
      return self
    _listening = self
    self._old = {s: signal.signal(s, self._remember) for s in _SIGNALS}
    return self

  def __exit__(self, kind, *_):
    global _listening
    if not self._old:
      return
    _listening = self._outer
    for signum, handler in self._old.items():
      signal.signal(signum, _hurry if self._polled and handler is _stop else handler)
    if self.signum is not None and not self._polled and kind is None:
      signal.raise_signal(self.signum)  # it came after the last poll

  def _remember(self, signum, frame):
    if self.signum is not None:
      return _hurry(signum, frame)
    self.signum = signum

  def poll(self) -> None:
    """Raises Interrupted where a signal has arrived."""
    if not self._old and self._outer:
      self.signum = self._outer.signum
    if signum := self._heard(self.signum or 0):
      self._polled = True
      raise Interrupted(signum)


def _stop(signum, frame):
  global _arrived
  _arrived = signum  # a library that swallows SystemExit only delays it to `Interrupts`
  for number in _SIGNALS:
    signal.signal(number, _hurry)
  _say(f"{signal.Signals(signum).name}: stopped; the same command goes on from here")
  raise SystemExit(128 + signum)


def _hurry(signum, frame):
  """Once a signal is being answered: only another Ctrl-C is heard."""
  if signum == signal.SIGINT:
    _say("SIGINT: stopped at once; the same command goes on from the last checkpoint")
    os._exit(128 + signum)


def _say(line: str) -> None:
  # not print: the signal may have come in the midst of one. A progress bar, or ^C, may
  # stand on the terminal's line
  start = "\n" if sys.stderr and sys.stderr.isatty() else ""
  with contextlib.suppress(OSError):
    os.write(2, f"{start}{line}\n".encode())
