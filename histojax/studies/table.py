"""A study's result from its members' folders: one table, its figures, its sentences.

Members that are missing or failed are shown as such; what is finished makes a table.
"""

import json

from histojax import atomic, console
from histojax.errors import InputError
from histojax.evaluation import tables
from histojax.evaluation.report import finite
from histojax.evaluation.tables import Table
from histojax.studies import columns, drawn, gather, layouts, page, words


def write(folder, study: dict, members: list[dict]) -> dict:
  """study.json, .html, .csv, .tex and figures of a study, each whole or absent.

  Args:
    folder: a `runs.StudyFolder`.
    study: as `study()` of a config file describes it, complete.
    members: dicts of name (of the variant), fold or None, seed, path (of its run
      folder), state and error.

  Returns:
    What study.json holds: title, paper, published, metric, metric_words, baseline,
    sentences, notes, classes, unit, synthetic, rows (`gather.row` and `difference`),
    tables (title, head, rows; the first is the study's own), figures (name: title).

  Raises:
    InputError: the folder cannot be written.
  """
  found = gather.variants(study, members)
  content = _content(study, found)
  try:
    folder.path.mkdir(parents=True, exist_ok=True)
    pictures = drawn.all_of(folder.figures, study, content, found)
    content["figures"] = {name: title for name, (title, _) in pictures.items()}
    made = [Table(t["title"], t["head"], t["rows"]) for t in content["tables"]]
    raw = Table(made[0].title, *columns.raw(content))
    atomic.write(folder.csv, tables.comma_separated([raw, *made[1:]]).encode())
    atomic.write(folder.latex, tables.latex(made).encode())
    atomic.write(folder.page, page.render(content, pictures))
    text = json.dumps(finite(content), indent=1, allow_nan=False) + "\n"
    atomic.write(folder.content, text.encode())
  except OSError as error:
    raise InputError(
      f"cannot write {folder.path}: {error.strerror}; choose another --workdir"
    ) from error
  return content


def show(content: dict, folder) -> None:
  """Prints the sentences and the table, scores first, then cost."""
  from rich.markup import escape
  from rich.table import Table as Screen

  first, *others = content["sentences"]
  console.say(first, "bold")
  for said in others:
    console.say(said)
  for title, head, rows in columns.on_screen(content):
    console.say("")
    console.say(title)
    screen = Screen(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for k, name in enumerate(head):
      look = (
        {"justify": "right", "no_wrap": True}
        if k
        else {"overflow": "fold", "min_width": 14}
      )
      screen.add_column(escape(name), **look)
    for row in rows:
      screen.add_row(*map(escape, row))
    console.show(screen)
  for note in content["notes"]:
    console.say(note, "dim")
  console.say(f"written: {folder.page}, and .json, .csv, .tex", "bold")


def _content(study: dict, found: dict) -> dict:
  metric = study["metric"]
  rows = [gather.row(variant, metric) for variant in found.values()]
  pairs = {
    name: layouts.baseline_of(study, name)
    for name in found
    if name != layouts.baseline_of(study, name)
  }
  told = gather.compare(found, pairs, metric)
  for row in rows:
    if row["name"] in told:
      row["difference"] = told[row["name"]]
    row["images"] = gather.images(found[row["name"]].reports)
  reports = [report for variant in found.values() for report in variant.reports]
  about = _about(reports) | {"doubts": gather.doubts(found)}
  classes = reports[0]["dataset"]["classes"] if reports else []
  content = {
    "title": study["title"],
    "paper": study.get("paper", ""),
    "metric": metric,
    "metric_words": words.metric_words(metric),
    "baseline": study["baseline"],
    "classes": [*classes],
    "unit": about["unit"],
    "synthetic": about["synthetic"],
    "published": layouts.source(study, found),
    "sentences": words.sentences(study, rows, about),
    "rows": rows,
  }
  content["tables"] = [columns.shown(content)]
  if repeated := columns.repeated(content):
    content["tables"].append(repeated)
  content["tables"] += layouts.tables(study, rows, classes)
  for made in content["tables"] if content["synthetic"] else ():
    made["title"] += "; ours: SYNTHETIC images"  # wherever it is pasted
  return content | {"notes": columns.notes(content, reports)}


def _about(reports: list[dict]) -> dict:
  data = [report["dataset"] for report in reports]
  names = dict.fromkeys(d.get("group_name") or "group" for d in data)
  return {
    "unit": next(iter(names), "group"),
    "synthetic": any(d.get("synthetic") for d in data),
    "quick": any(report.get("variant") == "quick" for report in reports),
  }
