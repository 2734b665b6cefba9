"""The papers that print accuracies alone: numbers as printed, audits recomputed."""

import json

import numpy as np
import pytest
from conftest import SHARED_DATA

from histojax import published
from histojax.errors import InputError
from histojax.published import accuracies, liver

TABLES = SHARED_DATA.parent / "reference" / "tables.json"
KEYS = [f"{p}/{m}" for p in accuracies.PAPERS for m in accuracies.held(p)["rows"]]


def printed(paper):
  return {m: row["accuracy"] for m, row in accuracies.held(paper)["rows"].items()}


def prints(n, value, digits=2):
  """Whether some count of `n` prints `value` in %."""
  return value in np.round(100 * np.arange(n + 1) / n, digits)


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
  table = accuracies.held("breakhis_vgg")
  counts = table["benign"][0], table["malignant"][0]
  assert counts == tuple(vgg["table1_40X"][k] for k in ("benign", "malignant"))
  assert printed("breakhis_dala") == dala["accuracy"] | {"mean": dala["mean"]}
  assert accuracies.held("breakhis_dala")["unprinted"] == dala["baselines"]
  rows = accuracies.held("cervix")["rows"]
  assert {m: [r["accuracy"], r["sd"]] for m, r in rows.items()} == (
    tables["cervix"]["table1"]
  )
  classes = accuracies.held("cervix")["classes"], accuracies.held("cervix")["cells"]
  assert dict(zip(*classes, strict=True)) == tables["cervix"]["class_counts"]
  rows = accuracies.held("colorectal")["rows"]
  found = {m: [*r["parts"].values(), r["accuracy"]] for m, r in rows.items()}
  theirs = tables["colorectal"]["table2"]
  assert found == {m.removesuffix(" (this paper)"): v for m, v in theirs.items()}
  assert (
    accuracies.held("colorectal")["images"] == tables["colorectal"]["CRC-VAL-HE-7K"]
  )


def test_the_mean_of_breakhis_leaves_no_more_for_400x():
  found = printed("breakhis_vgg")
  rest = 4 * found["VGG with focal loss"] - 97 * 3
  assert round(rest, 2) == found["400X"] == 96.84
  table = accuracies.held("breakhis_vgg")
  benign, malignant = np.array(table["benign"]), np.array(table["malignant"])
  share = np.round(100 * malignant / (benign + malignant), 2)
  said = " ".join(table["caveats"])
  assert all(f"{s:.2f}" in said for s in share) and list(share) == [
    68.67, 69.05, 69.05, 67.69,
  ]  # fmt: skip


def test_thirty_per_cent_is_the_round_share_that_prints_dalaresnet():
  table = accuracies.held("breakhis_dala")
  want = list(printed("breakhis_dala").values())
  assert round(np.mean(want[:4]), 2) == want[4]

  def fits(share):
    for total, value in zip(table["images"], want[:4], strict=True):
      sizes = {int(np.floor(share * total)), int(np.ceil(share * total))}
      # one digit, or two digits rounded once more (97.848 -> 97.85 -> 97.9)
      found = any(
        prints(n, value, 1)
        or value in np.round(np.round(100 * np.arange(n) / n, 2) + 1e-9, 1)
        for n in sizes
      )
      if not found:
        return False
    return True

  assert [s for s in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4) if fits(s)] == [0.3]
  sizes = [table["rows"][m]["n"] for m in ("40X", "100X", "200X", "400X")]
  exact = 100 * np.array(table["correct"]) / sizes
  np.testing.assert_allclose(exact, want[:4], atol=0.0524)  # 200X twice rounded
  vgg = accuracies.held("breakhis_vgg")
  assert table["images"] == np.add(vgg["benign"], vgg["malignant"]).tolist()


def test_three_accuracies_of_cells_are_no_count():
  table = accuracies.held("cervix")
  assert sum(table["cells"]) == table["n"] == 4049
  impossible = {m for m, v in printed("cervix").items() if not prints(4049, v)}
  assert impossible == {"Plissiti", "SE", "SAM"}
  for model in impossible:
    caveats = published.find(f"cervix/{model}")["caveats"]
    assert any("No number of 4,049 cells" in c for c in caveats)
  said = " ".join(table["caveats"])
  for model, errors in (("ResNet50", 155), ("SE+SAM", 52), ("Ours", 25)):
    assert round(4049 * (100 - printed("cervix")[model]) / 100) == errors
    assert str(errors) in said


def test_what_97_7_per_cent_of_crc_val_can_be():
  table = accuracies.held("colorectal")
  assert sum(table["images"]) == table["n"] == 7180
  hits = np.arange(7181)
  fit = hits[np.round(100 * hits / 7180, 1) == 97.7]
  assert (fit.min(), fit.max()) == (7012, 7018)
  share = 100 * np.array(table["images"]) / 7180
  assert (round(share.min(), 1), round(share.max(), 1)) == (4.7, 18.6)


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
