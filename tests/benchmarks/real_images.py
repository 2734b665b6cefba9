"""On real images: each paper's winner beside its plain baseline, three seeds.

    python tests/benchmarks/real_images.py ../shared/data [--only cervix]
    python tests/benchmarks/real_images.py --table         # rewrites README's table

Small (48 or 32 px) and from scratch, because no weights come along: it says what the
blocks do at this scale, nothing of the papers' own data. A seed draws the split, too;
groups (patients, capture groups) never cross it where they are known. One line per run;
results/real_images.json keeps what was seen. The colorectal paper's winner is ImageNet
weights, which have to be downloaded, so its row is the multitask network instead.
"""

import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/benchmarks/results/real_images.json"
SEEDS = (0, 1, 2)
# paper -> (images, its winner, its plain baseline, both with these overrides)
PAIRS = {
  "liver": (
    "crc_polyp5_flagy", "liver_senet:quick", "liver_resnet50:quick",
    {"augment.size": 48, "epochs": 6, "evaluate_every": 6},
  ),
  "cervix": (
    "herlev_papsmear", "sipakmed_multi_attention:quick", "sipakmed_resnet50:quick",
    {"augment.size": 48, "epochs": 14},
  ),
  "colorectal": (
    "crc_polyp5_flagy", "crc_resnet18_multitask:quick", "crc_resnet18:quick",
    {"augment.size": 48, "epochs": 6, "evaluate_parts": "train|test"},
  ),
  "breakhis_dala": (
    "crc_histophenotypes_patients", "breakhis_dala:quick", "breakhis_resnet50:quick",
    {"augment.size": 32, "epochs": 4, "batch_size": 32},
  ),
  "breakhis_vgg": (
    "crc_histophenotypes_patients",
    "breakhis_vgg_focal:quick", "breakhis_vgg_focal:quick",
    {"augment.size": 32, "epochs": 4, "batch_size": 32},
  ),
}  # fmt: skip
LOSSES = {"breakhis_vgg": ("focal(gamma=2.0)", "cross_entropy")}
HEADER = (
  "| paper | images: groups | winner | plain baseline | difference (sd) | colour |",
  "|---|---|---|---|---|---|",
)
BEGIN, END = "<!-- real images: begin -->", "<!-- real images: end -->"
NUCLEI = ("epithelial", "fibroblast", "inflammatory", "others")


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  what = "the folder of labelled images"
  parser.add_argument("data", type=pathlib.Path, nargs="?", help=what)
  parser.add_argument("--only", choices=PAIRS)
  parser.add_argument("--table", action="store_true")
  options = parser.parse_args()
  held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
  if options.table:
    return rewrite(held)
  if options.data is None:
    parser.error(f"give {what}")
  for paper in [options.only] if options.only else PAIRS:
    images, *configs, overrides = PAIRS[paper]
    held[paper] = {"images": images, "runs": []}
    with tempfile.TemporaryDirectory() as scratch:
      source = listed(options.data / images, pathlib.Path(scratch))
      for seed in SEEDS:
        for which, config in zip(("winner", "baseline"), configs, strict=True):
          more = {"loss": LOSSES[paper][which == "baseline"]} if paper in LOSSES else {}
          row = {"which": which, "config": config, "seed": seed} | more
          row |= run(config, source, seed, overrides | more, scratch)
          print(paper, images, which, config, f"seed {seed}:", said(row), flush=True)
          held[paper]["runs"].append(row)
          RESULTS.write_text(json.dumps(held, indent=1) + "\n")
    print(verdict(paper, held[paper]), flush=True)


def listed(folder: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
  """The manifest of a set: of the nuclei, those whose type is known."""
  manifest = folder / "manifest.csv"
  if folder.name != "crc_histophenotypes_patients":
    return manifest
  with manifest.open() as file:
    rows = [row for row in csv.DictReader(file) if row["label"] in NUCLEI]
  with (scratch / "nuclei.csv").open("w") as file:
    writer = csv.writer(file)
    writer.writerow(("path", "label", "group"))
    writer.writerows((folder / r["path"], r["label"], r["group"]) for r in rows)
  return scratch / "nuclei.csv"


def run(config, source, seed, overrides, scratch) -> dict:
  file, _, variant = config.partition(":")
  keys = {
    "data.name": "folder", "data.source": source, "published": "", "seed": seed,
    "split.protocol": "grouped", "split.fold": 0, "split.folds": 5, "split.seed": seed,
    "select_on": "last", "split.validation_fraction": 0.0,
  } | overrides  # fmt: skip
  workdir = pathlib.Path(scratch) / f"{file}-{overrides.get('loss', '')[:5]}-{seed}"
  command = [sys.executable, "launch.py", f"--config=configs/{file}.py:{variant}"]
  command += [f"--config.{key}={value}" for key, value in keys.items()]
  began = time.monotonic()
  done = subprocess.run(
    [*command, f"--workdir={workdir}"], cwd=ROOT, capture_output=True, text=True
  )
  if done.returncode:
    raise SystemExit(done.stderr.strip().splitlines()[-1])
  report = json.loads((workdir / "report.json").read_text())
  images = report["scores"]["images"]
  colour = report["baselines"]["colour_histogram"]["images"]["balanced_accuracy"]
  return {
    "seconds": round(time.monotonic() - began, 1),
    "n": images["n"],
    "groups": images["groups"],
    "balanced_accuracy": images["balanced_accuracy"],
    "colour_histogram": colour["value"],
    "cores": len(os.sched_getaffinity(0)),
  }


def said(row: dict) -> str:
  score = row["balanced_accuracy"]
  return (
    f"balanced accuracy {score['value']:.3f} ({score['low']:.2f}-{score['high']:.2f}),"
    f" colour {row['colour_histogram']:.2f}, n {row['n']} of {row['groups']} groups,"
    f" {row['seconds']:.0f} s"
  )


def verdict(paper: str, found: dict) -> str:
  gaps = differences(found)
  spread = statistics.stdev(gaps)
  return (
    f"{paper}: winner - baseline {statistics.mean(gaps):+.3f} (sample sd over seeds"
    f" {spread:.3f}; {', '.join(f'{gap:+.3f}' for gap in gaps)})"
  )


def differences(found: dict) -> list[float]:
  value = {
    (row["which"], row["seed"]): row["balanced_accuracy"]["value"]
    for row in found["runs"]
  }
  return [value["winner", seed] - value["baseline", seed] for seed in SEEDS]


def rewrite(held: dict) -> None:
  """The table in README.md, from what was seen."""
  table = "\n".join([*HEADER, *(line(p, held[p]) for p in PAIRS if p in held)])
  readme = ROOT / "README.md"
  before, rest = readme.read_text().split(BEGIN)
  readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}")
  print(table)


def line(paper: str, found: dict) -> str:
  rows = {which: [] for which in ("winner", "baseline")}
  for row in found["runs"]:
    rows[row["which"]].append(row)
  cells = [
    paper,
    f"`{found['images']}`: {ranged([r['groups'] for r in found['runs']])}",
  ]
  for of in rows.values():
    scores = ", ".join(f"{row['balanced_accuracy']['value']:.2f}" for row in of)
    name, loss = of[0]["config"].partition(":")[0], of[0].get("loss")
    cells.append(f"`{name}`{f', {loss}' if loss else ''}: {scores}")
  gaps = differences(found)
  cells.append(f"{statistics.mean(gaps):+.3f} ({statistics.stdev(gaps):.3f})")
  cells.append(", ".join(f"{row['colour_histogram']:.2f}" for row in rows["baseline"]))
  return f"| {' | '.join(cells)} |"


def ranged(values: list[int]) -> str:
  return "–".join(f"{n}" for n in sorted({min(values), max(values)}))


if __name__ == "__main__":
  main()
