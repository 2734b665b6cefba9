"""What a paper prints, as the rules read it: scores by test set, tables of counts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from histojax.published.audit import printed
from histojax.published.audit.finding import Finding
from histojax.published.audit.printed import Printed

WORDS = {"recall": "recall", "precision": "precision", "f1": "F1", "sd": "sd"}
UNITS = {"image": "image", "images": "images", "source": "image", "group": "slide"}


class Cell(NamedTuple):
  """A printed score, the table it stands in, and (model, class, metric)."""

  printed: Printed
  place: str
  key: tuple[str, str, str]


@dataclass(eq=False)  # looked at, not compared: what follows from it is kept
class Scores:
  """The scores of one test set; class "" is all of them.

  Attributes:
    part: its name, "" where a paper has only one.
    models, classes: in printed order.
    n: items of each class, and of all under "", where known.
    cells: {(model, class, metric): [Cell]}, one for each table that prints it.
    exact: {(model, class, what): count} of tp, predicted and correct, where given.
    copies: rotated or flipped copies of one source image among the items.
    folds: over which accuracies are averaged; 0 is one test set.
  """

  part: str = ""
  models: list[str] = field(default_factory=list)
  classes: list[str] = field(default_factory=list)
  n: dict[str, int] = field(default_factory=dict)
  cells: dict[tuple, list[Cell]] = field(default_factory=dict)
  exact: dict[tuple, int] = field(default_factory=dict)
  copies: int = 1
  folds: int = 0

  def add(self, key: tuple[str, str, str], printed: Printed, place: str) -> None:
    model, name, _ = key
    if model not in self.models:
      self.models.append(model)
    if name and name not in self.classes:
      self.classes.append(name)
    self.cells.setdefault(key, []).append(Cell(printed, place, key))

  def get(self, model: str, name: str, metric: str) -> list[Cell]:
    return self.cells.get((model, name, metric), [])

  @property
  def complete(self) -> bool:
    """Whether the classes are all there are: not one alone, nor too few items."""
    known = [self.n.get(name) for name in (*self.classes, "")]
    return len(self.classes) > 1 and (None in known or sum(known[:-1]) == known[-1])

  def known_classes(self) -> list[str]:
    """The classes, where all are printed with their items; else none."""
    known = self.complete and all(name in self.n for name in (*self.classes, ""))
    return self.classes if known else []

  @property
  def means(self) -> str:
    """Over what scores are averaged: '5 folds', 'several runs' where a deviation is
    printed, or ''."""
    if self.folds > 1:
      return f"{self.folds} folds"
    return "several runs" * any(metric == "sd" for *_, metric in self.cells)

  def disagreement(self, cell: Cell, text: str, rule: str, numbers=None) -> Finding:
    """That a score contradicts others, which means over folds may."""
    grave, model = "inconsistent", cell.key[0]
    if self.means:
      grave = "only if"
      text += f" Possible only if each is a mean over {self.means}."
    return Finding(grave, cell.place, text, rule, model, numbers or {})

  @property
  def said(self) -> str:
    return f" on {self.part}" if self.part else ""


@dataclass
class Paper:
  """Everything that is audited: the stored paper, and its scores by test set."""

  held: dict
  scores: dict[str, Scores]
  units: dict[str, str]

  def tables(self, kind: str) -> Iterator[tuple[str, dict]]:
    for name, table in self.held.get("tables", {}).items():
      if table["kind"] == kind:
        yield name, table

  def text(self, what: str) -> dict:
    return self.held.get("text", {}).get(what, {})

  @property
  def main(self) -> str:
    """The test set that is spoken of where none is named: the one of known size."""
    return next((part for part, s in self.scores.items() if s.n), "")

  def told(self, what: str, name: str = "") -> int | None:
    """A count that the text states."""
    found = self.text(what).get("printed", {}).get(name)
    return count(found) if found else None


def count(text: str) -> int:
  """'15,984' and '100K' as whole numbers; '10.566' too, the point between thousands."""
  thousands = 1000 if text.endswith("K") else 1
  return int(text.removesuffix("K").replace(",", "").replace(".", "")) * thousands


def literal(text: str) -> Fraction:
  """What a count says when a point is a point: '10.566' is ten and a half."""
  thousands = 1000 if text.endswith("K") else 1
  return Fraction(text.removesuffix("K").replace(",", "")) * thousands


def read(held: dict) -> Paper:
  """The paper of a stored file (`histojax/published/<paper>.json`)."""
  paper = Paper(held, {}, UNITS | held.get("units", {}))
  for place, table in paper.tables("scores"):
    for model, row in table["rows"].items():
      for (metric, name, *part), text in zip(table["columns"], row, strict=True):
        part = part[0] if part else ""
        scores = paper.scores.setdefault(part, Scores(part))
        scores.add((model, name, metric), printed.parse(text), place)
  for part, where in held.get("n", {}).items():
    table = held["tables"][where["table"]]
    if row := where.get("row"):
      found = dict(zip(table["columns"], table["rows"][row], strict=True))
    else:
      at = table["columns"].index(where["column"])
      found = {name: cells[at] for name, cells in table["rows"].items()}
    n = {name: count(text) for name, text in found.items()}
    paper.scores[part].n = n | {"": sum(n.values())}
  for scores in paper.scores.values():
    if not paper.text("copies").get("maybe"):
      scores.copies = paper.told("copies") or 1
    scores.folds = paper.told("folds") or 0
  return paper


def named(model: str, name: str, metric: str) -> str:
  """'SENet, recall of poor'."""
  words = WORDS.get(metric, metric.replace("_", " "))
  return f"{model}, {words}" + (f" of {name}" if name else "")
