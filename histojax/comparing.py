"""Runs beside each other: `--mode=compare --runs=a,b,c`, with nothing trained anew."""

import hashlib
import json
from pathlib import Path

from histojax import atomic, console
from histojax.errors import InputError, nearest
from histojax.evaluation import comparison, predictions, scores, tables
from histojax.evaluation.confusion import SCALARS
from histojax.evaluation.tables import Table
from histojax.evaluation.verdict import counted, interval, number

FORMATS = {
  "compare.md": tables.markdown,
  "compare.tex": tables.latex,
  "compare.csv": tables.comma_separated,
}
NAIVE = (
  "McNemar's test takes every image for independent evidence. Images of one {unit} are"
  " not, so its p is naive: it stands there for comparison with other papers."
)


def run(request, runs: str, metric: str) -> None:
  """Compares finished runs on the images all were tested on; writes and shows it.

  Args:
    runs: run folders, separated by commas; a folder of folds counts as one run.
    metric: one of `confusion.SCALARS`.

  Raises:
    InputError: a folder without predictions, runs of different test images, an unknown
      metric, or a folder that cannot be written.
  """
  folders = [Path(part.strip()) for part in runs.split(",") if part.strip()]
  if len(folders) < 2:
    raise InputError(
      "--mode=compare needs two run folders or more: add"
      " --runs=runs/liver_senet-quick/seed0,runs/liver_resnet50-quick/seed0"
    )
  if metric not in SCALARS:
    raise InputError(f"--metric={metric}: {nearest(metric, SCALARS)}")
  content = compared(dict(zip(_names(folders), folders, strict=True)), metric)
  key = hashlib.sha256(json.dumps([*map(str, folders), metric]).encode()).hexdigest()
  folder = Path(request.workdir or f"runs/compare-{key[:6]}")
  write(folder, content)
  show(content, folder)


def compared(folders: dict[str, Path], metric: str) -> dict:
  """Everything that is said of the runs, JSON-ready.

  Returns:
    metric, unit (what a group is called), classes, notes (what limits it), runs
    {name: its `scores.score`}, comparison (`comparison.compare`), sentences (one pair
    each), remedies, tables ([title, head, rows]).
  """
  held = {name: _report(folder) for name, folder in folders.items()}
  read = {
    name: predictions.read(at / "predictions.csv") for name, at in folders.items()
  }
  aligned = comparison.align(read)
  unit = next(iter(held.values()))["dataset"].get("group_name") or "group"
  each = {
    name: scores.score(
      aligned["label"], said, aligned["group"], aligned["classes"],
      probability=aligned["probability"][name],
    )
    for name, said in aligned["prediction"].items()
  }  # fmt: skip
  found = comparison.compare(aligned, metric)
  pairs = found["pairs"]
  content = {
    "metric": metric,
    "unit": unit,
    "classes": list(aligned["classes"]),
    "notes": [*_notes(held), NAIVE.format(unit=unit)],
    "folders": {name: str(folder) for name, folder in folders.items()},
    "runs": each,
    "comparison": found,
    "sentences": [comparison.sentence(found, pair, unit) for pair in pairs],
    "remedies": [comparison.remedy(found, pair, unit) for pair in pairs],
  }
  return content | {"tables": [*_tables(content, unit)]}


def write(folder: Path, content: dict) -> None:
  """compare.json, .html, .md, .tex and .csv, each whole or absent."""
  made = [Table(*table) for table in content["tables"]]
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FORMATS.items():
      atomic.write(folder / name, text(made).encode())
    atomic.write(folder / "compare.html", _page(content))
    text = json.dumps(content, indent=1, default=lambda v: v.tolist()) + "\n"
    atomic.write(folder / "compare.json", text.encode())
  except OSError as error:
    raise InputError(
      f"cannot write {folder}: {error.strerror}; choose another --workdir"
    ) from error


def show(content: dict, folder: Path) -> None:
  """Prints the sentences, the scores and the differences; the rest is written."""
  from rich.markup import escape
  from rich.table import Table as Screen

  for said, way in zip(content["sentences"], content["remedies"], strict=True):
    console.say(said, "bold")
    console.say(way)
  (title, head, scored), _, differences = content["tables"]
  turned = [head[:1] + [row[0] for row in scored]]  # runs are fewer than scores
  turned += [
    list(cells) for cells in zip(head[1:], *(row[1:] for row in scored), strict=True)
  ]
  for about, head, rows in ((title, turned[0], turned[1:]), differences):
    console.say("")
    console.say(about)
    table = Screen(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for i, name in enumerate(head):
      table.add_column(escape(name), justify="right" if i else "left", overflow="fold")
    for row in rows:
      table.add_row(*map(escape, row))
    console.show(table)
  for note in content["notes"]:
    console.warn(note)
  console.say(f"written: {folder / 'compare.html'}, and .md, .tex, .csv, .json", "bold")


def _tables(content: dict, unit: str):
  """The papers' two layouts, and the pairs."""
  each, classes = content["runs"], content["classes"]
  first = next(iter(each.values()))
  about = f"{counted(first['n'], 'image')} of {counted(first['groups'], unit)}"
  digits = 3 if first["n"] >= 1000 else 2

  def cell(score):
    span = interval(score, digits)
    return number(score["value"], digits) + (f" ({span})" if span else "")

  columns = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy"}
  columns |= {"mcc": "MCC", "macro_auroc": "macro AUROC"}
  head = ["run", *(f"recall, {name}" for name in classes)]
  yield (
    f"Recall of each class, and of all ({about}; 95 % intervals over {unit}s)",
    [*head, *columns.values()],
    [
      [name, *(cell(row["recall"]) for row in block["per_class"])]
      + [cell(block[column]) for column in columns]
      for name, block in each.items()
    ],
  )
  yield (
    f"Precision, recall and F1 of each class ({about})",
    ["run and class", "precision", "recall", "F1", "images"],
    [
      [f"{name}, {row['class']}"]
      + [cell(row[m]) for m in ("precision", "recall", "f1")]
      + [f"{row['support']:,}"]
      for name, block in each.items()
      for row in block["per_class"]
    ],
  )
  what = content["metric"].replace("_", " ")
  points = comparison.points
  yield (
    f"Differences in points of {what}, better run first",
    ["runs", "points", "95 % CI", "p", "p (Holm)", "p (McNemar)", f"{unit}s needed"],
    [
      [f"{pair['first']} – {pair['second']}", points(pair["value"])]
      + [f"{points(pair['low'])} to {points(pair['high'])}"]
      + [f"{pair['p']:.3g}", f"{pair['p_holm']:.3g}"]
      + [f"{pair['mcnemar']['exact_p']:.3g}"]
      + [f"{pair['groups_needed']:,}" if pair["groups_needed"] else "–"]
      for pair in content["comparison"]["pairs"]
    ],
  )


def _notes(held: dict[str, dict]):
  """What limits a comparison of these reports."""
  if any(report["dataset"].get("synthetic") for report in held.values()):
    yield "SYNTHETIC images: this says nothing about patients."
  for name, report in held.items():
    for doubt in report.get("verdict", {}).get("doubts", ()):
      yield f"{name}: {doubt}"
  seeds = {report.get("seed") for report in held.values()}
  if len(held) > len(seeds) == 1:
    yield (
      "One seed each: what another seed would change is not part of these intervals."
    )


def _report(folder: Path) -> dict:
  path = folder / "report.json"
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    raise InputError(
      f"{folder} holds no finished run ({path.name} is missing): train it first, or"
      " name the folder seed<k> of a run"
    ) from None
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read ({error}): use --mode=evaluate") from error


def _names(folders: list[Path]) -> list[str]:
  """The shortest ends of the paths that tell them apart.

  Raises:
    InputError: the same folder twice.
  """
  parts = [folder.resolve().parts for folder in folders]
  for depth in range(1, max(map(len, parts)) + 1):
    names = ["/".join(part[-depth:]) for part in parts]
    if len(set(names)) == len(names):
      break
  else:
    raise InputError("--runs names the same folder twice")
  common = {part[-1] for part in parts}
  if depth == 2 and len(common) == 1:  # a/seed0, b/seed0
    names = [part[-2] for part in parts]
  return names


def _page(content: dict) -> bytes:
  """compare.html: no script, no request."""
  import jinja2

  files = jinja2.FileSystemLoader(Path(__file__).parent / "evaluation")
  options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
  page = jinja2.Environment(loader=files, **options).get_template("compare.html")
  text = page.render(content=content, titles=[*content["runs"]])
  return text.encode("utf-8", "xmlcharrefreplace")
