"""A table of one's own: read with its digits, refused with line and column."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from histojax.errors import InputError
from histojax.evaluation.wilson import wilson
from histojax.published import audit
from histojax.published.audit import own_table
from histojax.published.audit.printed import percent

GRAVE = {"impossible", "inconsistent"}
LIVER = """model,class,n,precision,recall,f1,accuracy
SENet,poor,1008,92.02,98.41,95.11,
SENet,moderate,1188,98.21,92.59,95.32,
SENet,well,936,95.50,95.30,95.40,
SENet,,3132,,,,95.27
"""


@pytest.fixture
def audited(tmp_path):
  def of(text, encoding="utf-8"):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return audit.findings(own_table.read(path), wilson)

  return of


def said(found, gravity):
  return [each.text for each in found if each.gravity == gravity]


def said_of(found):
  return " ".join(each.text for each in found)


def printed_table(cm, digits=2, ratios=False):
  """The CSV of what a paper would print of a confusion matrix."""
  rows = ["model,class,n,precision,recall,f1,accuracy,balanced_accuracy"]

  def cell(above, below=1):
    text = percent(Fraction(above) / int(below) / (100 if ratios else 1), digits)
    return text.removesuffix(" %")

  recall = [Fraction(int(cm[i, i]), int(cm[i].sum())) for i in range(len(cm))]
  for i, hit in enumerate(np.diag(cm)):
    n, predicted, hit = int(cm[i].sum()), int(cm[:, i].sum()), int(hit)
    each = cell(hit, predicted), cell(hit, n), cell(2 * hit, n + predicted)
    rows.append(f"net,{i},{n},{','.join(each)},,")
  total = int(cm.sum())
  accuracy = cell(int(np.trace(cm)), total)
  rows.append(f"net,,{total},,,,{accuracy},{cell(sum(recall) / len(recall))}")
  return "\n".join(rows)


@st.composite
def tables(draw):
  k = draw(st.integers(2, 4))
  cells = draw(st.lists(st.integers(0, 30), min_size=k * k, max_size=k * k))
  return np.reshape(cells, (k, k)) + 40 * np.eye(k, dtype=int)


@settings(deadline=None, max_examples=25)
@given(tables(), st.integers(1, 3), st.booleans())
def test_a_right_table_is_never_accused(tmp_path_factory, cm, digits, ratios):
  path = tmp_path_factory.mktemp("own") / "mine.csv"
  path.write_text(printed_table(cm, digits + 2 * ratios, ratios))
  found = audit.findings(own_table.read(path), wilson)
  assert not [each for each in found if each.gravity in GRAVE | {"only if"}]


@settings(deadline=None, max_examples=40)
@given(tables(), st.randoms(use_true_random=False))
def test_gaps_in_a_right_table_accuse_nobody(tmp_path_factory, cm, random):
  head, *lines = printed_table(cm).splitlines()
  told = [i < 2 or random.random() < 0.6 for i in range(len(head.split(",")))]
  rows = [
    [cell * (i < 2 or told[i] and random.random() < 0.9) for i, cell in enumerate(row)]
    for row in (line.split(",") for line in lines)
  ]
  assume(any(cell for row in rows for cell in row[3:]))
  path = tmp_path_factory.mktemp("own") / "mine.csv"
  path.write_text("\n".join([head, *map(",".join, rows)]))
  found = audit.findings(own_table.read(path), wilson)
  assert not [each for each in found if each.gravity in GRAVE], rows


def test_models_without_an_accuracy_and_classes_without_a_score(audited):
  found = audited("model,n,accuracy,f1\na,50,,90.0\nb,50,90.0,88.0\n")
  assert "b 5" in " ".join(said(found, "follows"))
  text = "model,class,n,recall,balanced_accuracy\nnet,a,50,90.0,\nnet,b,20,,\n"
  found = audited(text + "net,,70,,80.0\n")
  assert not {each.gravity for each in found} & GRAVE
  text = "model,class,n,tp,predicted,precision\nnet,a,50,0,0,0.00\n"
  assert not {each.gravity for each in audited(text)} & GRAVE


@settings(deadline=None, max_examples=15)
@given(tables(), st.data())
def test_a_wrong_digit_of_a_small_table_is_told(tmp_path_factory, cm, data):
  """Of few hundred items every score with two digits is pinned down to its last."""
  lines = printed_table(cm).splitlines()
  row = data.draw(st.integers(1, len(cm)))
  cells = lines[row].split(",")
  column = data.draw(st.sampled_from([3, 4, 5]))
  text = cells[column]
  at = data.draw(st.sampled_from([i for i, c in enumerate(text) if c.isdigit()]))
  digit = data.draw(st.sampled_from("0123456789"))
  cells[column] = text[:at] + digit + text[at + 1 :]
  assume(Fraction(cells[column]) <= 100 and Fraction(cells[column]) != Fraction(text))
  assume(Fraction(cells[column]) > 1)  # 0.3 without its sign is refused
  lines[row] = ",".join(cells)
  path = tmp_path_factory.mktemp("own") / "mine.csv"
  path.write_text("\n".join(lines))
  found = audit.findings(own_table.read(path), wilson)
  assert [each for each in found if each.gravity in GRAVE | {"only if"}], lines


def test_the_typing_error_of_a_single_table_is_found(audited):
  assert not {each.gravity for each in audited(LIVER)} & GRAVE
  found = audited(LIVER.replace("98.41", "99.41"))
  assert "recall 98.41 % they agree" in said(found, "inconsistent")[0]
  # a digit that two numbers could mend: neither is accused
  found = audited("model,class,precision,recall,f1\nnet,a,80.0,90.0,84.9\n")
  assert "One digit mends it" in said(found, "inconsistent")[0]
  found = audited("model,class,precision,recall,f1\nnet,a,80.0,90.0,12.3\n")
  assert "No single digit mends it" in said(found, "inconsistent")[0]


def test_a_matrix_of_two_classes_is_complete(audited):
  text = """model,class,n,precision,recall
net,sick,50,87.2,82.0
net,well,150,94.1,96.0
"""
  (one,) = [t for t in said(audited(text), "follows") if "matrix" in t]
  assert "[[41,9],[6,144]]" in one


def test_averages_are_told_apart(audited):
  text = "model,class,n,recall,accuracy,balanced_accuracy\nnet,a,90,90.0,,\n"
  text += "net,b,10,50.0,,\nnet,all,100,,{},70.0\n"
  assert not {each.gravity for each in audited(text.format("86.0"))} & GRAVE
  found = audited(text.format("70.0"))
  assert "70.0 % is the macro mean" in " ".join(said(found, "only if"))
  assert not {each.gravity for each in found} & GRAVE
  found = audited(text.format("88.0"))
  assert "is no mean of the classes" in " ".join(said(found, "inconsistent"))
  assert "need 86 of 100 right, accuracy 86.0 %, not 88.0 %" in " ".join(
    said(found, "inconsistent")
  )


def test_counts_beside_scores(audited):
  text = "model,class,n,tp,predicted,precision,recall\nnet,a,50,41,47,87.2,{}\n"
  assert "beside them: 2" in " ".join(said(audited(text.format("82.0")), "holds"))
  assert not {each.gravity for each in audited(text.format("82.0"))} & GRAVE
  found = audited(text.format("84.0"))
  assert "41 of 50 is 82.0 %, not 84.0 %" in " ".join(said(found, "inconsistent"))


def test_one_class_of_two_is_no_contradiction(audited):
  text = "model,class,n,precision,recall,f1,accuracy\nnet,sick,50,87.2,82.0,84.5,\n"
  found = audited(text + "net,all,200,,,,92.5\n")
  assert {each.gravity for each in found} == {"holds", "follows"}


def test_folds_and_copies(audited):
  text = "model,n,accuracy,sd,folds,copies\na,360,95.28,{},5,36\nb,360,95.00,1.2,5,36\n"
  found = audited(text.format("1.2"))
  assert "a leads b by 1 of 360 items" in said(found, "within one photograph")[0]
  assert "36 of one image" in said(found, "within one photograph")[0]
  found = audited(text.format("60.0"))
  assert "at most, not 60.0 %" in said(found, "impossible")[0]


def test_means_over_folds_need_not_agree(audited):
  """Of five folds of 24 the mean F1 is not that of mean precision and recall."""
  rng = np.random.default_rng(0)
  hits = rng.integers(6, 12, (5, 2))
  predicted = hits + 12 - hits[:, ::-1]
  ratios = hits / predicted, hits / 12, 2 * hits / (predicted + 12)
  each = [100 * x.mean(0) for x in ratios]
  text = "model,class,n,precision,recall,f1,folds\n"
  for i, name in enumerate("ab"):
    text += f"net,{name},60,{','.join(f'{x[i]:.2f}' for x in each)},5\n"
  found = audited(text)
  assert not {each.gravity for each in found} & GRAVE
  assert "Possible only if each is a mean over 5 folds" in said_of(found)
  alone = audited(text.replace(",folds", "").replace(",5\n", "\n"))
  assert {each.gravity for each in alone} & GRAVE


def test_a_fold_mean_of_a_single_class(audited):
  found = audited("model,class,n,recall,folds\nnet,a,50,83.33,5\n")
  assert "5 folds with unequal numbers" in " ".join(said(found, "only if"))


def test_means_over_runs_are_no_shares(audited):
  found = audited("model,n,accuracy,sd\na,200,95.23,0.4\nb,200,94.5,0.4\n")
  assert not {each.gravity for each in found} & GRAVE
  assert "only if it is a mean over several runs" in " ".join(said(found, "only if"))


def test_a_deviation_that_not_every_row_prints(audited):
  found = audited("model,n,accuracy,sd,folds\na,360,95.28,1.2,5\nb,360,95.00,,5\n")
  assert "1 of 1 standard deviations" in said_of(found)


AVERAGED = """model,class,n,precision,recall,f1,accuracy
net,a,100,69.57,80.00,74.42,
net,b,100,80.00,60.00,68.57,
net,c,30,50.00,66.67,57.14,
net,,230,{},{}
"""


@pytest.mark.parametrize(
  "scores",
  [
    "69.57,69.57,69.57,69.57",  # micro: all are the accuracy
    "66.52,68.89,66.71,69.57",  # macro
    "66.52,68.89,67.68,69.57",  # F1 of the macro precision and recall
  ],
)
def test_no_usual_average_is_accused(audited, scores):
  found = audited(AVERAGED.format(*scores.rsplit(",", 1)))
  assert not {each.gravity for each in found} & (GRAVE | {"only if"}), said_of(found)


def test_an_accuracy_that_is_the_mean_of_the_classes_is_no_impossible_share(audited):
  found = audited(AVERAGED.format("66.52,68.89,66.71", "68.89"))
  assert not {each.gravity for each in found} & GRAVE
  assert "68.89 % is the macro mean" in " ".join(said(found, "only if"))


def test_classes_that_do_not_sum_up(audited):
  found = audited(LIVER.replace("3132", "3131"))
  assert "sum to 3,132, not 3,131" in " ".join(said(found, "inconsistent"))


def test_units(audited):
  ratios = audited("model,n,accuracy\na,200,0.952\n")
  assert "no count of 200 items prints 0.952 (190 print 0.950" in ratios[0].text
  signed = audited("model,n,accuracy\na,200,0.5%\n")
  assert "1 shares" in " ".join(said(signed, "holds"))
  spread = audited("model,accuracy,sd\na,95.0,0.8\n")
  assert not {each.gravity for each in spread} & GRAVE  # an sd may
  excel = audited("\ufeffModel,N,Accuracy\r\n\r\na,200,95.2\r\n")
  assert "190 print 95.0 %" in excel[0].text


@pytest.mark.parametrize(
  ("text", "sentence"),
  [
    ("", "no rows below the header"),
    ("model,accuracy\n", "no rows below the header"),
    ("model,acuracy\na,95\n", "line 1: no column is called 'acuracy'; did you mean"),
    ("class,accuracy\na,95\n", "line 1: there is no column 'model'"),
    ("model,accuracy,accuracy\na,95,95\n", "two columns are called 'accuracy'"),
    ("model;accuracy\na;95,3\n", "separated by ';': use commas"),
    ("model,n\na,95\n", "holds no score"),
    ("model,accuracy\na,95,3\n", "line 2: 3 cells below 2 columns"),
    ("model,accuracy\n,95\n", "line 2, column model: it is empty"),
    ("model,accuracy\na,good\n", "line 2, column accuracy: 'good' is no number"),
    ("model,accuracy\na,-1\n", "line 2, column accuracy: '-1' is no number"),
    ("model,accuracy\na,101\n", "line 2, column accuracy: 101 is more than 100 %"),
    ("model,accuracy\na,95\nb,nan\n", "line 3, column accuracy: 'nan' is no number"),
    ("model,accuracy,f1\na,95%,94\n", "line 2, column f1: '94' has no %"),
    ("model,accuracy\na,0.9\nb,95\n", "line 2, column accuracy: 0.9 stands beside 95"),
    ("model,accuracy,sd\na,.953,1.2\n", "column accuracy: .953 stands beside 1.2"),
    ('model,f1\na,"88,24"\n', "'88,24' is no number: write 88.24"),
    ("model,f1\na,95.3 ± 0.2\n", "write 95.3, and what follows ± in a column sd"),
    ("model,n,accuracy\na,1.5,95\n", "line 2, column n: '1.5' is no whole number"),
    ("model,n,accuracy\na,0,95\n", "line 2, column n: 0 is too few"),
    ("model,n,accuracy\na,99999999,95\n", "line 2, column n: 99,999,999 is too many"),
    ("model,n,accuracy\na,5,95\nb,6,95\n", "line 3, column n: 6 items of all, but 5"),
    ("model,folds,accuracy\na,5,95\nb,6,95\n", "line 3, column folds: 6, but 5 above"),
    ("model,copies,accuracy\na,1,95\nb,4,95\n", "column copies: 4, but 1 above"),
    ("model,accuracy\na,95\na,96\n", "line 3: a, all has a row already, line 2"),
    ("model,accuracy\na\x1b[31m,95\n", "line 2, column model: it holds the control"),
    ("model,accuracy\n\u202ea,95\n", "control character U+202E"),
    (f"model,accuracy\n{'a' * 101},95\n", "101 characters"),
    ('model,accuracy\n"a,95\n', "line 2: unexpected end of data"),
    ("model,accuracy\n" + "a,95\n" * 2001, "2,001 rows"),
    ("model,accuracy\n" + "a" * 2_000_001, "larger than 2,000,000 bytes"),
  ],
)  # fmt: skip
def test_bad_tables_are_one_sentence(audited, text, sentence):
  with pytest.raises(InputError) as error:
    audited(text)
  assert sentence in str(error.value) and "\n" not in str(error.value)
  assert len(str(error.value)) < 400


def test_files_that_are_no_tables(audited, tmp_path):
  with pytest.raises(InputError, match="line 2 is not UTF-8"):
    audited("model,accuracy\n\xe9,95\n", "latin-1")
  for path in (tmp_path, tmp_path / "none.csv"):
    with pytest.raises(InputError, match="name a CSV file"):
      own_table.read(path)


def test_the_documented_example_is_one(audited):
  text = own_table.__doc__.split("\n\n")[1]
  found = audited("\n".join(line.strip() for line in text.splitlines()))
  assert not {each.gravity for each in found} & GRAVE
  assert "[[992,t,16-t],[62-t,1100,26+t],[24+t,20-t,892]]" in " ".join(
    said(found, "follows")
  )
  for column in own_table.COLUMNS:
    assert column in own_table.__doc__
