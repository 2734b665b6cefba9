"""Several trainings of one recipe as one run: folds end to end, seeds side by side.

Every seed predicts every image once; where there are folds, by the one that tests it.
"""

from typing import NamedTuple

import numpy as np

from histojax.errors import InputError
from histojax.evaluation import repeated, scores
from histojax.evaluation.confusion import confusion_matrix, metrics

_ROWS = ("image_id", "group", "label", "prediction", "probability")


class Training(NamedTuple):
  """One training: what it predicts (`predictions.read`), and of how many images it
  was taught."""

  seed: int
  fold: int
  rows: dict
  train: int


def pool(name: str, trainings: list[Training]) -> dict:
  """The predictions of a run of S seeds, in the order of its first seed.

  Returns:
    image_id, group, label, fold (which tests it) [N], classes, seeds (S), folds, train
    (training images, mean); prediction int [N] and probability [N, K], or of several
    seeds [N, S] and [N, K, S].

  Raises:
    InputError: a fold twice, or seeds that were not tested on the same images.
  """
  classes = trainings[0].rows["classes"]
  each = {t.seed: {} for t in sorted(trainings, key=lambda t: t.seed)}
  for training in sorted(trainings, key=lambda t: t.fold):
    held = each[training.seed]
    if training.fold in held:
      raise InputError(
        f"{name} has two trainings of seed {training.seed}, fold {training.fold}: name"
        " the folder of one run"
      )
    if training.rows["classes"] != classes:
      raise InputError(f"{name} has trainings of other classes: name one run's folder")
    held[training.fold] = training.rows
  first, *others = (_joined(folds) for folds in each.values())
  order = np.argsort(first["image_id"])
  sorted_ids = first["image_id"][order]
  twice = sorted_ids[1:][sorted_ids[1:] == sorted_ids[:-1]]
  if len(twice):
    raise InputError(
      f"{name} tests image {str(twice[0])!r} in two of its folds: name one run's folder"
    )
  back, columns = np.argsort(order), [first]
  for seed, rows in zip([*each][1:], others, strict=True):
    theirs = np.argsort(rows["image_id"])
    if not np.array_equal(rows["image_id"][theirs], sorted_ids):
      raise InputError(
        f"{name}: seed {seed} was tested on other images than seed {[*each][0]}: finish"
        " every fold of every seed, and name seeds of one split.seed"
      )
    columns.append({k: v[theirs[back]] for k, v in rows.items()})
  found = {k: first[k] for k in ("image_id", "group", "label", "fold")}
  for key in ("prediction", "probability"):
    stacked = np.stack([rows[key] for rows in columns], axis=-1)
    found[key] = stacked if others else stacked[..., 0]
  alike = all(np.array_equal(rows["fold"], first["fold"]) for rows in columns)
  if not alike:  # the seed dealt out the folds anew: they are no folds of one design
    found["fold"] = np.zeros_like(first["fold"])
  found |= {"classes": classes, "seeds": [*each]}
  found["folds"] = np.unique(found["fold"]).tolist()
  return found | {"train": float(np.mean([t.train for t in trainings]))}


def _joined(folds: dict[int, dict]) -> dict:
  rows = {k: np.concatenate([held[k] for held in folds.values()]) for k in _ROWS}
  sizes = [len(held["label"]) for held in folds.values()]
  return rows | {"fold": np.repeat([*folds], sizes)}


def score(pool: dict) -> dict:
  """`scores.score` of a pool, and seeds; only groups are drawn. Of several seeds the
  confusion matrix is their sum; n and support are of the images, which stay as many."""
  seeds = len(pool["seeds"])

  def flat(rows):  # [N, ...] or, of several seeds, [N, ..., S]
    return np.moveaxis(rows, -1, 0).reshape(-1, *rows.shape[1:-1])

  said, probability = pool["prediction"], pool["probability"]
  if seeds > 1:
    said, probability = flat(said), flat(probability)
  label, group = (np.tile(pool[k], seeds) for k in ("label", "group"))
  block = scores.score(label, said, group, pool["classes"], probability=probability)
  for row in block["per_class"]:
    row["support"] //= seeds
  return block | {"n": len(pool["label"]), "seeds": seeds}


def values(pool: dict, metric: str) -> np.ndarray:
  """The metric of every training alone, float64 [folds, seeds]."""
  k, said = len(pool["classes"]), pool["prediction"].reshape(len(pool["label"]), -1)
  return np.array([
    [
      float(metrics(confusion_matrix(pool["label"][here], column[here], k))[metric])
      for column in said.T
    ]
    for here in (pool["fold"] == fold for fold in pool["folds"])
  ])  # fmt: skip


def over(values: np.ndarray, train: float, test: float) -> dict:
  """Of scores, or paired differences, [folds, seeds] of so many training and (mean)
  test images: count, mean, sd (of all of them), over ("folds", "seeds" or "") and low,
  high of the mean; over folds also p.

  Over folds (each the mean of its seeds) it is the corrected resampled t interval, over
  seeds of one split Student's t, which speaks of the training's chance alone.
  """
  if len(values) > 1:
    found = repeated.over_splits(values.mean(1), train, test) | {"over": "folds"}
  else:
    found = repeated.over_seeds(values[0]) | {"over": "seeds" * (values.size > 1)}
  sd = float(values.std(ddof=1)) if values.size > 1 else float("nan")
  return found | {"count": values.size, "sd": sd}


def repeated_score(pool: dict, metric: str) -> dict:
  """`over` of a pool's own scores."""
  return over(values(pool, metric), *_sizes(pool))


def repeated_difference(first: dict, second: dict, metric: str) -> dict | None:
  """`over` of first minus second, fold by fold and seed by seed; None where that makes
  no pairs: one training each, folds of other images, or one split and other seeds."""
  places = [dict(zip(p["image_id"], p["fold"], strict=True)) for p in (first, second)]
  ours, theirs = values(first, metric), values(second, metric)
  if places[0] != places[1] or max(ours.size, theirs.size) < 2:
    return None
  if first["seeds"] == second["seeds"]:
    return over(ours - theirs, *_sizes(first))
  if len(first["folds"]) < 2:
    return None
  between = ours.mean(1, keepdims=True) - theirs.mean(1, keepdims=True)
  return over(between, *_sizes(first))


def _sizes(pool: dict) -> tuple[float, float]:
  return pool["train"], len(pool["label"]) / len(pool["folds"])
