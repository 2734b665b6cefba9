"""The gap between a split by image and one by group: its value and its interval."""

import numpy as np
import pytest
from scipy.special import betaincinv

from histojax.errors import InputError
from histojax.evaluation import comparison, gap
from histojax.evaluation.wilson import wilson

CLASSES = ["a", "b"]


def rows(group, correct, image_id=None):
  """Predictions of images in groups `group` [N]; group i is of class i % 2."""
  group, correct = np.asarray(group), np.asarray(correct, bool)
  label = group % 2
  names = np.arange(len(group)) if image_id is None else image_id
  return {
    "image_id": np.array([f"image{i}" for i in names]),
    "group": np.array([f"slide{i:04d}" for i in group]),
    "label": label,
    "prediction": np.where(correct, label, 1 - label),
    "classes": CLASSES,
  }


def test_of_disjoint_images_it_is_the_difference_of_two_scores():
  rng = np.random.default_rng(0)
  leaky = rows(np.repeat(np.arange(30), 3), rng.random(90) < 0.95)
  clean = rows(
    np.repeat(np.arange(30, 46), 6), rng.random(96) < 0.7, np.arange(90, 186)
  )
  found = gap.gap(leaky, clean, "accuracy")
  shares = [np.mean(side["label"] == side["prediction"]) for side in (leaky, clean)]
  assert [found[side]["value"] for side in ("leaky", "clean")] == shares
  assert found["value"] == pytest.approx(shares[0] - shares[1])
  assert found["shared_images"] == found["shared_groups"] == found["correlation"] == 0
  assert not found["paired"] and found["low"] < found["value"] < found["high"]
  assert found["clean"]["images"] == 96 and found["clean"]["groups"] == 16
  low, high = found["clean"]["low"], found["clean"]["high"]
  assert found["high"] - found["low"] > high - low  # both sides are uncertain
  swapped = gap.gap(clean, leaky, "accuracy")
  assert (swapped["low"], swapped["high"]) == (-found["high"], -found["low"])


def shares(hits, sizes):
  found = []
  for hit, size in zip(hits, sizes, strict=True):
    low, high = wilson(hit / size, size)
    found.append({"value": hit / size, "low": float(low), "high": float(high)})
  return found


def test_the_limits_are_newcombes_where_images_are_independent():
  """His first example (Statistics in Medicine 17, 1998, table II, method 10)."""
  assert gap.combine(*shares((56, 48), (70, 80)), 0.0) == pytest.approx(
    (0.0524, 0.3339), abs=5e-5
  )


@pytest.mark.oracle
@pytest.mark.parametrize("hits", [(45, 36), (50, 41), (50, 50), (12, 0)])
def test_the_limits_are_those_of_statsmodels(hits):
  oracle = pytest.importorskip("statsmodels.stats.proportion")
  (a, b), (m, n) = hits, (50, 60)
  expected = oracle.confint_proportions_2indep(a, m, b, n, method="newcomb")
  assert gap.combine(*shares(hits, (m, n)), 0.0) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_score_is_not_taken_for_certain():
  clean = rows(np.repeat(np.arange(30, 46), 6), np.arange(96) % 5 > 0, range(90, 186))
  few = gap.gap(rows(np.arange(6), np.ones(6)), clean, "accuracy")
  many = gap.gap(rows(np.arange(200), np.ones(200)), clean, "accuracy")
  assert few["leaky"]["value"] == many["leaky"]["value"] == 1
  assert few["low"] < many["low"] - 0.1 and few["high"] == pytest.approx(many["high"])


def test_shared_groups_are_drawn_together_and_the_same_images_paired():
  rng = np.random.default_rng(1)
  group = np.repeat(np.arange(24), 6)
  hard = np.repeat(rng.random(24), 6)
  leaky, clean = rows(group, hard < 0.9), rows(group, hard < 0.7)
  found = gap.gap(leaky, clean, "balanced_accuracy")
  assert found["paired"] and found["shared_images"] == 144
  both = {
    name: side | {"probability": np.eye(2)[side["prediction"]]}
    for name, side in (("leaky", leaky), ("clean", clean))
  }
  (pair,) = comparison.compare(comparison.align(both))["pairs"]
  assert [found[k] for k in ("value", "low", "high")] == [
    pair[k] for k in ("value", "low", "high")
  ]
  # half of the leaky part's slides are tested by the clean run as well
  part = {k: v if k == "classes" else v[72:] for k, v in clean.items()}
  other = part | {"image_id": np.array([f"other{i}" for i in range(72)])}
  overlapping = gap.gap(leaky, other, "accuracy")
  assert overlapping["shared_groups"] == 12 and overlapping["shared_images"] == 0
  assert 0.2 < overlapping["correlation"] < 0.9 and not overlapping["paired"]
  apart = gap.gap(
    leaky, other | {"group": np.char.add("x", other["group"])}, "accuracy"
  )
  assert overlapping["high"] - overlapping["low"] < apart["high"] - apart["low"]


def test_other_classes_are_refused():
  side = rows([0, 1], [1, 1])
  with pytest.raises(InputError, match="knows the classes"):
    gap.gap(side, side | {"classes": ["a", "c"]}, "accuracy")


@pytest.mark.full
@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize(
  ("leaky", "clean", "shared"),
  [(55, 15, 0), (55, 15, 11), (40, 40, 40), (120, 60, 0), (120, 60, 40)],
)
def test_intervals_cover_the_true_gap(leaky, clean, shared, metric):
  """2,000 cohorts each: images of one slide agree (intra-class correlation 0.3), hard
  slides are hard for both runs. The leaky run has 2 images of a slide, the clean 6."""
  rng, right, rho, held = np.random.default_rng(leaky + shared), (0.95, 0.8), 0.3, 0
  slides = leaky + clean - shared
  sides = np.arange(leaky), np.arange(slides - clean, slides)
  for _ in range(2000):
    hard, parts = rng.random(slides), []
    for which, accuracy, images in zip(sides, right, (2, 6), strict=True):
      shape = accuracy * (1 - rho) / rho, (1 - accuracy) * (1 - rho) / rho
      share = np.repeat(betaincinv(*shape, hard[which]), images)
      start = 10_000 * images  # no image in both
      named = start + np.arange(len(share))
      parts.append(
        rows(np.repeat(which, images), rng.random(len(share)) < share, named)
      )
    found = gap.gap(*parts, metric, resamples=300)
    held += found["low"] <= right[0] - right[1] <= found["high"]
  print(f"{leaky} and {clean} slides, {shared} in both, {metric}: {held / 20:.1f} %")
  assert 0.93 <= held / 2000 <= 0.985


@pytest.mark.parametrize("alone", ["leaky", "clean"])
def test_a_side_of_one_group_leaves_the_gap_without_limits(alone):
  sides = {"leaky": np.arange(20) // 4, "clean": 50 + np.arange(20) // 4}
  sides[alone] = np.full(20, 99)
  right = {"leaky": np.arange(20) > 0, "clean": np.arange(20) > 9}
  both = (rows(sides[k], right[k], np.arange(20) + 20 * (k == "clean")) for k in sides)
  found = gap.gap(*both, "accuracy", resamples=200)
  assert found["value"] == pytest.approx(0.45)
  assert np.isnan([found["low"], found["high"]]).all()
