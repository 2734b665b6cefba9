"""The one exception for bad input, and what else is told in one sentence.

`nearest` names the valid word that was meant, `naming` the file of an error, and
`of_machine` says what disk, memory or permissions of this machine an error speaks of.
"""

import contextlib
import difflib
import errno
import os
import re
from collections.abc import Iterable


class InputError(ValueError):
  """Something the user gave cannot be used: one sentence of what, where, what to do.

  `launch.py` prints the sentence and exits with code 2; no traceback.
  """


def nearest(word: str, valid: Iterable[str]) -> str:
  """The tail of an error sentence: "did you mean 'se'? (none, se)"."""
  valid = list(valid)
  if not valid:
    return "there is none"
  close = [v for v in valid if v.lower() == word.lower()]
  close = close or difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
  listed = ", ".join(valid)
  return (
    f"did you mean {close[0]!r}? (known: {listed})" if close else f"known: {listed}"
  )


@contextlib.contextmanager
def naming(path):
  """An OSError raised within gets `path` as its filename: a full disk tells none."""
  try:
    yield
  except OSError as error:
    if error.errno is None or error.filename is not None:
      raise
    raise OSError(error.errno, error.strerror, str(path)) from error


_REMEDY = {
  errno.ENOSPC: "make room there",
  errno.EDQUOT: "make room there, or ask for a larger quota",
  errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
  errno.EROFS: "make it writable, or choose another folder",
  errno.EACCES: "give yourself access, or choose another folder",
  errno.EPERM: "give yourself access, or choose another folder",
  errno.EIO: "the disk itself fails: check it",
  errno.EMFILE: "raise the number of open files (ulimit -n)",
  errno.ENFILE: "raise the number of open files of this machine (fs.file-max)",
  errno.ESTALE: "the network folder is gone: mount it again",
  errno.ENOTCONN: "the network folder is gone: mount it again",
  errno.ENOENT: "it was there before: put it back",
  errno.ENOTDIR: "it was a folder before: put it back",
}


def of_machine(error: BaseException, where: object = "") -> str | None:
  """The sentence for an error of the disk, of permissions or of memory, else None.

  `where` is the file or folder that the user knows; by default what the error names.
  Looks down the causes of `error`, as libraries wrap what the system said into types of
  their own: there the system's words are recognised. A missing file is only believed
  of an error that names it.
  """
  seen = []
  while error is not None and error not in seen:
    seen.append(error)
    error = error.__cause__
  for link in seen:
    if (number := _number(link)) is not None:
      at = f"{where}: " if (where := where or _place(link)) else ""
      words = os.strerror(number).lower()
      return f"{at}{words}; {_REMEDY[number]}, then the same command continues"
  if any(map(_no_memory, seen)):
    return (
      "out of memory: lower batch_size and evaluate_batch_size (or augment.size); with"
      " --config.data.device_memory_gib=0 the images stay on disk"
    )
  return None


def _number(error: BaseException) -> int | None:
  """The system's error number, where it is one of those above."""
  if isinstance(error, OSError) and error.errno is not None:
    missing = error.errno in (errno.ENOENT, errno.ENOTDIR) and not error.filename
    return error.errno if error.errno in _REMEDY and not missing else None
  text = str(error)
  told = (n for n in _REMEDY if n not in (errno.ENOENT, errno.ENOTDIR, errno.EPERM))
  return next((n for n in told if os.strerror(n) in text), None)


def _place(error: BaseException) -> str:
  """The file that the error names, by attribute or in its text."""
  if isinstance(error, OSError) and error.filename:
    return os.fsdecode(error.filename)
  named = re.search(r"(?<![\w.])/[^\s\"';,:\[\]]+/[^\s\"';,:\[\]]+", str(error))
  return named[0] if named else ""


def _no_memory(error: BaseException) -> bool:
  words = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")
  return isinstance(error, MemoryError) or any(w in str(error) for w in words)
