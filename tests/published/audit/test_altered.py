"""One digit altered in a printed table: a finding appears, or one vanishes."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from papers_altered import altered, lines

from histojax import published

NUMERIC = [
  (paper, name)
  for paper in published.PAPERS
  for name, table in published.held(paper)["tables"].items()
  if table["kind"] != "words"
]
# paper, table, row, cell, its new text, what appears, what vanishes
ALTERED = [
  ("liver", "Table 1", "poor, 35–50", 0, "8", "inconsistent | Table 1 | poor, 35–50",
   "holds | Table 1"),
  ("liver", "Table 3", "well", 3, "937", "inconsistent | Table 3 | well: 3,816",
   "leak | Table 3 | 6 photographs per slide"),
  ("liver", "Table 3", "well", 0, "133", "132 in the text", "24 x 6 = 144"),
  ("liver", "Table 5", "SENet", 3, "95.28", "no count of 3,132", "with them: 21."),
  ("liver", "Table 5", "SENet", 0, "99.41", "impossible | Table 5 and Table 6 | SENet",
   "98.41 % in Table 5"),
  ("liver", "Table 6", "SENet", 1, "98.41", "holds | Table 6 | 15 F1", "99.41 %"),
  ("liver", "Table 6", "ResNet50", 2, "93.85", "give F1 93.15 %, not 93.85 %",
   "14 F1 scores"),
  ("liver", "Table 6", "VGG16", 0, "70.53", "inconsistent | Table 6 | VGG16, poor",
   "VGG16: the confusion matrix"),
  ("liver", "Table 6", "SKNet", 0, "92.32", "inconsistent | Table 6 | SKNet, poor",
   "SKNet: the confusion matrix"),
  ("breakhis_vgg", "Table 1", "40X", 0, "626", "sum to 1,996, not 1,995",
   "Table 1 | 40X: the classes sum to 1,995"),
  ("breakhis_vgg", "BreakHis", "400X", 1, "1233", "All rows sum to 7,910, not 7,909",
   "400X 67.69 %"),
  ("breakhis_vgg", "abstract", "VGG with focal loss", 0, "98.96",
   "says nothing of 400X", "96.84 %"),
  ("breakhis_vgg", "conclusion", "VGG with focal loss", 1, "87",
   "says nothing of 400X", "96.84 %"),
  ("breakhis_dala", "abstract", "DALAResNet50", 3, "94.4", "only 40 % can",
   "only 30 % can"),
  ("breakhis_dala", "BreakHis", "200X", 0, "523", "not 2,013", "591 of 604"),
  ("cervix", "SIPaKMeD", "cells", 0, "832", "sum to 4,050", "no count of 4,049"),
  ("cervix", "Table I", "SE", 0, "98.22", "5 shares", "98.23 %"),
  ("cervix", "Table I", "Ours", 0, "99.37", "prints 99.37 %", "Ours 25"),
  ("cervix", "Table I", "Ours", 0, "92.38",
   "make an accuracy of 99.00 % or more, not 92.38 %", "Ours 25"),
  ("cervix", "Table I", "Ours", 1, "9.2", "impossible | Table I | Ours, sd",
   "7 of 7 standard deviations"),
  ("colorectal", "Table 1", "CRC-VAL-HE-7K", 1, "848", "sum to 7,181, not 7,180",
   "sum to 7,180, as"),
  ("colorectal", "Table 1", "NCT-CRC-HE-100K", 1, "10,566", "11.512 are no whole",
   "10.566"),
  ("colorectal", "Table 2", "Fine-tuned ResNet50", 1, "94.7", "said to be best",
   "7,012 to 7,018"),
  ("colorectal", "Table 2", "Fine-tuned ResNet50", 0, "98.9", "98.9 %",
   "close to 99%"),
]  # fmt: skip


@pytest.fixture(scope="module")
def before():
  return {paper: lines(published.held(paper)) for paper in published.PAPERS}


def test_every_numeric_table_is_altered():
  assert {(paper, table) for paper, table, *_ in ALTERED} == {*NUMERIC}


@pytest.mark.parametrize(
  "case", ALTERED, ids=lambda c: f"{c[0]}, {c[1]}, {c[2]}, {c[4]}"
)
def test_a_finding_appears_and_another_vanishes(before, case):
  paper, table, row, at, new, appears, vanishes = case
  old = published.held(paper)["tables"][table]["rows"][row][at]
  assert old != new
  after = lines(altered(paper, table, row, at, new))
  fresh = [line for line in after if line not in before[paper]]
  gone = [line for line in before[paper] if line not in after]
  assert any(appears in line for line in fresh), fresh
  assert any(vanishes in line for line in gone), gone


@pytest.mark.parametrize(("paper", "table"), NUMERIC)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_no_digit_of_a_table_is_idle(before, paper, table, data):
  """Whatever digit is altered, the list of findings is another."""
  rows = published.held(paper)["tables"][table]["rows"]
  row = data.draw(st.sampled_from(sorted(rows)))
  at = data.draw(st.integers(0, len(rows[row]) - 1))
  text = rows[row][at]
  places = [i for i, letter in enumerate(text) if letter.isdigit()]
  i = data.draw(st.sampled_from(places))
  digit = data.draw(st.sampled_from(sorted({*"0123456789"} - {text[i]})))
  new = text[:i] + digit + text[i + 1 :]
  assert lines(altered(paper, table, row, at, new)) != before[paper]


def test_a_training_set_called_so_contradicts_nothing(before):
  held = copy.deepcopy(published.held("colorectal"))
  held["text"]["trained_on"]["headed"] = "Training accuracy"
  after = lines(held)
  (gone,) = [line for line in before["colorectal"] if line not in after]
  assert "is headed 'Testing accuracy'" in gone
  assert len(after) == len(before["colorectal"]) - 1


@pytest.mark.parametrize("paper", published.PAPERS)
def test_claims_are_recomputed_too(before, paper):
  """A restated number altered in the text is told."""
  held = copy.deepcopy(published.held(paper))
  claims = [c for c in held["claims"] if c["kind"] == "restated"]
  for claim in claims[:1]:
    claim["printed"] = claim["printed"][:-1] + str((int(claim["printed"][-1]) + 3) % 10)
  fresh = [line for line in lines(held) if line not in before[paper]]
  assert bool(claims) == any("in the text" in line for line in fresh)
