"""Runs beside each other: `--mode=compare --runs=a,b,c`, with nothing trained anew."""

import hashlib
import itertools
import json
from pathlib import Path

from histojax import atomic, console, trainings
from histojax.errors import InputError, nearest
from histojax.evaluation import comparison, pages, pooled, tables
from histojax.evaluation.confusion import SCALARS
from histojax.evaluation.report import finite
from histojax.evaluation.tables import Table
from histojax.evaluation.verdict import counted, interval, number

FORMATS = {
  "md": tables.markdown,
  "tex": tables.latex,
  "csv": tables.comma_separated,
}
NAIVE = (
  "McNemar's test takes every image for independent evidence. Images of one {unit} are"
  " not, so its p is naive: it stands there for comparison with other papers."
)


def run(request, runs: str, metric: str) -> None:
  """Compares finished runs on the images all were tested on; writes and shows it.

  Args:
    runs: run folders, separated by commas; a folder of folds counts as one run, and so
      does one of seeds, `a` or `a/seed*`: its folds are pooled, its seeds averaged.
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
  held, pools = {}, {}
  for name, folder in folders.items():
    paths = trainings.found(str(folder))
    held[name] = [trainings.report(path) for path in paths]
    read = map(trainings.read, paths, held[name])
    pools[name] = pooled.pool(name, list(read))
  unit = next(iter(held.values()))[0]["dataset"].get("group_name") or "group"
  aligned = comparison.align(pools)
  found = comparison.compare(aligned, metric, claims=_claims(held))
  each = {
    name: pooled.score(pool) | {"repeated": pooled.repeated_score(pool, metric)}
    for name, pool in pools.items()
  }
  pairs = found["pairs"]
  for pair in pairs:
    both = pools[pair["first"]], pools[pair["second"]]
    pair["repeated"] = pooled.repeated_difference(*both, metric)
  naive = any(pair["mcnemar"] for pair in pairs)
  content = {
    "metric": metric,
    "unit": unit,
    "classes": list(aligned["classes"]),
    "notes": [*_notes(held, each)] + [NAIVE.format(unit=unit)] * naive,
    "folders": {name: str(folder) for name, folder in folders.items()},
    "runs": each,
    "comparison": found,
    "sentences": [comparison.sentence(found, pair, unit) for pair in pairs],
    "remedies": [comparison.remedy(found, pair, unit) for pair in pairs],
  }
  return content | {"tables": [*_tables(content, unit)]}


def _claims(held: dict[str, list[dict]]) -> dict[str, float]:
  """The accuracies in print of runs that reproduce rows of one paper."""
  rows = {name: reports[0].get("published") for name, reports in held.items()}
  rows = {name: row for name, row in rows.items() if row and not row.get("bound")}
  one_paper = len({row["paper"] for row in rows.values()}) == 1
  return {name: row["accuracy"] for name, row in rows.items()} if one_paper else {}


def write(folder: Path, content: dict, stem: str = "compare") -> None:
  """<stem>.json, .html, .md, .tex and .csv, each whole or absent."""
  made = [Table(*table) for table in content["tables"]]
  page = pages.render(f"{stem}.html", content=content, titles=[*content["runs"]])
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, text in FORMATS.items():
      atomic.write(folder / f"{stem}.{kind}", text(made).encode())
    atomic.write(folder / f"{stem}.html", page)
    text = json.dumps(finite(content), indent=1, allow_nan=False) + "\n"
    atomic.write(folder / f"{stem}.json", text.encode())
  except OSError as error:
    raise InputError(
      f"cannot write {folder}: {error.strerror}; choose another --workdir"
    ) from error


def show(content: dict, folder: Path) -> None:
  """Prints the sentences, the scores and the differences; the rest is written."""
  for said, way in zip(content["sentences"], content["remedies"], strict=True):
    console.say(said, "bold")
    console.say(way)
  (title, head, scored), _, differences, *repeated = content["tables"]
  turned = [head[:1] + [row[0] for row in scored]]  # runs are fewer than scores
  turned += [
    list(cells) for cells in zip(head[1:], *(row[1:] for row in scored), strict=True)
  ]
  for table in ((title, turned[0], turned[1:]), differences, *repeated):
    show_table(*table)
  for note in content["notes"]:
    console.warn(note)
  console.say(f"written: {folder / 'compare.html'}, and .md, .tex, .csv, .json", "bold")


def show_table(title: str, head: list[str], rows: list[list[str]]) -> None:
  """Prints one table, its title above it."""
  from rich.markup import escape
  from rich.table import Table as Screen

  console.say("")
  console.say(title)
  table = Screen(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
  for i, name in enumerate(head):
    table.add_column(escape(name), justify="right" if i else "left", overflow="fold")
  for row in rows:
    table.add_row(*map(escape, row))
  console.show(table)


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
      + [comparison.span(pair["low"], pair["high"])]
      + [f"{pair['p']:.3g}", f"{pair['p_holm']:.3g}"]
      + [f"{pair['mcnemar']['exact_p']:.3g}" if pair["mcnemar"] else "–"]
      + [f"{pair['groups_needed']:,}" if pair["groups_needed"] else "–"]
      for pair in content["comparison"]["pairs"]
    ],
  )
  if any(block["repeated"]["count"] > 1 for block in each.values()):
    yield (
      f"Over trainings, {what}: folds by the corrected resampled t, seeds by t",
      ["run", "trainings", "mean", "sd", "95 % CI", "p"],
      [*_repeated(content, digits)],
    )


def _repeated(content: dict, digits: int):
  """The table of several trainings: each run's, and the pairs' differences."""
  points = comparison.points
  for name, block in content["runs"].items():
    told = block["repeated"]
    span = told["low"], told["high"]
    cells = [number(v, digits) for v in (told["mean"], told["sd"], *span)]
    span = "–" if span[0] != span[0] else "–".join(cells[2:])
    yield [name, f"{told['count']}", *cells[:2], span, ""]
  for pair in content["comparison"]["pairs"]:
    if told := pair["repeated"]:
      cells = points(told["mean"]), points(told["sd"])
      names = f"{pair['first']} – {pair['second']}, points"
      span = comparison.span(told["low"], told["high"])
      p = told.get("p")
      p = "" if p is None or p != p else f"{p:.3g}"
      yield [names, f"{told['count']}", *cells, span, p]


def _notes(held: dict[str, list[dict]], each: dict):
  """What limits a comparison of these runs' reports."""
  reports = [report for several in held.values() for report in several]
  if any(report["dataset"].get("synthetic") for report in reports):
    yield "SYNTHETIC images: this says nothing about patients."
  for name, several in held.items():
    doubts = [report.get("verdict", {}).get("doubts", ()) for report in several]
    for doubt in dict.fromkeys(itertools.chain(*doubts)):
      yield f"{name}: {doubt}"
  if all(block["seeds"] == 1 for block in each.values()):
    yield (
      "One seed each: what another seed would change is not part of these intervals."
    )
  over = {block["repeated"]["over"] for block in each.values()}
  if "folds" in over:
    yield (
      "Folds train on shared images: their intervals are those of the corrected"
      " resampled t test (Nadeau & Bengio 2003)."
    )
  if "seeds" in over:
    yield (
      "Seeds on the same test images: their intervals speak of the training's chance"
      " alone, not of other images."
    )


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
