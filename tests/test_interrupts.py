"""SIGTERM and Ctrl-C: heard once, answered with one line, in every state."""

import os
import signal
import subprocess
import sys

import pytest
from conftest import ROOT

from histojax import interrupts

BEGIN = """
import os, signal, sys
from histojax import interrupts
interrupts.stop_at_once()
def send(*names):
  for name in names:
    os.kill(os.getpid(), getattr(signal, name))
"""


def program(text):
  done = subprocess.run(
    [sys.executable, "-c", BEGIN + text], capture_output=True, text=True, cwd=ROOT
  )
  return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


def test_signals_are_remembered_until_polled():
  before = signal.getsignal(signal.SIGINT)
  with interrupts.Interrupts() as heard:
    heard.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)  # schedulers say it twice
    with pytest.raises(interrupts.Interrupted, match="SIGTERM") as caught:
      heard.poll()
  assert caught.value.signum == signal.SIGTERM
  assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_where_nothing_waits_to_be_saved_a_signal_ends_the_program(name):
  code, out, err = program(
    f"try:\n  send('{name}')\n  print('not reached')\nfinally:\n  print('tidied up')\n"
  )
  assert code == 128 + getattr(signal, name)
  assert out == ["tidied up"]
  assert err == [f"{name}: stopped; the same command goes on from here"]


def test_tidying_up_is_not_disturbed_by_a_second_sigterm():
  code, out, err = program(
    "try:\n  send('SIGTERM')\nfinally:\n  send('SIGTERM')\n  print('tidied up')\n"
  )
  assert (code, out, len(err)) == (143, ["tidied up"], 1)


@pytest.mark.parametrize("first", ["SIGTERM", "SIGINT"])
def test_one_more_ctrl_c_ends_at_once(first):
  code, out, err = program(
    f"try:\n  send('{first}')\nfinally:\n  send('SIGINT')\n  print('not reached')\n"
  )
  assert (code, out, len(err)) == (130, [], 2)
  code, out, err = program(
    f"with interrupts.Interrupts():\n  send('{first}', 'SIGINT')\n  print('no')\n"
  )
  assert (code, out, len(err)) == (130, [], 1)


def test_a_signal_after_the_last_poll_ends_the_program_after_all():
  code, out, err = program(
    "with interrupts.Interrupts() as heard:\n"
    "  heard.poll()\n"
    "  send('SIGTERM')\n"
    "  print('saved')\n"
    "print('not reached')\n"
  )
  assert (code, out, len(err)) == (143, ["saved"], 1)


def test_a_library_that_swallows_the_exit_only_delays_it():
  code, out, err = program(
    "try:\n  send('SIGTERM')\nexcept BaseException:\n  pass\n"
    "with interrupts.Interrupts() as heard:\n"
    "  try:\n    heard.poll()\n"
    "  except interrupts.Interrupted as found:\n    sys.exit(128 + found.signum)\n"
  )
  assert (code, len(err)) == (143, 1)
