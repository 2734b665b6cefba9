"""Several trainings as one run: folds end to end, seeds side by side."""

import numpy as np
import pytest

from histojax.errors import InputError
from histojax.evaluation import comparison, paired, pooled, repeated, scores
from histojax.evaluation.confusion import by_group

CLASSES = ["a", "b", "c"]


def rows(ids, seed, right=0.7):
  """Predictions of the images `ids`: image 3 g + j is of group g, class g % 3."""
  rng = np.random.default_rng(seed)
  label = ids // 3 % 3
  said = np.where(rng.random(len(ids)) < right, label, (label + 1) % 3)
  probability = np.full((len(ids), 3), 0.1)
  probability[np.arange(len(ids)), said] = 0.8
  return {
    "image_id": np.array([f"i{i:03d}" for i in ids]),
    "group": np.array([f"g{i // 3}" for i in ids]),
    "label": label, "prediction": said, "probability": probability, "classes": CLASSES,
  }  # fmt: skip


def run(seeds=(0, 1), folds=3, start=0, right=0.7):
  """Trainings of 45 images of 15 groups; seed and fold decide what is wrong."""
  ids = np.arange(45)
  return [
    pooled.Training(
      s, f, rows(np.roll(ids[ids // 3 % folds == f], s), [start, s, f], right), 30
    )
    for s in seeds
    for f in range(folds)
  ]


def test_a_single_training_is_itself():
  (only,) = run(seeds=(4,), folds=1)
  found = pooled.pool("x", [only])
  for key in ("image_id", "group", "label", "prediction", "probability"):
    np.testing.assert_array_equal(found[key], only.rows[key])
  assert (found["seeds"], found["folds"], found["train"]) == ([4], [0], 30)
  expected = scores.score(
    *(only.rows[k] for k in ("label", "prediction", "group")), CLASSES,
    probability=only.rows["probability"],
  )  # fmt: skip
  assert pooled.score(found) == expected | {"seeds": 1}


def test_every_image_has_a_prediction_of_every_seed():
  trainings = run()
  found = pooled.pool("x", trainings)
  assert found["prediction"].shape == (45, 2)
  assert found["probability"].shape == (45, 3, 2)
  for training in trainings:
    for i, name in enumerate(training.rows["image_id"]):
      (at,) = np.flatnonzero(found["image_id"] == name)
      column = found["seeds"].index(training.seed)
      assert found["prediction"][at, column] == training.rows["prediction"][i]
      np.testing.assert_array_equal(
        found["probability"][at, :, column], training.rows["probability"][i]
      )
      assert found["fold"][at] == training.fold
  block = pooled.score(found)
  right = [np.mean(t.rows["prediction"] == t.rows["label"]) for t in trainings]
  assert block["accuracy"]["value"] == pytest.approx(np.mean(right))
  assert (block["n"], block["groups"], block["seeds"]) == (45, 15, 2)
  assert [row["support"] for row in block["per_class"]] == [15, 15, 15]


def test_seeds_widen_no_sample_of_groups():
  """Ten seeds of the same predictions are no more slides than one."""
  held = run(seeds=(0,), folds=1)
  ten = [held[0]._replace(seed=s) for s in range(10)]
  alone, often = (pooled.score(pooled.pool("x", t)) for t in (held, ten))
  for name in ("accuracy", "balanced_accuracy"):
    for end in ("value", "low", "high"):
      assert often[name][end] == pytest.approx(alone[name][end], abs=1e-12)


def test_intervals_over_folds_are_the_corrected_ones():
  found = pooled.pool("x", run())
  values = pooled.values(found, "accuracy")  # [3, 2]
  told = pooled.repeated_score(found, "accuracy")
  expected = repeated.over_splits(values.mean(1), 30, 15)
  for key in ("mean", "low", "high", "p"):
    assert told[key] == expected[key]
  assert told["sd"] == pytest.approx(values.std(ddof=1))
  assert (told["count"], told["over"]) == (6, "folds")
  seeds = pooled.pool("x", run(seeds=(0, 1, 2), folds=1))
  told = pooled.repeated_score(seeds, "accuracy")
  expected = repeated.over_seeds(pooled.values(seeds, "accuracy")[0])
  assert told == expected | {"over": "seeds", "count": 3}


def test_differences_pair_folds_and_seeds():
  first, second = (pooled.pool("x", run(start=k)) for k in (0, 9))
  told = pooled.repeated_difference(first, second, "accuracy")
  between = pooled.values(first, "accuracy") - pooled.values(second, "accuracy")
  assert told == pooled.over(between, 30, 15)
  assert told["low"] < between.mean() < told["high"] and 0 <= told["p"] <= 1
  # other seeds still pair by fold; of one split they do not pair at all
  other = pooled.pool("x", run(seeds=(5,), start=9))
  assert pooled.repeated_difference(first, other, "accuracy")["count"] == 3
  one, two = (pooled.pool("x", run(seeds=s, folds=1)) for s in ((0, 1), (2, 3)))
  assert pooled.repeated_difference(one, two, "accuracy") is None
  # nor do folds that hold other images
  assert pooled.repeated_difference(first, one, "accuracy") is None


def test_a_comparison_of_seeds_is_that_of_their_mean():
  pools = {"a": pooled.pool("a", run()), "b": pooled.pool("b", run(start=9, right=0.4))}
  (pair,) = comparison.compare(comparison.align(pools), "accuracy")["pairs"]
  _, group = np.unique(pools["a"]["group"], return_inverse=True)
  label = pools["a"]["label"]
  order = {n: i for i, n in enumerate(pools["b"]["image_id"])}
  back = [order[n] for n in pools["a"]["image_id"]]
  a, b = (
    sum(by_group(label, said[:, s], group, 3) for s in (0, 1)) / 2
    for said in (pools["a"]["prediction"], pools["b"]["prediction"][back])
  )
  assert pair["first"] == "a"
  assert pair["value"] == paired.difference(a, b, "accuracy")["value"]
  assert pair["p"] == paired.permutation(a, b, "accuracy")["p"]
  assert pair["mcnemar"] is None


def test_what_is_no_run_is_refused():
  held = run()
  for wrong, says in (
    ([*held, held[0]], "two trainings of seed 0, fold 0"),
    (held[:-1], "seed 1 was tested on other images than seed 0"),
    ([held[0], held[0]._replace(fold=1)], "tests image 'i000' in two of its folds"),
  ):
    with pytest.raises(InputError, match=says):
      pooled.pool("x", wrong)
