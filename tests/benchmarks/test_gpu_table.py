"""The GPU table on small sizes: its rows run, and one that fails costs one row."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_the_table_is_written_row_by_row(tmp_path):
  output = tmp_path / "table.json"
  command = [sys.executable, "tests/benchmarks/gpu_table.py", "--size=32", "--batch=4"]
  command += ["--steps=2", "--classes=10", "--rows=train nothing,rotation,infer SE"]
  subprocess.run([*command, f"--output={output}"], check=True, cwd=ROOT)
  rows = json.loads(output.read_text())["rows"]
  assert "KeyError" in rows["train nothing"]["error"]
  assert rows["rotation"]["images_per_second"] > 0
  assert rows["infer SE"]["GFLOP_per_image"] > 0
