"""A table of text cells as Markdown, LaTeX or CSV."""

import csv
import io
from typing import NamedTuple

_LATEX = {
  "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
  "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
  "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$", "≤": r"$\le$", "≥": r"$\ge$",
}  # fmt: skip


class Table(NamedTuple):
  """Rows of strings below a head; the first column names the row."""

  title: str
  head: list[str]
  rows: list[list[str]]


def markdown(tables: list[Table]) -> str:
  """GitHub's tables, a heading above each."""

  def line(cells):
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

  parts = []
  for table in tables:
    align = ["---", *["---:"] * (len(table.head) - 1)]
    rows = [line(table.head), f"|{'|'.join(align)}|", *map(line, table.rows)]
    parts.append("\n".join([f"## {table.title}", "", *rows, ""]))
  return "\n".join(parts)


def latex(tables: list[Table]) -> str:
  r"""One `table` each, with booktabs rules (\usepackage{booktabs})."""

  def escaped(text):
    return "".join(_LATEX.get(letter, letter) for letter in text)

  def line(cells):
    return f"{' & '.join(map(escaped, cells))} \\\\"

  parts = []
  for table in tables:
    columns = "l" + "r" * (len(table.head) - 1)
    parts += [
      r"\begin{table}",
      rf"\caption{{{escaped(table.title)}}}",
      rf"\begin{{tabular}}{{{columns}}}",
      r"\toprule",
      line(table.head),
      r"\midrule",
      *map(line, table.rows),
      r"\bottomrule",
      r"\end{tabular}",
      r"\end{table}",
      "",
    ]
  return "\n".join(parts)


def comma_separated(tables: list[Table]) -> str:
  """All tables in one file: each line begins with the table's title."""
  text = io.StringIO(newline="")
  writer = csv.writer(text, lineterminator="\n")
  for table in tables:
    writer.writerow(["table", *table.head])
    writer.writerows([table.title, *row] for row in table.rows)
  return text.getvalue()
