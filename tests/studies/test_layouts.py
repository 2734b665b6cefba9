"""The papers' tables of the shipped studies, from members that were written."""

import numpy as np
import pytest
from markupsafe import escape
from test_table import CLASSES, quiet, shipped, undrawn, unrendered  # noqa: F401

from histojax.studies import layouts, table

LIVER = ("VGG16", "ResNet50", "ResNet50_CBAM", "SENet", "SKNet")


def test_liver_has_tables_5_and_6_beside_the_published(tmp_path):
  folder, study, rows = shipped("liver", tmp_path)
  content = table.write(folder, study, rows)
  five, six = content["tables"][-2:]
  assert five["head"] == ["classifier", "source", *CLASSES["liver"], "accuracy"]
  assert [(row[0], row[1]) for row in five["rows"]] == [
    (name, source) for name in LIVER for source in ("ours", "published")
  ]
  printed = {row[0]: row[2:] for row in five["rows"] if row[1] == "published"}
  assert printed["SENet"] == ["98.41", "92.59", "95.30", "95.27"]
  ours = {row[0]: row[2:] for row in five["rows"] if row[1] == "ours"}
  scores = {row["name"]: row["scores"] for row in content["rows"]}
  for name in LIVER:
    recalls = [one["recall"]["value"] for one in scores[name]["per_class"]]
    recalls.append(scores[name]["accuracy"]["value"])
    assert ours[name] == [f"{100 * value:.1f}" for value in recalls]
  assert len(six["rows"]) == 2 * 15 and six["rows"][1][0] == "VGG16, poor"
  assert {"figure3", "matrices"} <= set(content["figures"])
  assert content["published"]["doi"] == "10.1186/s12911-022-01919-1"
  assert content["published"]["caveats"]
  assert str(escape(content["published"]["caveats"][0])) in folder.page.read_text()


@pytest.mark.usefixtures("unrendered")
def test_cervix_has_table_i(tmp_path):
  folder, study, rows = shipped("cervix", tmp_path)
  content = table.write(folder, study, rows)
  (told,) = content["tables"][2:]
  printed = {row[0]: row[2] for row in told["rows"] if row[1] == "published"}
  assert printed["Plissiti"] == "95.35 ± 0.42" and printed["Ours"] == "99.38 ± 0.20"
  assert [*printed] == [*study["variants"]]
  assert "matrices" in content["figures"]


@pytest.mark.usefixtures("undrawn")
def test_dala_has_nine_networks_at_four_magnifications(tmp_path):
  folder, study, rows = shipped("dala", tmp_path)
  content = table.write(folder, study, rows)
  told = content["tables"][1:]
  assert len(told) == 5
  for held, column in zip(told, (*layouts.MAGNIFICATIONS, "mean"), strict=True):
    assert column in held["title"]
    ours = [row for row in held["rows"] if row[1] == "ours"]
    assert len(ours) == 9 and ours[0][0] == "DALAResNet50"
  printed = [row[2] for held in told for row in held["rows"] if row[1] == "published"]
  assert printed == ["98.50", "98.70", "97.90", "94.30", "97.35 (derived)"]
  single = [held["rows"][0][2] for held in told]
  assert float(single[4]) == pytest.approx(np.mean([*map(float, single[:4])]), abs=0.1)
  differences = {r["name"]: r.get("difference") for r in content["rows"]}
  assert differences["ViT, 100X"]["baseline"] == "ResNet50, 100X"
  assert differences["ResNet50, 100X"] is None
  assert differences["ViT, 100X"]["comparisons"] == 32


@pytest.mark.usefixtures("unrendered")
def test_the_vgg_study_has_tables_2_to_4_and_figure_4(tmp_path):
  folder, study, rows = shipped("breakhis_vgg", tmp_path)
  content = table.write(folder, study, rows)
  counts, losses, whole, strategies = content["tables"][1:]
  assert counts["rows"][0] == ["40X", "ours", "7", "8", "15"]
  assert [row[0] for row in losses["rows"]] == [
    "cross entropy", "weighted cross entropy", "focal",
  ]  # fmt: skip
  assert folder.latex.read_text().count(r"$\ge$ 97.00") == 3
  known = ["≥ 97.00", "≥ 97.00", "≥ 97.00", "≤ 96.84 (derived)", "96.96"]
  assert whole["rows"][1][2:] == known
  assert len(strategies["rows"]) == 4
  assert "figure4" in content["figures"]


@pytest.mark.usefixtures("undrawn")
def test_crc_has_three_columns_and_the_freeze_depth(tmp_path):
  folder, study, rows = shipped("crc", tmp_path)
  two, frozen = table.write(folder, study, rows)["tables"][-2:]
  assert two["head"][2:] == [
    "100,000: trained on", "100,000: held out", "CRC-VAL-HE-7K",
  ]  # fmt: skip
  assert two["rows"][1][1:] == ["published", "99.9", "–", "97.7"]
  assert two["rows"][3][1:] == ["published", "–", "98.6", "95.0"]
  assert two["rows"][0][2:4] == ["75.0", "75.0"]
  assert len(two["rows"]) == 10 and len(frozen["rows"]) == 4


@pytest.mark.usefixtures("undrawn")
def test_placement_is_a_matrix_of_blocks_and_stages(tmp_path):
  folder, study, rows = shipped("attention", tmp_path)
  told = table.write(folder, study, rows)["tables"][-1]
  assert "Published rows" not in folder.page.read_text()  # there is none
  assert told["head"][2:] == [*layouts.PLACES]
  assert [row[0] for row in told["rows"]] == [
    "SE", "CBAM", "SAM", "SK", "SE+SAM", "DNL", "LAM", "no attention",
  ]  # fmt: skip
  assert all("(" in cell for row in told["rows"][:-1] for cell in row[2:])


@pytest.mark.parametrize("name", ["reduction", "canvas", "split"])
@pytest.mark.usefixtures("undrawn")
def test_the_others_have_the_studys_own_table(name, tmp_path):
  folder, study, rows = shipped(name, tmp_path)
  content = table.write(folder, study, rows)
  assert [row[0] for row in content["tables"][0]["rows"]] == [*study["variants"]]
