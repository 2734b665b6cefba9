"""The findings that are known of the five papers come out by computation."""

import json
from pathlib import Path

import pytest
from conftest import SHARED_DATA

from histojax import published
from histojax.evaluation.wilson import wilson
from histojax.published import audit, liver

TABLES = SHARED_DATA.parent / "reference" / "tables.json"

# paper, gravity, and what the sentence must hold
KNOWN = [
  # the split of whole photographs, rounded down per class, with slides on both sides
  ("liver", "holds", "multiple of 36", "116/135/106", "28/33/26"),
  ("liver", "follows", "80.41:19.59 (12,852 : 3,132)", "0.2 of", "rounded down"),
  ("liver", "leak", "28 mod 6 = 4, 33 mod 6 = 3, 26 mod 6 = 2", "both sides"),
  ("liver", "holds", "24 x 6 = 144, 28 x 6 = 168, 22 x 6 = 132"),
  ("liver", "only if", "exclude all images without normal cells", "excluded none"),
  ("liver", "only if", "72 patients, 74 samples", "well: 20 patients, 22 samples"),
  ("liver", "holds", "All 4 groups of sub-columns", "poor 24, moderate 28, well 20"),
  # Table 5 as integers, and the typing error of Table 6
  ("liver", "follows", "SENet 992/1100/892", "2,410, 2,951, 2,967, 2,984, 2,980"),
  ("liver", "follows", "not the mean of the classes (SENet: 95.43 %)"),
  ("liver", "inconsistent", "99.41 %", "98.41 %", "F1 95.57 %, not 95.11 %", "992 of"),
  ("liver", "inconsistent", "98.41 % in Table 5, 99.41 % in Table 6"),
  ("liver", "holds", "14 F1 scores", "at most 0.006 points"),
  # one photograph, and intervals
  ("liver", "within one photograph", "SKNet by 4, ResNet50_CBAM by 17, ResNet50 by 33"),
  ("liver", "follows", "VGG16 76.95 % [75.44, 78.39]", "SENet 95.27 % [94.47, 95.96]"),
  ("liver", "follows", "ResNet50 94.22 % [93.35, 94.99]", "[93.89, 95.46]"),
  ("liver", "follows", "SKNet 95.15 % [94.34, 95.85]", "83 of 87", "[88.8, 98.2]"),
  ("liver", "within chance", "3 of 4 neighbours", "SENet and SKNet"),
  ("cervix", "within chance", "3 of 6 neighbours", "ResNet50 and Plissiti"),
  ("cervix", "only if", "95.35 %", "only if digits were cut off"),
  ("liver", "only if", "3,132", "87 photographs, 36 times each"),
  ("liver", "note", "Recall is printed as TP / (TP + FP)"),
  ("breakhis_vgg", "follows", "40X, 100X and 200X", "at most 96.84 % for 400X"),
  ("breakhis_vgg", "follows", "68.67 %", "100X 69.05 %, 200X 69.05 %", "67.69 %"),
  ("breakhis_dala", "follows", "97.35 %"),
  ("breakhis_dala", "only if", "only 30 % can", "589 of 598", "616 of 624"),
  (
    "breakhis_dala",
    "only if",
    "591 of 604",
    "515 of 546",
    "200X only if rounded twice",
  ),
  ("breakhis_dala", "only if", "26, 29 and 33 can too"),
  ("breakhis_dala", "follows", "68.67 %", "67.69 %"),
  ("cervix", "holds", "the classes sum to 4,049"),
  ("cervix", "only if", "no count of 4,049 cells prints 95.35 %", "95.33 %", "95.36 %"),
  ("cervix", "only if", "prints 98.23 %", "98.22 %", "98.25 %", "rounded before"),
  ("cervix", "only if", "prints 97.17 %", "97.16 %", "97.18 %", "16,196, where every"),
  ("cervix", "only if", "no count of 825 cells prints 1.69 %"),
  ("cervix", "only if", "no count of 825 cells prints 1.08 %"),
  ("cervix", "only if", "no count of 825 cells prints 96.64 %", "Nor does one of 813"),
  ("cervix", "only if", "no count of 825 cells prints 93.00 %", "Nor does one of 813"),
  ("cervix", "follows", "ResNet50 155", "SE+SAM 52", "Ours 25"),
  ("cervix", "note", "VGG is cited as [5] and listed as [6]"),
  ("colorectal", "only if", "10.566 and 11.512", "exactly 100,000"),
  ("colorectal", "holds", "the classes sum to 7,180"),
  ("colorectal", "follows", "7,012 to 7,018 right"),
  ("colorectal", "follows", "[97.33, 98.02]", "[94.47, 95.48]", "[93.85, 94.91]"),
  ("colorectal", "follows", "[93.64, 94.72]", "[93.74, 94.82]"),
  ("colorectal", "inconsistent", "99.9 %", "'Testing accuracy'", "training set"),
  ("colorectal", "inconsistent", "99.9 %", "close to 99%"),
  ("colorectal", "only if", "4.7 % to 18.6 %"),
  ("colorectal", "note", "Resnet35"),
]


@pytest.fixture(scope="module")
def audits():
  return {
    name: audit.findings(published.held(name), wilson) for name in published.PAPERS
  }


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: f"{k[0]}, {k[2][:40]}")
def test_a_known_finding_comes_out(audits, known):
  paper, gravity, *words = known
  said = [each.text for each in audits[paper] if each.gravity == gravity]
  assert any(all(word in text for word in words) for text in said), said


@pytest.mark.parametrize("paper", published.PAPERS)
def test_no_finding_is_stored(audits, paper):
  """Of what a file holds only notes are sentences that come out again."""
  stored = Path(published.__file__).with_name(f"{paper}.json").read_text("utf-8")
  for each in audits[paper]:
    assert (each.gravity == "note") == (
      json.dumps(each.text, ensure_ascii=False) in stored
    )
  for number in ("786", "940", "684", "0.6517", "80.41", "95.57", "96.84", "97.35",
                 "7012", "7,012", "1116", "95.43", "68.67"):  # fmt: skip
    assert number not in stored


def test_the_gravest_comes_first(audits):
  words = [*audit.GRAVITIES]
  for found in audits.values():
    order = [words.index(each.gravity) for each in found]
    assert order == sorted(order) and len(order) > 5


@pytest.mark.skipif(not TABLES.is_file(), reason=f"needs {TABLES}")
def test_the_reconstruction_is_that_of_the_reference(audits):
  reference = json.loads(TABLES.read_text())["liver"]
  found = {
    each.model: each.numbers for each in audits["liver"] if "matrix" in each.numbers
  }
  assert found.keys() == reference["reconstructed"].keys()
  for model, held in reference["reconstructed"].items():
    assert found[model]["matrix"] == held["cm"] and found[model]["t"] == held["t"]
    assert [*found[model]["hits"]] == held["tp"] == liver.TRUE_POSITIVES[model]
    assert [*found[model]["predicted"]] == held["pred_totals"] == liver.PREDICTED[model]
    assert sum(found[model]["hits"]) == reference["correct_total"][model]
  kappa = [round(found[m]["kappa"], 4) for m in reference["reconstructed"]]
  assert kappa == [0.6517, 0.9130, 0.9207, 0.9289, 0.9269]
  macro = [round(100 * found[m]["macro_f1"], 2) for m in reference["reconstructed"]]
  assert macro == [76.99, 94.30, 94.67, 95.28, 95.19]


def test_caveats_of_a_row_are_its_own_findings():
  said = " ".join(published.find("liver/VGG16")["caveats"])
  assert "both sides" in said and "99.41" not in said
  assert "99.41" in " ".join(published.find("liver/SENet")["caveats"])
  assert "98.23" in " ".join(published.find("cervix/SE")["caveats"])
  assert "98.23" not in " ".join(published.find("cervix/DNL")["caveats"])
