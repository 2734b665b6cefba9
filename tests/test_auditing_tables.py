"""--mode=audit_tables, from the command to what is read on a screen or a page."""

import csv
import html.parser
import io
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from histojax import auditing_tables, published
from histojax.errors import InputError
from histojax.published import audit

HOSTILE = """model,class,n,recall
=cmd|' /C calc'!A0<script>alert(1)</script>,"a""><img src=x onerror=alert(1)>",50,83.0
[link](javascript:alert(1)),[bold]b[/bold],150,96.3
"""


class Request:
  def __init__(self, workdir):
    self.workdir = str(workdir)


def written(tmp_path, table=None):
  if table is not None:
    (tmp_path / "mine.csv").write_text(table)
  at = str(tmp_path / "mine.csv") if table is not None else ""
  auditing_tables.run(Request(tmp_path / "out"), at)
  return tmp_path / "out"


def test_the_command_audits_the_five_papers_without_a_config(tmp_path):
  command = [sys.executable, "launch.py", "--mode=audit_tables"]
  done = subprocess.run(
    [*command, f"--workdir={tmp_path / 'out'}"],
    cwd=ROOT, capture_output=True, text=True, env={"COLUMNS": "80", "PATH": "/bin"},
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert {path.name for path in (tmp_path / "out").iterdir()} == {
    f"audit_tables.{kind}" for kind in ("html", "md", "csv", "json")
  }
  *lines, _ = done.stdout.splitlines()  # the last one is a path
  assert max(map(len, lines)) <= 80
  flat = " ".join(done.stdout.split())
  assert "99.41 % looks like a typing error" in flat and "96.84 % for 400X" in flat
  content = json.loads((tmp_path / "out" / "audit_tables.json").read_text())
  assert [paper["name"] for paper in content["papers"]] == [*published.PAPERS]
  for paper in content["papers"]:
    assert sum(paper["counts"].values()) == len(paper["findings"])


def test_every_finding_is_in_every_file(tmp_path):
  out = written(tmp_path)
  content = json.loads((out / "audit_tables.json").read_text())
  page = Text((out / "audit_tables.html").read_text()).joined
  rows = list(csv.DictReader(io.StringIO((out / "audit_tables.csv").read_text())))
  plain = (out / "audit_tables.md").read_text().replace("\\", "")
  found = [each for paper in content["papers"] for each in paper["findings"]]
  assert len(found) == len(rows) > 60
  for each, row in zip(found, rows, strict=True):
    assert " ".join(each["text"].split()) in page and each["text"] in plain
    assert row["finding"].endswith(each["text"]) and row["gravity"] == each["gravity"]
  for word in audit.GRAVITIES:
    assert word in page
  assert "half even" in page and "rounded twice" in page  # rules tried are stated


def test_hostile_names_are_inert(tmp_path, capsys):
  out = written(tmp_path, HOSTILE)
  page = (out / "audit_tables.html").read_text()
  assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page
  assert not re.search(r"https?://|url\(", page) and "default-src 'none'" in page
  plain = (out / "audit_tables.md").read_text()
  assert not re.search(r"(?<!\\)<|(?<!\\)\[|(?<!\\)\|", plain)
  for row in csv.reader(io.StringIO((out / "audit_tables.csv").read_text())):
    assert not [cell for cell in row if cell[:1] in "=+-@"]
  assert "[bold]b[/bold]" in " ".join(capsys.readouterr().out.split())


class Text(html.parser.HTMLParser):
  """The words of a page."""

  def __init__(self, page):
    super().__init__()
    self.words = []
    self.feed(page)
    self.joined = " ".join(" ".join(self.words).split())

  def handle_data(self, data):
    self.words.append(data)


def test_a_table_without_anything_to_recompute_says_so(tmp_path, capsys):
  written(tmp_path, "model,balanced_accuracy\na,95.3\n")
  assert "No number here follows from another" in capsys.readouterr().out


def test_mistakes_are_one_sentence_and_leave_nothing(tmp_path):
  with pytest.raises(InputError, match="line 2, column accuracy: 'x' is no number"):
    written(tmp_path, "model,accuracy\na,x\n")
  assert not (tmp_path / "out").exists()
  (tmp_path / "out").write_text("a file")
  with pytest.raises(InputError, match="choose another --workdir"):
    written(tmp_path, "model,n,accuracy\na,50,95\n")
  result = subprocess.run(
    [sys.executable, "launch.py", "--config=configs/liver_senet.py", "--table=x.csv"],
    cwd=ROOT, capture_output=True, text=True,
  )  # fmt: skip
  assert result.returncode == 2 and "only with --mode=audit_tables" in result.stderr
