"""Each config's logits beside those of an independent network: the largest difference.

    python tests/benchmarks/parity.py         # needs tests/requirements-oracles.txt

Runs tests/goldens/test_systems.py, and keeps what it saw in results/parity.json.
"""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
  path = HERE / "results/parity.json"
  if not path.exists():
    path.write_text("{}")
  command = [sys.executable, "-m", "pytest", "-m", "oracle and full"]
  command += [str(HERE.parent / "goldens/test_systems.py"), *sys.argv[1:]]
  sys.exit(subprocess.call(command, env=os.environ | {"PARITY_JSON": str(path)}))


if __name__ == "__main__":
  main()
