"""The next network, built and compiled by a thread while the current one trains."""

import contextlib
import threading

import jax

from histojax.studies.prepare import Ready


class Ahead:
  """At most one engine ahead. What fails here fails again where it is used."""

  def __init__(self):
    self._thread = self._key = self._engine = None
    self._stop = threading.Event()

  def begin(self, ready: Ready, make) -> None:
    """Starts on the engine `make(ready)` and what it compiles, in the background."""
    key = ready.engine, ready.program
    if self._thread is None or not (key == self._key or self._thread.is_alive()):
      self._key, self._stop = key, threading.Event()
      device = jax.config.jax_default_device  # JAX compiles anew under another one
      self._thread = threading.Thread(target=self._run, args=(ready, make, device))
      self._thread.start()

  def take(self, ready: Ready):
    """The engine for `ready`, when it is done; None where it is none of it."""
    if self._thread is None or self._key != (ready.engine, ready.program):
      return None
    self._thread.join()
    engine, self._engine, self._thread = self._engine, None, None
    return engine

  def settle(self) -> None:
    """Ends what is under way, after the program that is being compiled."""
    self._stop.set()
    if self._thread is not None:
      self._thread.join()
    self._thread = self._engine = None

  def _run(self, ready: Ready, make, device) -> None:
    at = jax.default_device(device) if device else contextlib.nullcontext()
    with contextlib.suppress(Exception), at:
      engine = make(ready)
      for _ in engine.compile(ready.plan):
        if self._stop.is_set():
          return
      self._engine = engine
