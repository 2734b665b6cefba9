"""Runs Python in a process of its own: what hangs or aborts there only ends there."""

import os
import signal
import subprocess
import sys
from typing import NamedTuple

DEVICES = """
import json, jax
found = [(d.platform, d.device_kind) for d in jax.devices()]
x, k = jax.numpy.ones((1, 3, 8, 8)), jax.numpy.ones((4, 3, 3, 3))
jax.block_until_ready(jax.lax.conv(x, k, (1, 1), "SAME"))
print("found", json.dumps({"jax": jax.__version__, "devices": found}))
"""
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
  print("trying", name, flush=True)
  try:
    importlib.import_module(name)
  except BaseException as error:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    print("failed", name, text[:200], flush=True)
"""
SETTINGS = {
  "TF_CPP_MIN_LOG_LEVEL": "0",  # the reason for an abort is said below 3
  "JAX_ENABLE_COMPILATION_CACHE": "false",
  "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # somebody may be training on that GPU
}


class Answer(NamedTuple):
  lines: list[str]  # of stdout
  errors: list[str]  # of stderr
  ended: str  # '' where all went well, else how it ended


class Probe:
  """Starts at once; `answer` waits until `seconds` after that are over."""

  def __init__(self, code: str, *arguments: str, seconds: float):
    self.seconds = seconds
    self._process = subprocess.Popen(
      [sys.executable, "-c", code, *arguments],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
      errors="replace",
      env=os.environ | SETTINGS,
      start_new_session=True,  # to end its children too
    )

  def answer(self) -> Answer:
    ended = ""
    try:
      out, err = self._process.communicate(timeout=self.seconds)
    except subprocess.TimeoutExpired:
      os.killpg(self._process.pid, signal.SIGKILL)
      out, err = self._process.communicate()
      ended = f"hangs: no answer within {self.seconds:g} s"
    code = self._process.returncode
    if not ended and code:
      ended = f"ends with {signal.Signals(-code).name}" if code < 0 else "fails"
    return Answer(out.splitlines(), err.splitlines(), ended)
