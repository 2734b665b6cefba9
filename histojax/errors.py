"""The one exception for bad input, and the helper that names the nearest valid word."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
  """Something the user gave cannot be used: one sentence of what, where, what to do.

  `launch.py` prints the sentence and exits with code 2; no traceback.
  """


def nearest(word: str, valid: Iterable[str]) -> str:
  """The tail of an error sentence: "did you mean 'se'? (none, se)"."""
  valid = list(valid)
  close = [v for v in valid if v.lower() == word.lower()]
  close = close or difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
  listed = ", ".join(valid)
  return (
    f"did you mean {close[0]!r}? (known: {listed})" if close else f"known: {listed}"
  )
