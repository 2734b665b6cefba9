"""A profile for people and machines: profile.json, profile.html and one screen.

A profile is a dict, in which `kind` says "measured" or "modelled" of every figure:

    title*   str
    facts*   [{name, value, unit, kind, note, and group: a heading}]
    tables*  [{title, columns, rows [[str or number]], kind, and note, brief: how many
             rows the screen shows (by default 12; 0 shows the page only)}]
    figures  [{title, png: bytes}]; written beside the page as profile-<k>.png
    about    {name: text}: device, versions, batch, ...
    notes    [str]
    against  {title, facts} of a second config, which the tables compare
"""

import base64
import itertools
import json
import math
from pathlib import Path

from histojax import atomic, console
from histojax.evaluation import pages
from histojax.evaluation.report import finite

KINDS = {"measured": "●", "modelled": "○"}
LEGEND = "● measured here   ○ modelled from shapes, or by the compiler"


def write(folder: str | Path, profile: dict) -> Path:
  """Writes profile.json and profile.html, each whole or not at all; returns the page.

  What is not finite becomes null. Raises OSError where `folder` cannot be written.
  """
  folder, pictures = Path(folder), []
  profile = profile | {"figures": list(profile.get("figures", ()))}
  for k, figure in enumerate(profile["figures"], 1):
    name = f"profile-{k}.png"
    atomic.write(folder / name, figure["png"])
    code = base64.b64encode(figure["png"]).decode()
    pictures.append((figure["title"], f"data:image/png;base64,{code}"))
    profile["figures"][k - 1] = {"title": figure["title"], "file": name}
  profile = finite(profile)
  atomic.write(folder / "profile.html", _page(profile, pictures))
  text = json.dumps(profile, indent=1, allow_nan=False) + "\n"
  atomic.write(folder / "profile.json", text.encode())
  return folder / "profile.html"


def show(profile: dict) -> None:
  """Prints one screen: the facts by group, then each table's first rows; no notes."""
  from rich.table import Table
  from rich.text import Text

  console.say(profile["title"], "bold")
  for name, text in profile.get("about", {}).items():
    console.show(Text.assemble((f"  {name:<10}", "dim"), text), soft_wrap=True)
  facts = Table(box=None, show_header=False, padding=(0, 1))
  for justify in ("left", "right", "left", "left", "left"):
    facts.add_column(justify=justify, no_wrap=justify == "right")
  shown = [] if "against" in profile else profile["facts"]  # a table has them
  for group, members in grouped(shown):
    if group:
      facts.add_row(Text(group, "bold"))
    for fact in members:
      line = fact["name"], number(fact["value"]), fact["unit"], KINDS[fact["kind"]]
      facts.add_row(*line, Text(fact.get("note", ""), "dim"))
  console.show(facts)
  for held in profile["tables"]:
    count = held.get("brief", 12)
    if not count:
      continue
    title = f"{held['title']}  {KINDS[held['kind']]}"
    table = Table(box=None, padding=(0, 1), title=title, title_justify="left")
    table.title_style = table.header_style = "bold"
    for k, column in enumerate(held["columns"]):
      table.add_column(column, justify="right" if k else "left", no_wrap=not k)
    for row in held["rows"][:count]:
      table.add_row(*map(number, row))
    if len(held["rows"]) > count:
      table.add_row(f"... {len(held['rows']) - count} more in the page")
    console.show(table)
  console.say(LEGEND, "dim")


def grouped(facts) -> list[tuple[str, list[dict]]]:
  """[(heading, facts)] in the order they stand in."""
  found = itertools.groupby(facts, key=lambda fact: fact.get("group", ""))
  return [(group, list(members)) for group, members in found]


def number(value) -> str:
  """Three digits where that is honest, all of a count; a dash for nothing."""
  if isinstance(value, str):
    return value
  if value is None or not math.isfinite(value):
    return "–"
  if isinstance(value, int) or abs(value) >= 1000:
    return f"{value:,.0f}"
  digits = 0 if not value else 2 - math.floor(math.log10(abs(value)))
  return f"{value:.{min(max(digits, 0), 3)}f}"


def _page(profile: dict, pictures) -> bytes:
  """profile.html of a profile; the looks are those of a run's report."""
  return pages.render(
    "profile.html",
    __file__,
    filters={"number": number},
    profile=profile,
    groups=grouped(profile["facts"]),
    pictures=pictures,
    marks=KINDS,
    legend=LEGEND,
  )
