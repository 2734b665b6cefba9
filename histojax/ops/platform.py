"""The one place that asks which platform a program is lowered for."""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_target: contextvars.ContextVar[str | None] = contextvars.ContextVar(
  "target", default=None
)


def platform() -> str:
  """'cpu', 'gpu' or 'tpu': what the operations choose their lowering by."""
  return _target.get() or jax.default_backend()


@contextlib.contextmanager
def lowered_for(name: str) -> Iterator[None]:
  """Traces for another platform than this machine's, to compile for it ahead of time.

  The choice is made while tracing: enter it around the first call (or `lower`) of a
  function that was not jitted before.
  """
  token = _target.set(name)
  try:
    yield
  finally:
    _target.reset(token)
