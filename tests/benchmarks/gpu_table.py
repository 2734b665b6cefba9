"""The whole GPU table in one call of less than ten minutes on an H200.

    python tests/benchmarks/gpu_table.py [--torch-python <python with timm>]
    python tests/benchmarks/gpu_table.py --size 32 --batch 4 --steps 2    # on a CPU

Correctness first: three float32 steps against a plain form of the network, then every
convolution of the zoo alone in bfloat16; then speed. Each row is a process with a time
limit, so that one slow compilation costs one row, and the JSON is written after each.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent

SE = "se(ratio=16)"
MODELS = {  # name: model, attention, other arguments, what `--torch-python` compares
  "resnet50": ("resnet50", "none", {}, "resnet50"),
  "frozen norms": ("resnet50", "none", {"norm": "frozen"}, ""),
  "SE": ("resnet50", SE, {}, "seresnet50"),
  "CBAM": ("resnet50", "cbam", {}, "resnet50:cbam"),
  "SK": ("resnet50", "sk", {"inner": 2}, "skresnet50"),
  "VGG16": ("vgg16", "none", {}, "vgg16"),
}
GOALS = {  # images/s on an H200 at 224 px
  "train resnet50": 10_000, "train frozen norms": 13_000, "infer resnet50": 40_000,
  "train SE": 8_800, "train CBAM": 7_800, "train SK": 6_800, "train VGG16": 5_500,
  "rotation": 1_000_000,
}  # fmt: skip
ROWS = (
  "ceilings", "correctness", "convolutions", "train resnet50", "infer resnet50",
  "rotation", "train frozen norms", "train SE", "train CBAM", "train SK", "train VGG16",
)  # fmt: skip


def call(command, limit: float) -> dict:
  """The JSON of a command's last line, or why there is none."""
  start = time.monotonic()
  try:
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    row = json.loads(done.stdout.splitlines()[-1])
  except subprocess.TimeoutExpired:
    row = {"error": f"took more than {limit:.0f} s"}
  except (json.JSONDecodeError, IndexError):
    row = {"error": done.stderr[-600:]}
  return row | {"wall_s": round(time.monotonic() - start, 1)}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--size", type=int, default=224)
  parser.add_argument("--batch", type=int, default=256, help="inference takes twice it")
  parser.add_argument("--classes", type=int, default=1000)
  parser.add_argument("--steps", type=int, default=30)
  parser.add_argument("--rows", default=",".join(ROWS))
  parser.add_argument("--limit", type=float, default=560, help="seconds in all")
  parser.add_argument("--row-limit", type=float, default=90)
  parser.add_argument("--torch-python", help="also its models, compiled, AMP bfloat16")
  parser.add_argument("--output", default=str(HERE / "results" / "gpu_table.json"))
  args = parser.parse_args()
  shared = [f"--{k}={getattr(args, k)}" for k in ("size", "batch", "classes", "steps")]
  ours = [sys.executable, str(HERE / "gpu_table_jax.py"), *shared]
  ours.append(f"--row-limit={args.row_limit}")
  jobs = {row: [*ours, f"--row={row}"] for row in args.rows.split(",")}
  for row in [*jobs] if args.torch_python else []:
    kind, _, name = row.partition(" ")
    if name in MODELS and MODELS[name][3]:
      theirs = [args.torch_python, str(HERE / "gpu_table_torch.py"), *shared]
      jobs[f"torch {row}"] = [*theirs, f"--kind={kind}", f"--model={MODELS[name][3]}"]
  output, began = pathlib.Path(args.output), time.monotonic()
  output.parent.mkdir(parents=True, exist_ok=True)
  table = {"arguments": vars(args), "host": platform.processor(),
           "cores": os.cpu_count(), "rows": {}}  # fmt: skip
  for row, command in jobs.items():
    left = args.limit - (time.monotonic() - began)
    found = {"error": "no time left"}
    if left > 10:
      found = call(command, min(args.row_limit, left))
    table["rows"][row] = found | ({"goal": GOALS[row]} if row in GOALS else {})
    table["seconds"] = round(time.monotonic() - began, 1)
    output.write_text(json.dumps(table, indent=1) + "\n")
    print(summary(row, table["rows"]), flush=True)


def summary(row: str, rows: dict) -> str:
  found = rows[row]
  if "error" in found:
    return f"{row:<22} {found['error'].strip().splitlines()[-1]}"
  if "images_per_second" not in found:
    shown = {k: v for k, v in found.items() if k not in ("failed", "losses")}
    return f"{row:<22} {shown}"
  text = f"{row:<22} {found['images_per_second']:>12,.0f} images/s"
  text += f", p50 {found['p50_ms']:.2f} ms" if "p50_ms" in found else ""
  if "H200" in found.get("device", "") and "goal" in found:
    text += (
      f", {found['MB_per_image']:.0f} MB, {found['of_h200_floor']:.0%} of the floor"
    )
    text += f", {found['images_per_second'] / found['goal']:.2f} of the goal"
  ours = rows.get(row.removeprefix("torch "), {}).get("images_per_second")
  if row.startswith("torch ") and ours:
    text += f"; ours {ours / found['images_per_second']:.2f} times that"
  return text


if __name__ == "__main__":
  main()
