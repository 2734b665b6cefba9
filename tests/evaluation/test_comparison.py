"""Runs side by side: the same images, or a sentence that says why not."""

import json

import numpy as np
import pytest

from histojax.errors import InputError
from histojax.evaluation import comparison, paired, predictions
from histojax.evaluation.confusion import by_group

CLASSES = ["benign", "malignant"]


def run(seed, share, groups=15, per_group=8):
  """Predictions as a file holds them, right in about `share` of the images."""
  rng = np.random.default_rng(seed)
  n = groups * per_group
  label = np.random.default_rng(7).integers(0, 2, n)
  said = np.where(rng.random(n) < share, label, 1 - label)
  p = np.where(said[:, None] == np.arange(2), 0.8, 0.2)
  group = np.array([f"s{i}" for i in np.arange(n) // per_group])
  ids = np.array([f"{i % 10}_{i}.png" for i in range(n)])
  rows = {"image_id": ids, "group": group, "label": label, "prediction": said}
  return rows | {"probability": p, "classes": CLASSES}


def three():
  return {"se": run(1, 0.8), "cbam": run(2, 0.82), "none": run(3, 0.55)}


def mixed(rows, seed=0):
  order = np.random.default_rng(seed).permutation(len(rows["label"]))
  return {k: v if k == "classes" else v[order] for k, v in rows.items()}


def test_rows_are_matched_by_image_and_not_by_place():
  runs = three()
  aligned = comparison.align(runs)
  again = comparison.align(runs | {"cbam": mixed(runs["cbam"])})
  for name, said in aligned["prediction"].items():
    np.testing.assert_array_equal(said, runs[name]["prediction"])
    np.testing.assert_array_equal(said, again["prediction"][name])
    np.testing.assert_array_equal(
      again["probability"][name], aligned["probability"][name]
    )
  np.testing.assert_array_equal(aligned["image_id"], runs["se"]["image_id"])


def test_files_of_two_runs_can_be_compared(tmp_path):
  for name, rows in three().items():
    rows = {k: v for k, v in rows.items() if k != "prediction"}
    predictions.write(tmp_path / name, **rows)
  read = {name: predictions.read(tmp_path / name) for name in three()}
  assert comparison.compare(comparison.align(read), "accuracy") == (
    comparison.compare(comparison.align(three()), "accuracy")
  )


def fewer(rows):
  return {k: v if k == "classes" else v[1:] for k, v in rows.items()}


def changed(key, value):
  def change(rows):
    return rows | {key: np.r_[[value], rows[key][1:]]}

  return change


@pytest.mark.parametrize(
  "change,words",
  [
    (fewer, "120 images, b on 119, 119 of them the same"),
    (changed("label", 5), "disagree on the label of '0_0.png' .1 images"),
    (changed("group", "s99"), "disagree on the group of '0_0.png'"),
    (lambda rows: rows | {"classes": ["x", "y"]}, "compare runs of one data set"),
  ],
)
def test_runs_on_other_images_are_refused(change, words):
  with pytest.raises(InputError, match=words):
    comparison.align({"a": run(1, 0.8), "b": change(run(2, 0.8))})


def test_one_run_or_a_doubled_image_is_refused():
  with pytest.raises(InputError, match="two or more"):
    comparison.align({"a": run(1, 0.8)})
  twice = run(1, 0.8)
  twice["image_id"][1] = twice["image_id"][0]
  with pytest.raises(InputError, match="twice"):
    comparison.align({"a": twice, "b": run(2, 0.8)})


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "mcc"])
def test_pairs_hold_what_the_single_tests_say(metric):
  runs = three()
  found = comparison.compare(comparison.align(runs), metric)
  assert json.loads(json.dumps(found)) == found
  assert (found["images"], found["groups"], len(found["pairs"])) == (120, 15, 3)
  label, index = runs["se"]["label"], np.arange(120) // 8
  names = np.unique(runs["se"]["group"], return_inverse=True)[1]
  assert len(set(zip(names, index, strict=True))) == 15
  for pair in found["pairs"]:
    a, b = (runs[pair[k]]["prediction"] for k in ("first", "second"))
    own = by_group(label, a, names, 2), by_group(label, b, names, 2)
    expected = paired.difference(*own, metric)
    for key in ("value", "low", "high", "sd"):
      np.testing.assert_allclose(pair[key], expected[key], atol=1e-3)
    assert pair["value"] >= 0 and pair["low"] <= pair["value"] <= pair["high"]
    assert pair["mcnemar"] == paired.mcnemar(label, a, b)
    assert pair["images_differing"] == (a != b).sum()
  p = [pair["p"] for pair in found["pairs"]]
  np.testing.assert_allclose([x["p_holm"] for x in found["pairs"]], paired.holm(p))


def test_the_sentences_a_reviewer_wants():
  found = comparison.compare(comparison.align(three()), "accuracy")
  close, far, _ = found["pairs"]
  said = comparison.sentence(found, close, "slide")
  assert said.startswith("cbam and se differ by ") and "points of accuracy" in said
  assert said.endswith("(Holm, 3 pairs): not distinguishable with 15 slides.")
  said = comparison.sentence(found, far, "slide")
  assert said.endswith("distinguishable with 15 slides, se is better.")
  assert "not distinguishable" not in said
  assert f"about {close['groups_needed']:,} slides" in (
    comparison.remedy(found, close, "slide")
  )


def test_the_sentence_is_word_for_word():
  pair = {"first": "A", "second": "B", "value": 0.004, "low": -0.011, "high": 0.019}
  pair |= {"p_holm": 0.58, "images_differing": 9}
  held = {"metric": "accuracy", "images": 300, "groups": 15, "pairs": [pair]}
  assert comparison.sentence(held, pair, "slide") == (
    "A and B differ by 0.4 points of accuracy, 95 % CI -1.1 to 1.9, p = 0.58:"
    " not distinguishable with 15 slides."
  )


def test_twins_and_a_single_group():
  rows = run(1, 0.8)
  found = comparison.compare(comparison.align({"a": rows, "b": rows}), "accuracy")
  (pair,) = found["pairs"]
  assert pair["p"] == 1 and pair["groups_needed"] is None
  assert (
    comparison.sentence(found, pair) == "a and b predict the same on all 120 images."
  )
  assert "Only other groups" in comparison.remedy(found, pair)
  runs = {"a": run(1, 0.8, groups=1), "b": run(2, 0.5, groups=1)}
  found = comparison.compare(comparison.align(runs), "accuracy")
  (pair,) = found["pairs"]
  assert "one patient" in comparison.sentence(found, pair, "patient")
  assert "cannot be told" in comparison.remedy(found, pair)


def test_too_few_groups_can_show_nothing():
  runs = {"a": run(1, 0.95, groups=4), "b": run(2, 0.2, groups=4)}
  found = comparison.compare(comparison.align(runs), "accuracy")
  (pair,) = found["pairs"]
  assert pair["exact"] and pair["p"] == 2 / 16 == pair["least_p"]
  assert "p is never below 0.12" in comparison.remedy(found, pair)


def test_the_claim_decides_how_many_groups_it_takes():
  aligned = comparison.align(three())
  names = [*three()]
  small, large = (
    comparison.compare(aligned, claims={names[0]: 0.9 + c, names[1]: 0.9})["pairs"]
    for c in (0.01, 0.1)
  )
  pair = next(p for p in small if p["claim"])
  same = next(p for p in large if p["claim"])
  assert {pair["first"], pair["second"]} == {*names[:2]}
  assert abs(pair["claim"]["value"]) == pytest.approx(0.01)
  assert pair["groups_needed"] == same["groups_needed"]  # of what was seen
  assert pair["claim"]["groups_needed"] > 50 * same["claim"]["groups_needed"]
  found = comparison.compare(aligned, claims={names[0]: 0.91, names[1]: 0.9})
  said = comparison.remedy(found, next(p for p in found["pairs"] if p["claim"]))
  assert "In print se leads by 1.0 points of accuracy: seeing" in said
  assert [p["claim"] for p in comparison.compare(aligned)["pairs"]] == [None] * 3


@pytest.mark.parametrize(
  "p,said", [(0.58, "p = 0.58"), (0.0031, "p = 0.003"), (1e-9, "p < 0.001")]
)
def test_p_values_are_rounded_for_people(p, said):
  assert comparison.probability(p) == said
  assert comparison.points(-0.0001) == "0.0"


def one_of(wrong, groups=40):
  """Predictions of four images a group, wrong in the first two of these groups."""
  label = np.arange(4 * groups) // 4 % 2
  group = np.array([f"s{i:02d}" for i in np.arange(4 * groups) // 4])
  miss = np.isin(np.arange(4 * groups) // 4, wrong) & (np.arange(4 * groups) % 4 < 2)
  said = np.where(miss, 1 - label, label)
  ids = np.array([f"i{i}" for i in range(4 * groups)])
  rows = {"image_id": ids, "group": group, "label": label, "prediction": said}
  return rows | {"probability": np.eye(2)[said], "classes": CLASSES}


def test_what_holm_could_still_have_found_is_not_called_hopeless():
  """Six groups that differ can reach 0.03; behind two surer pairs that is enough."""
  runs = {"a": one_of([]), "b": one_of(range(6)), "c": one_of(range(40))}
  found = comparison.compare(comparison.align(runs), "accuracy")
  pair = next(p for p in found["pairs"] if (p["first"], p["second"]) == ("a", "b"))
  assert pair["least_p"] == 2 / 2**6 == pair["p_holm"]
  assert "slides, a is better" in comparison.sentence(found, pair, "slide")
  assert "no result could" not in comparison.remedy(found, pair, "slide")


def test_of_a_lead_that_never_varies_no_power_is_told():
  found = comparison.compare(
    comparison.align({"a": one_of([]), "c": one_of(range(40))}), "accuracy"
  )
  (pair,) = found["pairs"]
  assert pair["value"] == 0.5 and pair["sd"] < 1e-9
  assert "in every draw of slides" in comparison.remedy(found, pair, "slide")
  assert comparison.span(*2 * [float("nan")]) == "–"
