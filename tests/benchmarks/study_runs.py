"""Every shipped study at `:quick` to its table: its rows against the papers'.

    python tests/benchmarks/study_runs.py [--only 'liver'] [--keep FOLDER]

Prints a line each. Ends with exit code 1 where a study or a member of it fails, or its
tables lack a row or a column of the paper's. results/studies.json keeps what was seen.
The images are SYNTHETIC.
"""

import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests/benchmarks/results/studies.json"
GRADES = ("poor", "moderate", "well")
CERVIX = ("Plissiti", "ResNet50", "SE", "SAM", "DNL", "SE+SAM", "Ours")
DALA = (
  "DALAResNet50", "SEResNet50", "DenseNet121", "VGG16", "VGG16Inception", "ViT",
  "Swin-Transformer", "Dinov2_Vitb14", "ResNet50",
)  # fmt: skip
CRC = ("Fine-tuned ResNet50", "Multitask ResNet18", "ResNet18", "ResNet50", "VGG19")
PARTS = ("100,000: trained on", "100,000: held out", "CRC-VAL-HE-7K")
FROZEN = ("all but the head", "to stage 3", "to stage 2", "nothing")
LIVER = ("VGG16", "ResNet50", "ResNet50_CBAM", "SENet", "SKNet")
STRATEGIES = ("neither", "augmentation", "transfer", "transfer and augmentation")
LOSSES = ("cross entropy", "weighted cross entropy", "focal")
AT = ("40X", "100X", "200X", "400X")
PLACES = ("stage 2", "stage 3", "stage 4", "stage 5", "all")
BLOCKS = ("SE", "CBAM", "SAM", "SK", "SE+SAM", "DNL", "LAM", "no attention")
# of each study the tables behind its own, in order: (rows, columns) as the papers print
# them, from the text of their files; and the pictures
PAPERS = {
  "liver": [
    (LIVER, (*GRADES, "accuracy")),
    ([f"{n}, {g}" for n in LIVER for g in GRADES], ("precision", "recall", "F1")),
  ],
  "cervix": [(CERVIX, ("accuracy",))],
  "dala": [(DALA, ("accuracy", "precision", "recall", "F1", "G-mean"))] * 5,
  "breakhis_vgg": [
    (AT, ("benign", "malignant", "in all")),
    (LOSSES, (*AT, "mean")),
    (("VGG with focal loss",), (*AT, "mean")),
    (STRATEGIES, (*AT, "mean")),
  ],
  "crc": [(CRC, PARTS), (FROZEN, ("trained parameters", *PARTS))],
  "attention": [(BLOCKS, PLACES)],
  "reduction": [],
  "canvas": [],
  "split": [],
}
PICTURES = {
  "liver": {"figure3", "matrices"}, "cervix": {"matrices"}, "breakhis_vgg": {"figure4"},
}  # fmt: skip


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--only", default="*", help="names of studies, without ablate_")
  parser.add_argument("--keep", help="where the study folders stay")
  options = parser.parse_args()
  files = sorted((ROOT / "configs").glob("ablate_*.py"))
  names = [path.stem.removeprefix("ablate_") for path in files]
  held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
  failed = []
  with tempfile.TemporaryDirectory() as scratch:
    for name in fnmatch.filter(names, options.only):
      row = run(name, pathlib.Path(options.keep or scratch) / name)
      print(line(name, row), flush=True)
      failed += [name] * bool(row["lacks"])
      held[name] = row
      RESULTS.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
  if failed:
    sys.exit(f"not as they should be: {', '.join(failed)}")


def run(name: str, folder: pathlib.Path) -> dict:
  """What one study came to, and what it lacks."""
  command = [sys.executable, "launch.py", f"--config=configs/ablate_{name}.py:quick"]
  command += ["--mode=ablate", f"--workdir={folder}"]
  continued, began = (folder / "plan.json").exists(), time.monotonic()
  done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
  row = {"seconds": round(time.monotonic() - began, 1), "lacks": []}
  row |= {"cores": len(os.sched_getaffinity(0))}
  if continued:  # its seconds are of the last session only
    row["continued"] = True
  if done.returncode:
    last = (done.stderr or done.stdout).strip().splitlines() or [""]
    row["lacks"].append(f"exit code {done.returncode}: {last[-1]}")
  if not (folder / "study.json").exists():
    return row
  content = json.loads((folder / "study.json").read_text())
  members = [member for one in content["rows"] for member in one["members"]]
  row["variants"], row["members"] = len(content["rows"]), len(members)
  row["lacks"] += lacks(name, content)
  for kind in ("html", "csv", "tex"):
    if not (folder / f"study.{kind}").exists():
      row["lacks"].append(f"study.{kind}")
  row["says"] = content["sentences"][0]
  return row


def lacks(name: str, content: dict) -> list[str]:
  """What the content of a study.json lacks of what the paper prints."""
  found = [
    f"{member['name']} {member['state']}: {member['error']}"
    for one in content["rows"]
    for member in one["members"]
    if member["state"] != "finished"
  ]
  tables = [table for table in content["tables"] if table["head"][1] == "source"]
  for k, (rows, columns) in enumerate(PAPERS[name]):
    if k >= len(tables):
      found.append(f"table {k + 1} of the paper's")
      continue
    ours = [row[0] for row in tables[k]["rows"] if row[1] == "ours"]
    if ours != [*rows]:
      found.append(f"{tables[k]['title']}: rows {ours}, not {[*rows]}")
    if missing := [one for one in columns if one not in tables[k]["head"]]:
      found.append(f"{tables[k]['title']}: columns {missing}")
    for row in tables[k]["rows"]:
      if row[1] == "ours" and "–" in row[2:]:
        found.append(f"{tables[k]['title']}: no number in row {row[0]}")
  for one in content["rows"]:
    if one.get("epochs") is None or not one.get("epochs_on"):
      found.append(f"epochs to within 1 % of {one['name']}")
  wanted = PICTURES.get(name, set()) | {"curves", "pareto", "differences"}
  return found + [f"picture {one}" for one in sorted(wanted - {*content["figures"]})]


def line(name: str, row: dict) -> str:
  told = f"{name:14} {row['seconds']:6.0f} s"
  if row["lacks"]:
    return f"{told}  LACKS {'; '.join(row['lacks'])}"
  told += f"  {row['variants']} variants, {row['members']} members,"
  return f"{told} {len(PAPERS[name])} tables as in the paper; {row['says']}"


if __name__ == "__main__":
  main()
