"""A table of one's own, as CSV: one row per model and class.

    model,class,n,precision,recall,f1,accuracy
    SENet,poor,1008,92.02,98.41,95.11,
    SENet,moderate,1188,98.21,92.59,95.32,
    SENet,well,936,95.50,95.30,95.40,
    SENet,,3132,,,,95.27

Columns, in any order, of which only `model` and one score are needed; cells may be
empty:

    model, class    a row without a class (or "all") speaks of all items; give every
                    class a row, or a single one
    n               items of the class, or all; needed once, not in every model's rows
    precision, recall, f1, accuracy, balanced_accuracy, macro_f1
                    in % or as ratios, throughout; every printed digit is kept, so
                    95.30 and 95.3 differ
    tp, predicted, correct
                    counts, where they are printed: hits and predictions of a class,
                    right ones of all
    sd, folds       deviation of the accuracy over so many folds; without a number of
                    them, over several runs
    copies          rotated or flipped copies of one image among the items
"""

import csv
import io
import re
import unicodedata
from pathlib import Path

from histojax.errors import InputError, nearest
from histojax.published.audit.paper import UNITS, Paper, Scores
from histojax.published.audit.printed import parse

SHARES = (
  "precision", "recall", "f1", "accuracy", "balanced_accuracy", "macro_f1", "sd",
)  # fmt: skip
EXACT = ("tp", "predicted", "correct")
COUNTS = ("n", *EXACT, "folds", "copies")
COLUMNS = ("model", "class", *COUNTS, *SHARES)
OVERALL = ("", "all", "overall", "total")
EMPTY = ("", "-", "–", "—", "n/a")
MOST_BYTES, MOST_ROWS, MOST_ITEMS = 2_000_000, 2_000, 1_000_000


def read(path: Path) -> Paper:
  """The table as the rules read it.

  Raises:
    InputError: no such file, not UTF-8, no known columns, a cell that is no number, a
      row given twice; with line and column.
  """
  rows = _rows(path)
  scores = Scores()
  percents = _percents(path, rows)
  seen, once = {}, {}
  for line, row in rows:
    where = f"{path}, line {line}"
    model, name = row.get("model", ""), row.get("class", "")
    name = "" if name.lower() in OVERALL else name
    if not model:
      raise InputError(f"{where}, column model: it is empty; name the row's model")
    if seen.setdefault((model, name), line) != line:
      first = f"line {seen[model, name]}"
      what = f"{model}, {name or 'all'}"
      raise InputError(f"{where}: {what} has a row already, {first}: keep one of them")
    if name and name not in scores.classes:
      scores.classes.append(name)  # it is one, whether or not a score is printed
    for column in SHARES:
      if row.get(column):
        printed = _share(f"{where}, column {column}", row[column], percents)
        scores.add((model, name, column), printed, f"line {line}")
    for column in COUNTS:
      if row.get(column):
        value = _count(f"{where}, column {column}", row[column])
        _keep(scores, once, f"{where}, column {column}", (model, name, column), value)
  if not scores.cells:
    raise InputError(f"{path} holds no score: fill in one of {', '.join(SHARES)}")
  return Paper(_held(path, scores), {"": scores}, UNITS | _WORDS)


_WORDS = {"image": "item", "images": "items", "source": "image"}


def _held(path: Path, scores: Scores) -> dict:
  """What the rules for tables of counts read, and the sum where it is not given."""
  held = {"paper": path.name, "doi": "", "tables": {}}
  each = [scores.n.get(name) for name in scores.classes]
  if len(each) > 1 and None not in each:
    total = scores.n.setdefault("", sum(each))
    held["tables"]["column n"] = {
      "kind": "counts",
      "columns": scores.classes,
      "rows": {"items": [str(n) for n in each]},
      "total": {"items": str(total)},
    }
  return held


def _keep(scores: Scores, once: dict, where: str, key: tuple, value: int) -> None:
  model, name, column = key
  if column in EXACT:
    scores.exact[key] = value
    return
  if value < 1:
    raise InputError(f"{where}: {value} is too few: give 1 or more")
  if column != "n":
    before = once.setdefault(column, value)
    if before != value:
      raise InputError(f"{where}: {value}, but {before} above: one number for all rows")
    setattr(scores, column, value)
  elif scores.n.setdefault(name, value) != value:
    raise InputError(
      f"{where}: {value:,} items of {name or 'all'}, but {scores.n[name]:,} above: put"
      " models that were tested on other items into a file of their own"
    )


def _rows(path: Path) -> list[tuple[int, dict]]:
  reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
  rows, head = [], None
  try:
    for cells in reader:
      cells = [cell.strip() for cell in cells]
      if not any(cells):
        continue
      line = reader.line_num
      if head is None:
        head = _head(path, line, cells)
        continue
      if len(cells) != len(head):
        raise InputError(
          f"{path}, line {line}: {len(cells)} cells below {len(head)} columns: a number"
          " with commas in it needs quotes"
        )
      for column, cell in zip(head, cells, strict=True):
        _plain(f"{path}, line {line}, column {column}", cell)
      row = zip(head, cells, strict=True)
      texts = ("model", "class")
      rows.append(
        (line, {c: "" if v in EMPTY and c not in texts else v for c, v in row})
      )
  except csv.Error as error:
    raise InputError(f"{path}, line {reader.line_num}: {error}") from error
  if not rows:
    raise InputError(f"{path}: no rows below the header; one per model and class")
  if len(rows) > MOST_ROWS:
    raise InputError(f"{path}: {len(rows):,} rows: at most {MOST_ROWS:,} are read")
  return rows


def _head(path: Path, line: int, cells: list[str]) -> list[str]:
  head = [cell.lower().replace(" ", "_") for cell in cells]
  where = f"{path}, line {line}"
  if len(head) == 1 and ";" in head[0]:
    raise InputError(f"{where}: columns are separated by ';': use commas, and 95.3")
  for name in head:
    _plain(where, name)
    if name not in COLUMNS:
      raise InputError(
        f"{where}: no column is called {name!r}; {nearest(name, COLUMNS)}"
      )
    if head.count(name) > 1:
      raise InputError(f"{where}: two columns are called {name!r}: keep one of them")
  if "model" not in head:
    raise InputError(f"{where}: there is no column 'model', which names each row")
  return head


def _plain(where: str, text: str) -> None:
  """InputError for what a terminal or a page would not show as it is."""
  odd = [letter for letter in text if unicodedata.category(letter)[0] == "C"]
  if odd:
    code = f"U+{ord(odd[0]):04X}"
    raise InputError(f"{where}: it holds the control character {code}: remove it")
  if len(text) > 100:
    raise InputError(f"{where}: {len(text)} characters: at most 100 are read")


def _percents(path: Path, rows: list) -> bool:
  """Whether scores are in %: by a sign, or because one exceeds 1.

  Raises:
    InputError: scores of either kind, as 0.91 beside 95.3; 0.91 % would need its sign.
  """
  cells = [(n, c, row[c]) for n, row in rows for c in SHARES if row.get(c)]
  signed = [cell for cell in cells if cell[2].endswith("%")]
  if signed and len(signed) < len(cells):
    line, column, text = next(c for c in cells if not c[2].endswith("%"))
    raise InputError(
      f"{path}, line {line}, column {column}: {text!r} has no %, as others have: write"
      " it for all scores or for none"
    )
  numbers = re.compile(r"(\d{1,9})?[.,]?\d{1,9}", re.ASCII)
  numbers = [
    (*cell, float(cell[2].replace(",", ".")))
    for cell in cells
    if numbers.fullmatch(cell[2])
  ]
  above = [cell for cell in numbers if cell[3] > 1]
  below = [cell for cell in numbers if 0 < cell[3] <= 1 and cell[1] != "sd"]
  if above and below:
    line, column, text, _ = below[0]
    raise InputError(
      f"{path}, line {line}, column {column}: {text} stands beside {above[0][2]}, which"
      f" is in %: write % behind every score, or make {text} one of them"
    )
  return bool(signed or above)


def _share(where: str, text: str, percents: bool):
  number = text.removesuffix("%").strip()
  try:
    printed = parse(number, percents)
  except ValueError:
    hint = "95.30" if percents else "0.953"
    if re.fullmatch(r"\d{1,3},\d{1,9}", number, re.ASCII):
      hint = number.replace(",", ".")
    if "±" in number:
      hint = f"{number.partition('±')[0].strip()}, and what follows ± in a column sd"
    raise InputError(f"{where}: {text!r} is no number: write {hint}") from None
  if printed.value > 1:
    raise InputError(f"{where}: {text} is more than {'100 %' if percents else '1'}")
  return printed


def _count(where: str, text: str) -> int:
  if not re.fullmatch(r"\d{1,3}(,\d{3})+|\d{1,12}", text, re.ASCII):
    raise InputError(f"{where}: {text!r} is no whole number: write 1008")
  value = int(text.replace(",", ""))
  if value > MOST_ITEMS:
    raise InputError(f"{where}: {value:,} is too many: at most {MOST_ITEMS:,} are read")
  return value


def _text(path: Path) -> str:
  try:
    with path.open("rb") as file:
      raw = file.read(MOST_BYTES + 1)
  except OSError as error:
    words = (error.strerror or str(error)).lower()
    raise InputError(f"--table={path}: {words}; name a CSV file") from error
  if len(raw) > MOST_BYTES:
    raise InputError(
      f"--table={path}: larger than {MOST_BYTES:,} bytes: give one table"
    )
  try:
    return raw.decode("utf-8-sig")
  except UnicodeDecodeError as error:
    line = raw.count(b"\n", 0, error.start) + 1
    raise InputError(
      f"{path}, line {line} is not UTF-8: save it anew with that encoding"
    ) from error
