import time

import pytest

from histojax import console


@pytest.mark.parametrize(
  ("seconds", "text"),
  [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (273600, "3 d 4 h")],
)
def test_durations_are_said_in_two_units(seconds, text):
  assert console.duration(seconds) == text


def test_lines_and_tables_also_go_to_the_log(tmp_path, capsys):
  with console.log_to(tmp_path / "log.txt"):
    console.say("first", style="bold red")
    console.warn("second")
  console.say("third")
  assert (tmp_path / "log.txt").read_text() == "first\nwarning: second\n"
  assert capsys.readouterr().out.splitlines() == ["first", "warning: second", "third"]


def test_long_lines_are_not_broken(tmp_path):
  with console.log_to(tmp_path / "log.txt"):
    console.say("x" * 500)
  assert (tmp_path / "log.txt").read_text() == "x" * 500 + "\n"


def test_progress_counts_from_the_first_advance(monkeypatch, capsys):
  clock = [0.0]
  monkeypatch.setattr(time, "monotonic", lambda: clock[0])
  progress = console.Progress(100, "training", "image", done=20)
  clock[0] = 30  # a compilation
  progress.advance(10)
  assert "left" not in capsys.readouterr().err  # nothing is known of the rate yet
  clock[0] = 50
  progress.advance(40, note="loss 0.5")
  assert progress.rate == 2.0 and progress.eta == 15.0
  line = "training: 70/100 images, 2 images/s, 15 s left  loss 0.5\n"
  assert capsys.readouterr().err == line
  progress.advance(1000)
  assert progress.done == 100 and progress.eta == 0
