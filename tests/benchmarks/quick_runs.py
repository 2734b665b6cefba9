"""Every `:quick` config to its report, one line each: seconds, score, what is trivial.

    python tests/benchmarks/quick_runs.py [--only 'liver_*'] [--keep FOLDER]

Ends with exit code 1 where a run fails, or is no better than always naming the most
frequent class. results/quick.json keeps what was seen, with the hardware. The images
are SYNTHETIC.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/benchmarks/results/quick.json"
NEEDS_A_SOURCE = {"folder"}


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--only", default="*", help="names of configs")
  parser.add_argument("--keep", help="where the run folders stay")
  options = parser.parse_args()
  names = sorted(path.stem for path in (ROOT / "configs").glob(f"{options.only}.py"))
  names = [name for name in names if not name.startswith("ablate_")]  # study_runs.py
  held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
  failed = []
  with tempfile.TemporaryDirectory() as scratch:
    for name in (name for name in names if name not in NEEDS_A_SOURCE):
      folder = pathlib.Path(options.keep or scratch) / name
      row = run(name, folder)
      print(line(name, row), flush=True)
      failed += [name] * (not row.get("beats_majority"))
      held[name] = row
      RESULTS.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
  if failed:
    sys.exit(f"not as they should be: {', '.join(failed)}")


def run(name: str, folder: pathlib.Path) -> dict:
  """What one quick run came to; `error` where it did not end well."""
  command = [sys.executable, "launch.py", f"--config=configs/{name}.py:quick"]
  began = time.monotonic()
  done = subprocess.run(
    [*command, f"--workdir={folder}"], cwd=ROOT, capture_output=True, text=True
  )
  seconds = round(time.monotonic() - began, 1)
  if done.returncode:
    last = (done.stderr or done.stdout).strip().splitlines() or [""]
    return {"seconds": seconds, "error": last[-1]}
  report = json.loads((folder / "report.json").read_text())
  images = report["scores"]["images"]
  matrix = images["confusion"]
  n = sum(map(sum, matrix))
  accuracy = sum(matrix[i][i] for i in range(len(matrix))) / n
  majority = max(map(sum, matrix)) / n
  colour = report["baselines"]["colour_histogram"]["images"]["balanced_accuracy"]
  return {
    "seconds": seconds,
    "n": n,
    "accuracy": round(accuracy, 4),
    "majority": round(majority, 4),
    "beats_majority": accuracy > majority,
    "balanced_accuracy": images["balanced_accuracy"],
    "chance": 1 / len(matrix),
    "colour_histogram": colour["value"],
    "dataset": report["dataset"]["name"],
    "cores": len(os.sched_getaffinity(0)),
    "processor": report["environment"]["processor"],
    "date": report["date"],
  }


def line(name: str, row: dict) -> str:
  if "error" in row:
    return f"{name:26} {row['seconds']:6.0f} s  {row['error']}"
  score = row["balanced_accuracy"]
  return (
    f"{name:26} {row['seconds']:6.0f} s  accuracy {row['accuracy']:.3f}"
    f" (majority {row['majority']:.3f}), balanced {score['value']:.2f}"
    f" ({score['low']:.2f}-{score['high']:.2f}; chance {row['chance']:.2f},"
    f" colour {row['colour_histogram']:.2f}), n {row['n']}"
  )


if __name__ == "__main__":
  main()
