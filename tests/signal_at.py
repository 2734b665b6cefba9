"""Runs a program that sends itself a signal right before one of its file operations.

  python tests/signal_at.py SIGKILL 'os.rename .*tiles.json' 1 launch.py --config=...

The operation is an audit event of Python's with its first arguments; the number says
which of those that match. With the pattern '' nothing is sent and all are printed.
"""

import os
import re
import runpy
import signal
import sys

EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def main(name: str, pattern: str, occurrence: str, script: str, *arguments: str):
  left, wanted = int(occurrence), re.compile(pattern)

  def hook(event, values):
    nonlocal left
    if event not in EVENTS or (event == "open" and _reads(values)):
      return
    operation = " ".join([event, *(str(v) for v in values[:2] if v is not None)])
    if not pattern:
      os.write(2, f"{operation}\n".encode())
    elif wanted.search(operation):
      left -= 1
      if left == 0:
        os.kill(os.getpid(), getattr(signal, name))

  sys.addaudithook(hook)
  sys.argv = [script, *arguments]
  sys.path[0] = os.path.dirname(os.path.abspath(script))
  runpy.run_path(script, run_name="__main__")


def _reads(values) -> bool:
  return not values[2] & (os.O_WRONLY | os.O_RDWR)  # the flags of open(2)


if __name__ == "__main__":
  main(*sys.argv[1:])
