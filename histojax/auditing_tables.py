"""`--mode=audit_tables`: what tables amount to, the papers' or one's own."""

import csv
import io
import json
from pathlib import Path

from histojax import atomic, console, published
from histojax.errors import InputError
from histojax.evaluation import pages, wilson
from histojax.published import audit
from histojax.published.audit import own_table

COLOURS = {
  "impossible": "bold red",
  "inconsistent": "bold red",
  "leak": "bold red",
  "only if": "yellow",
  "within one photograph": "yellow",
  "within chance": "yellow",
  "follows": "",
  "holds": "green",
  "note": "dim",
}


NOTHING = "No number here follows from another: add n, counts, or scores of classes."


def run(request, table: str) -> None:
  """Audits the five papers, or the CSV file `table`; writes and shows what is found.

  Raises:
    InputError: a table that cannot be read, or a folder that cannot be written.
  """
  if table:
    held = {Path(table).stem: own_table.read(Path(table))}
  else:
    held = {name: published.held(name) for name in published.PAPERS}
  content = audited(held)
  folder = Path(request.workdir or "runs/audit_tables")
  write(folder, content)
  show(content, folder)


def audited(papers: dict) -> dict:
  """Everything that is said of {name: a stored paper, or one's own}, JSON-ready.

  Returns:
    method (sentences), gravities {word: meaning}, papers: [{name, paper, doi, counts
    {gravity: how many}, findings [{gravity, place, text, rule, model, numbers}]}].
  """
  told = []
  for name, held in papers.items():
    about = held if isinstance(held, dict) else held.held
    found = audit.findings(held, wilson.wilson)
    found = found or [audit.Finding("note", "all scores", NOTHING, "")]
    words = [each.gravity for each in found]
    counts = {word: words.count(word) for word in audit.GRAVITIES if word in words}
    told.append(
      {"name": name, "paper": about["paper"], "doi": about["doi"]}
      | {"counts": counts, "findings": [each._asdict() for each in found]}
    )
  return {"method": [*audit.METHOD], "gravities": audit.GRAVITIES, "papers": told}


def write(folder: Path, content: dict) -> None:
  """audit_tables.json, .html, .md and .csv, each whole or absent."""
  text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
  files = {
    "html": pages.render("audit_tables.html", content=content),
    "md": _markdown(content).encode(),
    "csv": _comma_separated(content).encode(),
    "json": text.encode(),
  }
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, data in files.items():
      atomic.write(folder / f"audit_tables.{kind}", data)
  except OSError as error:
    raise InputError(
      f"cannot write {folder}: {error.strerror}; choose another --workdir"
    ) from error


def show(content: dict, folder: Path) -> None:
  """One list per paper, the gravest first; what holds is counted."""
  from rich.table import Table
  from rich.text import Text

  for paper in content["papers"]:
    console.say("")
    console.show(Text(f"{paper['name']}: {paper['paper']}", style="bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(width=12)
    table.add_column(ratio=1, overflow="fold")
    for each in paper["findings"]:
      if each["gravity"] != "holds":
        said = Text(f"{each['place']}: ", style="dim")
        said.append(each["text"], style="not dim")
        table.add_row(Text(each["gravity"], style=COLOURS[each["gravity"]]), said)
    if held := paper["counts"].get("holds"):
      table.add_row(Text("holds", style="green"), Text(f"{held} more, in the files"))
    console.show(table)
  console.say("")
  for line in content["method"]:
    console.show(Text(line, style="dim"))
  names = "and .md, .csv, .json"
  console.say(f"written: {folder / 'audit_tables.html'}, {names}", "bold")


def _markdown(content: dict) -> str:
  def plain(text):
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|~" else c for c in text)

  parts = ["# Audit of printed tables", *map(plain, content["method"])]
  for paper in content["papers"]:
    parts.append(f"## {plain(paper['name'])}: {plain(paper['paper'])}")
    parts.append(plain(paper["doi"])) if paper["doi"] else None
    for word in paper["counts"]:
      lines = [
        f"- {plain(each['place'])}: {plain(each['text'])}"
        for each in paper["findings"]
        if each["gravity"] == word
      ]
      parts += [f"### {word}", f"({content['gravities'][word]})", "\n".join(lines)]
  return "\n\n".join(parts) + "\n"


def _comma_separated(content: dict) -> str:
  text = io.StringIO(newline="")
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(["gravity", "rule", "place", "finding", "paper"])
  for paper in content["papers"]:
    for each in paper["findings"]:
      said = f"{each['place']}: {each['text']}"  # never begins with a formula's sign
      writer.writerow(
        [each["gravity"], each["rule"], each["place"], said, f"of {paper['paper']}"]
      )
  return text.getvalue()
