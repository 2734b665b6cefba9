"""Training, inference, rotation and input on a CPU beside the peers: JSON, a table.

    PYTHONPATH=. python tests/benchmarks/cpu_table.py --torch-python <python>

<python> has tests/requirements-oracles.txt, opencv-python-headless and kornia. Each
side runs alone in its process, in turns; the figures are medians over the rounds, with
the smallest and the largest. PyTorch has channels last and timm's models, eager or by
torch.compile: each is tried once, and the faster of the two goes through the rounds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SIZES = {64: 32, 128: 16, 224: 8}  # px: images in a batch
ROTATIONS = (
  "opencv", "opencv_normalised", "torchvision", "kornia", "scipy", "pillow",
)  # fmt: skip
MODELS = {"resnet50": ("none", "resnet50"), "SE": ("se(ratio=16)", "seresnet50")}


def run(command: list[str]) -> dict:
  done = subprocess.run(command, check=True, capture_output=True, text=True)
  return json.loads(done.stdout.splitlines()[-1])


def compare(ours: list[str], theirs: list[str], rounds: int) -> dict:
  """{key: {"ours": [...], "theirs": [...], "ratio": ...}} of two commands in turns."""
  sides = {"ours": [], "theirs": []}
  for _ in range(rounds):
    sides["ours"].append(run(ours))
    sides["theirs"].append(run(theirs))
  keys = sides["ours"][0].keys() & sides["theirs"][0].keys()
  found = {k: {s: [row[k] for row in rows] for s, rows in sides.items()} for k in keys}
  for row in found.values():
    row["ratio"] = statistics.median(row["ours"]) / statistics.median(row["theirs"])
  return found


def faster(commands: dict[str, list[str]], key: str) -> str:
  """The name of the command that printed the largest `key` when run once."""
  found = {name: run(command)[key] for name, command in commands.items()}
  return max(found, key=found.get)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--torch-python", required=True)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--steps", type=int, default=8)
  parser.add_argument("--compiled", action="store_true", help="try torch.compile too")
  parser.add_argument("--only", default="", help="rows with these words, ;-separated")
  parser.add_argument("--out", type=Path, default=HERE / "results" / "cpu.json")
  args = parser.parse_args()
  table = {
    "processor": platform.processor() or platform.machine(),
    "cores": len(os.sched_getaffinity(0)),
    "unit": "images/s",
    "rounds": args.rounds,
    "rows": {},
  }
  args.out.parent.mkdir(exist_ok=True)
  if args.only and args.out.exists():
    table["rows"] = json.loads(args.out.read_text())["rows"]
  cases = {}
  for size, batch in SIZES.items():
    for name, (attention, peer) in MODELS.items():
      shape = [f"--size={size}", f"--batch={batch}", f"--steps={args.steps}"]
      ours = [sys.executable, str(HERE / "step_speed.py"), "--worker", *shape]
      theirs = [args.torch_python, str(HERE / "step_speed_torch.py"), *shape]
      cases[f"{name}, {size} px, batch {batch}"] = (
        [*ours, f"--attention={attention}"],
        [*theirs, f"--model={peer}", "--layout=channels_last"],
      )
  rotation, files = (str(HERE / f"{n}_speed.py") for n in ("rotation", "input"))
  for peer in ROTATIONS:
    cases[f"rotation against {peer}, 224 px"] = (
      [sys.executable, rotation, "ours"],
      [args.torch_python, rotation, peer],
    )
  for form in ("png", "jpg"):
    cases[f"input against DataLoader, {form}, 224 px"] = (
      [sys.executable, files, "ours", f"--format={form}"],
      [args.torch_python, files, "dataloader", f"--format={form}"],
    )
  for name, (ours, theirs) in cases.items():
    if args.only and not any(words in name for words in args.only.split(";")):
      continue
    peer = ""
    if args.compiled and "step_speed" in theirs[1]:
      both = {"eager": theirs, "compiled": [*theirs, "--compiled"]}
      peer = faster(both, "train")
      theirs = both[peer]
    for key, row in sorted(compare(ours, theirs, args.rounds).items()):
      label = f"{name}: {key}"
      table["rows"][label] = row | (
        {"faster of eager and compiled": peer} if peer else {}
      )
      spread = {
        s: f"{statistics.median(row[s]):8.1f} ({min(row[s]):.1f}-{max(row[s]):.1f})"
        for s in ("ours", "theirs")
      }
      print(f"{label:44} {spread['ours']:28} {spread['theirs']:28} {row['ratio']:.2f}x")
      sys.stdout.flush()
    args.out.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
  main()
