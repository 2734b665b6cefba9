"""Folds, parts and published rows on the page and on the terminal."""

import numpy as np
import pytest
from test_report import Page, block, example, shown, words, written

from histojax import published
from histojax.evaluation import folds, repeated, report


def of_folds(classes=("a", "b"), count=5, **changes):
  """The report of all folds, and those of each."""
  each = []
  for i in range(count):
    split = {"protocol": "kfold", "seed": 0, "fold": i}
    held = example(classes, right=3 + i % 3, colour=1 + i % 2, split=split)
    held["training"] = {"seconds": 2.0, "compile_seconds": 1.0 * (i == 0)}
    each.append(held)
  whole = example(classes, folds=folds.over(each), published=None, **changes)
  whole["split"] |= {"protocol": "kfold", "fold": f"all {count} in turn"}
  return whole, each


def test_mean_and_deviation_are_over_folds():
  whole, each = of_folds(count=4)
  values = [e["scores"]["images"]["accuracy"]["value"] for e in each]
  assert len(set(values)) > 1
  found = whole["folds"]
  assert found["mean"]["network"]["accuracy"] == pytest.approx(sum(values) / 4)
  deviation = (sum((v - sum(values) / 4) ** 2 for v in values) / 3) ** 0.5
  assert found["sd"]["network"]["accuracy"] == pytest.approx(deviation)
  assert [row["compile_seconds"] for row in found["rows"]] == [1.0, 0, 0, 0]
  assert "sample standard deviation (n - 1) over 4 folds" in found["note"]
  said = words(whole)
  mean = found["mean"]["network"]["balanced_accuracy"]
  assert f"each tested once in 4 folds (their mean {mean:.2f}, standard" in said


def test_the_mean_over_folds_has_the_corrected_interval():
  _, each = of_folds(count=3)
  assert "corrected" not in folds.over(each)
  for held in each:
    held["split"] |= {"parts": {"train": {"images": 144}}}
  values = [e["scores"]["images"]["balanced_accuracy"]["value"] for e in each]
  found, expected = folds.over(each), repeated.over_splits(values, 144, 72)
  for key in ("mean", "low", "high"):
    assert found["corrected"][key] == expected[key]
  low, high = max(expected["low"], 0), min(expected["high"], 1)  # of a share
  told = f"interval is {low:.3f} to {high:.3f}"
  assert told in found["note"] and "corrected resampled t" in found["note"]


def test_parts_have_mean_and_deviation_too(tmp_path):
  whole, each = of_folds(count=3)
  for i, held in enumerate(each):
    held["parts"] = {"train": block(("a", "b"), 4 + i % 2)}
  whole["folds"] = folds.over(each)
  values = [e["parts"]["train"]["accuracy"]["value"] for e in each]
  found = whole["folds"]["mean"]["network, train"]["accuracy"]
  assert found == pytest.approx(np.mean(values))
  text = "".join(written(tmp_path, whole).text)
  assert "Part by part" in text and f"{np.mean(values):.2f} ± " in text


@pytest.mark.parametrize("count", [2, 5, 10, 30])
@pytest.mark.parametrize("k", [2, 5, 8, 9])
def test_folds_fit_the_terminal(k, count):
  whole, _ = of_folds([f"class number {i}" for i in range(k)], count)
  whole["dataset"]["synthetic"] = True
  whole["split"]["shared_groups"] = 70
  lines = shown(whole, "runs/" + "x" * 90 + "/report.html").splitlines()
  assert len(lines) <= 30 and max(map(len, lines)) <= 80
  if k + count <= 7:
    text = "\n".join(lines)
    assert "\n deviation " in text and "\n 0 " in text and f"\n {count - 1} " in text


@pytest.mark.parametrize("k", [2, 5, 8, 9])
def test_page_shows_every_fold(k, tmp_path):
  whole, _ = of_folds([f"class {i}" for i in range(k)], 5)
  page = written(tmp_path, whole)
  assert page.open == []
  text = " ".join("".join(page.text).split())
  assert "Fold by fold" in text and "all 5 in turn" in text
  for name in ("mean", "deviation"):
    assert f" {name} " in text
  assert text.count("standard deviation") == 2  # the headline's, the note's
  assert "Fold by fold" not in "".join(written(tmp_path, example()).text)


def test_columns_of_parts_stand_side_by_side(tmp_path):
  parts = {"train": block(("a", "b"), 5), "validation": block(("a", "b"), 3)}
  row = published.find("colorectal/Fine-tuned ResNet50")
  held = example(("a", "b"), parts=parts, published=row)
  text = report.write(tmp_path, held, {}).read_text()
  table = text.split("Part by part")[1].split("</section>")[0]
  heads = [c.split("</th>")[0] for c in table.split('<th scope="col">')[1:]]
  assert heads == ["network", "train", "validation", "test"]
  accuracy = Page(table.split("accuracy</th>")[2].split("</tr>")[0]).text
  wanted = [parts["train"], parts["validation"], held["scores"]["images"]]
  shown = [t for t in accuracy if t.startswith("0.") and "–" not in t]
  assert shown == [f"{s['accuracy']['value']:.2f}" for s in wanted]
  box = text.split('class="published"')[1].split("</section>")[0]
  for word in ("0.9770", "accuracy, train part", "0.9990", "CRC-VAL-HE-7K", "7,180"):
    assert word in box
  assert "validation part" not in box  # the paper has no such column
  assert "recall" not in box and "balanced" not in box


def test_a_published_deviation_stands_beside_ours_over_folds(tmp_path):
  row = published.find("cervix/SE+SAM")
  whole, _ = of_folds()
  text = report.write(tmp_path, whole | {"published": row}, {}).read_text()
  box = " ".join(text.split('class="published"')[1].split("</section>")[0].split())
  mean, sd = (whole["folds"][k]["network"]["accuracy"] for k in ("mean", "sd"))
  assert "0.9872 ± 0.0030" in box and f"{mean:.3f} ± {sd:.3f}" in box
  assert "compare with care" in box and "4,049" in box
  single = report.write(tmp_path, example(published=row), {}).read_text()
  assert "one split" in single.split('class="published"')[1]


def test_the_terminal_names_images_and_split_of_both():
  text = " ".join(shown(example(published=published.find("liver/SENet"))).split())
  assert "accuracy 0.9527 on 3,132 images. Ours: 0." in text
  assert "by image, 20 % of each class" in text and "72 images, split grouped." in text
  row = published.find("breakhis_vgg/40X")
  text = " ".join(shown(example(published=row)).split())
  assert "accuracy at least 0.9700 on an unknown number of images" in text


def test_bounds_and_missing_counts_are_said(tmp_path):
  row = published.find("breakhis_vgg/400X")
  text = report.write(tmp_path, example(published=row), {}).read_text()
  box = text.split('class="published"')[1].split("</section>")[0]
  assert "at most 0.9684" in box and "not known" in box and "<td>–</td>" in box
