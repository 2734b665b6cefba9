"""Mistakes on the command line: one sentence, exit code 2, no traceback."""

import subprocess
import sys

import pytest
from conftest import ROOT

QUICK = "--config=configs/liver_senet.py:quick"


def launch(*arguments, cwd=ROOT, **options):
  command = [sys.executable, str(ROOT / "launch.py"), *arguments]
  return subprocess.run(command, capture_output=True, text=True, cwd=cwd, **options)


@pytest.mark.parametrize(
  ("arguments", "sentence"),
  [
    (
      [QUICK, "--config.model.attenton=se"],
      "no key 'attenton'; did you mean 'attention'",
    ),
    ([QUICK, "--config.epochs=many"], "--config.epochs=many: expected a whole number"),
    ([QUICK, "--config.optimizer.momentum=x"], "momentum=x: expected a number"),
    ([QUICK, "--config.model=3"], "this is a group of keys"),
    (["--config=configs/liver_sene.py"], "no such file; did you mean 'configs/liver_s"),
    (["--config=configs/liver_senet.py:quik"], "no such variant; did you mean 'quick'"),
    ([], "no --config given: try --config=configs/liver_senet.py:quick"),
    ([QUICK, "--mode=trian"], "--mode=trian: did you mean 'train'"),
    ([QUICK, "--confg=x"], "Unknown command line flag 'confg'"),
    ([QUICK, "--config.data.name=foldr"], "data.name='foldr': did you mean 'folder'"),
    ([QUICK, "--config.data.name=folder"], "data.source is empty"),
    ([QUICK, "--mode=profile", "--profile_target=h20"], "did you mean 'h200'"),
    ([QUICK, "--profile_trace"], "--profile_trace: only with --mode=profile"),
    ([QUICK, "--metric=mcc"], "--metric=mcc: only with --mode=compare or leak_gap"),
    ([QUICK, "--mode=profile", "--profile_against=x.py"], "x.py: no such file"),
  ],
)
def test_mistakes_are_one_sentence(arguments, sentence):
  result = launch(*arguments)
  assert result.returncode == 2, result.stderr
  assert sentence in result.stderr
  assert "Traceback" not in result.stderr
  errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
  assert len(errors) == 1


def test_a_broken_config_file_is_named(tmp_path):
  (tmp_path / "broken.py").write_text("def get_config(variant=''):\n  return 1 / 0\n")
  result = launch(f"--config={tmp_path / 'broken.py'}")
  assert result.returncode == 2 and "broken.py is broken" in result.stderr
  assert "Traceback" not in result.stderr


def test_help_names_the_modes():
  result = launch("--helpfull")
  assert "train or resume" in result.stdout
