"""The report's gist for the terminal: at most thirty lines of eighty columns."""

import io

from histojax.evaluation.canvas import short
from histojax.evaluation.confusion import PER_CLASS
from histojax.evaluation.verdict import (
  BASELINES,
  decimals,
  interval,
  levels,
  number,
  verdict,
)

_TONES = {"good": "bold green", "doubt": "bold yellow", "bad": "bold red"}
_SHORT = {"colour_histogram": "histogram", "mean_rgb": "mean RGB", "file": "file"}
_FURTHER = (  # two columns; the recognition rate where a group has several images
  ("accuracy", "macro_auroc"),
  ("macro_f1", "macro_auprc"),
  ("mcc", "g_mean"),
  ("kappa", "iba"),
)
_WORDS = {
  "g_mean": "G-mean", "macro_f1": "macro F1", "weighted_f1": "weighted F1",
  "mcc": "MCC", "iba": "IBA",
}  # fmt: skip
_WORDS |= {"macro_auroc": "macro AUROC", "macro_auprc": "macro AUPRC"}
_CLASSES = 9  # more would not fit; the page has them all
_LINES = 30


def summary(report: dict, page=None):
  """A rich renderable of a report (as in `report.write`): the headline, the baselines,
  scores and confusion matrix by class, and the path of report.html."""
  from rich.console import Console, Group
  from rich.padding import Padding
  from rich.text import Text

  told = verdict(report)
  first, comparison, *doubts = told["sentences"]
  parts = [Text(first, _TONES[told["tone"]]), Text(comparison)]
  parts += [Text(d, "yellow" if d.startswith("SYNTHETIC") else "red") for d in doubts]
  parts += ["", _levels(report)]
  rest = ["", _per_class(report["scores"]["images"])]
  if page is not None:
    rest += ["", Text(f"report  {page}", "bold", overflow="fold")]

  def shown(parts):
    return Group(*(Padding(p, (0, 0, 0, 1)) if p else "" for p in parts))

  def room():
    screen = Console(width=80, file=io.StringIO())
    return _LINES - len(screen.render_lines(shown(parts + rest)))

  if report.get("folds"):
    parts += _folds(report, room())
  if report.get("published"):
    told = ["", Text(_published(report), "dim")]
    rest[0:0] = told  # what gives way to the others where lines are few
    rest = rest if room() >= 0 else rest[len(told) :]
  further = _further(report)
  if room() >= len(_FURTHER) + 2:
    parts += ["", further]
  return shown(parts + rest)


def _published(report: dict) -> str:
  """The paper's accuracy and ours, each with its images and its split."""
  paper, ours, split = report["published"], report["scores"]["images"], report["split"]
  theirs = f"{paper['bound']} " if paper.get("bound") else ""
  theirs += number(paper["accuracy"], 4)
  if paper.get("accuracy_sd") is not None:
    theirs += f" ± {number(paper['accuracy_sd'], 4)} over folds"
  count = f"{paper['n']:,}" if paper["n"] else "an unknown number of"
  kind = "SYNTHETIC images" if report["dataset"]["synthetic"] else "images"
  return (
    f"Published ({paper['model']}; {paper['data']}; {paper['split']}): accuracy"
    f" {theirs} on {count} images. Ours: {number(ours['accuracy']['value'], 4)} on"
    f" {ours['n']:,} {kind}, split {split['protocol']}."
  )


def _folds(report: dict, room: int) -> list:
  """Every fold, their mean and deviation; without the folds where lines are few, and
  nothing where the headline has to do."""
  over, digits, base = report["folds"], decimals(report), _baselines(report)
  titles = (_SHORT[key] for key in base)
  table = _table("fold", "n", "balanced", "accuracy", "macro F1", *titles)

  def add(name, n, scores):
    cells = [
      scores["network"][m] for m in ("balanced_accuracy", "accuracy", "macro_f1")
    ]
    cells += [scores[title]["balanced_accuracy"] for title in base.values()]
    table.add_row(name, n, *(number(cell, digits) for cell in cells))

  if room >= over["count"] + 4:
    for row in over["rows"]:
      add(str(row["fold"]), f"{row['n']:,}", row["scores"])
  for name, key in (("mean", "mean"), ("deviation", "sd")):
    add(name, "", over[key])
  return ["", table] if room >= 4 else []


def _baselines(report: dict) -> dict[str, str]:
  """Those that this report has, {key: title}."""
  return {k: title for k, title in BASELINES.items() if k in report["baselines"]}


def _levels(report: dict):
  """Balanced accuracy per level: network, then the baselines and chance."""
  near = ["k-NN"] if report.get("scores_neighbours") else []
  names = [_SHORT[key] for key in _baselines(report)]
  last = ["chance"] if len(near + names) < 4 else []  # the sentence above says it, too
  names = ("n", "network", "95 % CI", *near, *names, *last)
  table, digits = _table("balanced acc.", *names), decimals(report)
  chance = number(report["baselines"]["chance"]["balanced_accuracy"], digits)
  for title, blocks in levels(report):
    scores = [b and b["balanced_accuracy"] for b in blocks.values()]
    ours, *theirs = (number(s and s["value"], digits) for s in scores)
    what = title.removeprefix("source "), f"{blocks['network']['n']:,}"
    span = interval(scores[0], digits)
    table.add_row(*what, f"[bold]{ours}[/]", span, *theirs, *[chance] * len(last))
  return table


def _further(report: dict):
  """What else there is of the images, with intervals, in two columns; and the ECE."""
  images, digits = report["scores"]["images"], decimals(report)
  table = _table("all images", "", "", "", "", "")
  table.columns[3].justify = table.columns[5].justify = "left"

  def cells(key):
    score = images.get(key)
    if not score:
      return "", "", ""
    return (
      _WORDS.get(key, key.replace("_", " ")),
      number(score["value"], digits),
      f"[dim]{interval(score, digits)}[/]",
    )

  for left, right in _FURTHER:
    table.add_row(*cells(left), *cells(right))
  rate = "recognition_rate" if images["groups"] < images["n"] else "weighted_f1"
  table.add_row(*cells(rate), *_calibration(report, digits))
  table.show_header = False
  return table


def _calibration(report: dict, digits: int) -> tuple[str, str, str]:
  """The expected calibration error, and what a temperature makes of it."""
  reliability, after = report["scores"]["images"].get("reliability"), ""
  if not reliability:
    return "", "", ""
  if found := report.get("calibration"):
    at = f" at T {found['temperature']:.3g}" if found["temperature"] else ", tempered"
    after = f"[dim]{number(found['after']['ece'], digits)}{at}[/]"
  return "ECE", number(reliability["ece"], digits), after


def _per_class(images: dict):
  """Precision, recall, F1 with intervals; the confusion matrix in the same rows."""
  from rich.markup import escape

  shown = images["per_class"][:_CLASSES]
  k = len(shown)
  # the intervals give way to the matrix where both do not fit
  spans = PER_CLASS if k <= 3 else ("f1",) if k <= 6 else ()
  table = _table("class", "precision", "recall", "F1", "│")
  for i in range(k):
    table.add_column(str(i + 1), justify="right", no_wrap=True, min_width=2)
  for i, c in enumerate(shown):
    cells = [number(c[m]["value"], 2) for m in PER_CLASS]
    for j, m in enumerate(PER_CLASS):
      cells[j] += f" [dim]{interval(c[m], 2)}[/]" if m in spans else ""
    counts = [f"[dim]{n or '·'}[/]" for n in images["confusion"][i][:k]]
    counts[i] = f"[bold]{images['confusion'][i][i]}[/]"
    table.add_row(f"{i + 1} {escape(short(c['class'], 12))}", *cells, "│", *counts)
  return table


def _table(first: str, *columns: str):
  from rich.table import Table

  table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
  table.add_column(first, no_wrap=True)
  for name in columns:
    table.add_column(name, justify="right", no_wrap=True)
  return table
