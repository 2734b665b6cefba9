"""The papers that print accuracies alone: numbers as printed, audits recomputed."""

import json

import pytest
from conftest import SHARED_DATA

from histojax import published
from histojax.errors import InputError
from histojax.published import accuracies, liver

TABLES = SHARED_DATA.parent / "reference" / "tables.json"
KEYS = [f"{p}/{m}" for p in accuracies.PAPERS for m in accuracies.held(p)["rows"]]


def printed(paper):
  return {m: row["accuracy"] for m, row in accuracies.held(paper)["rows"].items()}


@pytest.fixture(scope="module")
def tables():
  if not TABLES.is_file():
    pytest.skip(f"needs {TABLES}")
  return json.loads(TABLES.read_text())


def test_numbers_are_those_of_the_tables(tables):
  vgg, dala = tables["breakhis-vgg"], tables["breakhis-dala"]
  found = printed("breakhis_vgg")
  assert found["VGG with focal loss"] == vgg["mean_accuracy"]
  assert found["400X"] == vgg["implied_400X_upper_bound"]
  rows = accuracies.held("breakhis_vgg")["rows"]
  assert [m for m in rows if rows[m].get("bound") == "at least"] == vgg["at_least_97"]
  counts = accuracies.counts("breakhis_vgg", "Table 1")["40X"]
  assert counts == [vgg["table1_40X"][k] for k in ("benign", "malignant")]
  assert printed("breakhis_dala") == dala["accuracy"] | {"mean": dala["mean"]}
  assert accuracies.held("breakhis_dala")["unprinted"] == dala["baselines"]
  rows = accuracies.held("breakhis_dala")["rows"]
  for part, n in dala["split_inferred"]["n_test"].items():
    assert rows[part]["n"] in (n if isinstance(n, list) else [n])
  rows = accuracies.held("cervix")["rows"]
  assert {m: [r["accuracy"], r["sd"]] for m, r in rows.items()} == (
    tables["cervix"]["table1"]
  )
  assert {r["n"] for r in rows.values()} == {4049}
  counts = accuracies.counts("cervix", "SIPaKMeD")["cells"]
  classes = accuracies.held("cervix")["classes"]
  assert dict(zip(classes, counts, strict=True)) == tables["cervix"]["class_counts"]
  rows = accuracies.held("colorectal")["rows"]
  found = {m: [*r["parts"].values(), r["accuracy"]] for m, r in rows.items()}
  theirs = tables["colorectal"]["table2"]
  assert found == {m.removesuffix(" (this paper)"): v for m, v in theirs.items()}
  for name, counts in accuracies.counts("colorectal", "Table 1").items():
    assert counts == tables["colorectal"][name]


def test_what_is_doubted_of_a_row_is_computed():
  said = " ".join(published.find("breakhis_vgg/400X")["caveats"])
  assert "leaves at most 96.84 % for 400X" in said and "67.69 %" in said
  said = " ".join(published.find("breakhis_dala/40X")["caveats"])
  assert "only 30 % can" in said
  said = " ".join(published.find("colorectal/Fine-tuned ResNet50")["caveats"])
  assert "'Testing accuracy'" in said and "4.7 % to 18.6 %" in said
  said = " ".join(published.find("colorectal/VGG19")["caveats"])
  assert "'Testing accuracy'" not in said


@pytest.mark.parametrize("key", KEYS)
def test_rows_are_ready_for_a_report(key):
  row = published.find(key)
  assert row.keys() > {k for k in liver.row("SENet")}
  assert 0.9 < row["accuracy"] < 1 and row["data"] and row["split"] and row["caveats"]
  published.check(key, tuple(reversed(row["classes"])))
  with pytest.raises(InputError, match="tells of"):
    published.check(key, ("a", "b"))


def test_columns_of_colorectal_are_not_mixed_up():
  ours = published.find("colorectal/Fine-tuned ResNet50")
  assert (ours["accuracy"], ours["parts"]) == (0.977, {"train": 0.999})
  theirs = published.find("colorectal/ResNet18")
  assert (theirs["accuracy"], theirs["parts"]) == (0.944, {"validation": 0.985})


@pytest.mark.parametrize(
  "key,said",
  [
    ("cervix/SE+SAN", "did you mean 'SE\\+SAM'"),
    ("breakhis_dala/VGG16", "no number of it is known"),
    ("colorektal/VGG19", "did you mean 'colorectal'"),
  ],
)
def test_unknown_rows_are_one_sentence(key, said):
  with pytest.raises(InputError, match=said):
    published.find(key)
