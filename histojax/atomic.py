"""Files whole or not at all, and one writer at a time."""

import contextlib
import os
from pathlib import Path

from histojax import console
from histojax.errors import InputError, naming


def write(path: str | Path, data: bytes) -> None:
  """Replaces `path` by `data` in one step: a reader sees the old or the new file.

  Raises:
    OSError: it cannot be written, with `path` as its filename.
  """
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    with naming(path):
      temporary.write_bytes(data)
      os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def reserve(path: str | Path, size: int) -> None:
  """Takes `size` bytes of disk for an existing file, before it is written as a map.

  A memory map of a file with holes is killed by SIGBUS where the disk is full.

  Raises:
    OSError: there is no room, with `path` as its filename.
  """
  with naming(path), open(path, "r+b") as file:
    os.posix_fallocate(file.fileno(), 0, size)


def clear(folder: Path) -> None:
  """Removes what processes that were killed in `write` left in `folder`."""
  for path in folder.glob(".*.tmp"):
    owner = path.name.split(".")[-2]
    if owner.isdecimal() and not _alive(int(owner)):
      path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
  try:
    os.kill(process, 0)
  except ProcessLookupError:
    return False
  except OSError:  # somebody else's
    pass
  return True


@contextlib.contextmanager
def lock(path: Path, busy: str, *, wait: bool):
  """Holds a lock on the file `path`, made where there is none, against other processes.

  The kernel drops it with its process, however that ends.

  Args:
    busy: what is said where another process holds it.
    wait: for the other to be done, instead of refusing.

  Raises:
    InputError: another process holds it, and `wait` is False.
    OSError: the file cannot be made.
  """
  import fcntl

  path.parent.mkdir(parents=True, exist_ok=True)
  with path.open("a") as file:
    try:
      fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      if not wait:
        raise InputError(busy) from None
      console.say(busy)
      fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
      pass  # a file system without locks
    yield
