"""Runs against each other on the same images, and the sentence that says who won."""

import itertools

import numpy as np

from histojax.errors import InputError
from histojax.evaluation import paired
from histojax.evaluation.confusion import by_group

WORDS = {"mcc": "MCC", "kappa": "kappa", "g_mean": "G-mean", "iba": "IBA"}
_LEVEL = 0.05


def align(runs: dict[str, dict]) -> dict:
  """Predictions of several runs by name, each as `predictions.read` or, of several
  seeds, `pooled.pool` returns them.

  Returns image_id, group, label [N], classes, in the first run's order; prediction
  {name: int [N]} and probability {name: [N, K]}, of S seeds [N, S] and [N, K, S].

  Raises:
    InputError: fewer than two runs, or they were not tested on the same images with
      the same classes, labels and groups.
  """
  if len(runs) < 2:
    raise InputError(f"--runs names {len(runs)} run; a comparison needs two or more")
  (first, held), *others = runs.items()
  order = {name: np.argsort(rows["image_id"]) for name, rows in runs.items()}
  ids = held["image_id"][order[first]]
  twice = ids[1:][ids[1:] == ids[:-1]]
  if len(twice):
    raise InputError(
      f"{first} predicts image {str(twice[0])!r} twice; evaluate it again"
    )
  for name, rows in others:
    if rows["classes"] != held["classes"]:
      raise InputError(
        f"{first} knows the classes {held['classes']}, {name} {rows['classes']}:"
        " compare runs of one data set"
      )
    if not np.array_equal(rows["image_id"][order[name]], ids):
      shared = len(np.intersect1d(ids, rows["image_id"]))
      raise InputError(
        f"{first} was tested on {len(ids)} images, {name} on {len(rows['image_id'])},"
        f" {shared} of them the same: compare runs of one split (protocol, seed, fold)"
      )
    for key in ("label", "group"):
      wrong = held[key][order[first]] != rows[key][order[name]]
      if wrong.any():
        raise InputError(
          f"{first} and {name} disagree on the {key} of {str(ids[wrong][0])!r}"
          f" ({wrong.sum()} images): compare runs of one data set"
        )
  back = np.argsort(order[first])  # from sorted names to the first run's order
  rows = {name: order[name][back] for name in runs}
  return {key: held[key] for key in ("image_id", "group", "label", "classes")} | {
    key: {name: runs[name][key][rows[name]] for name in runs}
    for key in ("prediction", "probability")
  }


def compare(aligned: dict, metric="balanced_accuracy", *, claims=None, seed=0) -> dict:
  """All pairs of runs (`align`) by one of `confusion.SCALARS`; JSON-ready.

  Args:
    claims: {name: accuracy that a paper prints}: how many groups would show the
      difference of two is told, too.

  Returns:
    metric, images, groups, and pairs, a list of dicts: first, second (the better one
    first), value, low, high, sd (`paired.difference`), p, p_holm (over these pairs),
    exact, draws, differing, least_p (`paired.permutation`), mcnemar, images_differing
    (predictions that differ), groups_needed and detectable (with 80 % power), and
    claim: None, or value (of accuracy) and groups_needed.
  """
  names, index = np.unique(aligned["group"], return_inverse=True)
  label, classes = aligned["label"], len(aligned["classes"])
  matrices = {
    name: _mean_over_seeds(label, said, index, classes)
    for name, said in aligned["prediction"].items()
  }
  pairs = [
    _pair(aligned, matrices, a, b, metric, claims or {}, seed)
    for a, b in itertools.combinations(matrices, 2)
  ]
  adjusted = paired.holm([pair["p"] for pair in pairs])
  for pair, p in zip(pairs, adjusted.tolist(), strict=True):
    pair["p_holm"] = p
  found = {"metric": metric, "images": len(label), "groups": len(names)}
  return found | {"pairs": pairs}


def _mean_over_seeds(label, said, index, classes: int) -> np.ndarray:
  """`by_group` of predictions [N], or of [N, S] its mean over the seeds."""
  if said.ndim == 1:
    return by_group(label, said, index, classes)
  return np.mean([by_group(label, one, index, classes) for one in said.T], axis=0)


def _votes(said, classes: int) -> np.ndarray:
  """What share of the seeds names each class: [N, K]."""
  return (said.reshape(len(said), -1, 1) == np.arange(classes)).mean(1)


def _pair(aligned, matrices, first, second, metric, claims, seed) -> dict:
  found = paired.difference(matrices[first], matrices[second], metric, seed=seed)
  if found["value"] < 0:
    first, second = second, first
    low, high = -found["high"], -found["low"]
    found |= {"value": -found["value"], "low": low, "high": high}
  label, said = aligned["label"], aligned["prediction"]
  both, groups = (said[first], said[second]), len(matrices[first])
  votes = [_votes(one, len(aligned["classes"])) for one in both]
  alone = all(one.ndim == 1 for one in both)  # McNemar's test knows no seeds
  claim = None
  if {first, second} <= {*claims} and claims[first] != claims[second]:
    value = claims[first] - claims[second]
    spread = found
    if metric != "accuracy":  # which is what papers print
      pair = matrices[first], matrices[second]
      spread = paired.difference(*pair, "accuracy", seed=seed)
    needed = paired.groups_needed(value, spread["sd"])
    claim = {"value": value, "groups_needed": needed}
  return (
    {"first": first, "second": second}
    | found
    | paired.permutation(matrices[first], matrices[second], metric, seed=seed)
    | {
      "mcnemar": paired.mcnemar(label, *both) if alone else None,
      "images_differing": int((votes[0] != votes[1]).any(-1).sum()),
      "groups_needed": paired.groups_needed(found["value"], found["sd"]),
      "detectable": paired.detectable(found["sd"], groups),
      "claim": claim,
    }
  )


def sentence(compared: dict, pair: dict, noun: str = "group") -> str:
  """'A and B differ by 0.4 points of accuracy, 95 % CI -1.1 to 1.9, p = 0.58: not
  distinguishable with 15 slides.' `pair` is one of `compared["pairs"]`."""
  names, groups = f"{pair['first']} and {pair['second']}", compared["groups"]
  if not pair["images_differing"]:
    return f"{names} predict the same on all {compared['images']:,} images."
  what = WORDS.get(compared["metric"], compared["metric"].replace("_", " "))
  said = f"{names} differ by {points(pair['value'])} points of {what}"
  if groups < 2:
    return f"{said}; all images belong to one {noun}, so nothing follows from that."
  said += f", 95 % CI {span(pair['low'], pair['high'])}, "
  said += probability(pair["p_holm"])
  if len(compared["pairs"]) > 1:
    said += f" (Holm, {len(compared['pairs'])} pairs)"
  with_groups = f"with {groups:,} {noun}s"
  if pair["p_holm"] < _LEVEL:
    return f"{said}: distinguishable {with_groups}, {pair['first']} is better."
  return f"{said}: not distinguishable {with_groups}."


def remedy(compared: dict, pair: dict, noun: str = "group") -> str:
  """How many groups the difference would take, and what the present ones can show."""
  needed, groups = pair["groups_needed"], compared["groups"]
  if not pair["images_differing"]:
    return f"Only other {noun}s could tell them apart."
  if pair["detectable"] != pair["detectable"]:
    return f"How many {noun}s would do cannot be told from one."
  if pair["sd"] < 1e-9:  # rounding
    return f"It is as large in every draw of {noun}s: how many would do cannot be told."
  said = f"With {groups:,} {noun}s, differences of {points(pair['detectable'])} points"
  said += " are seen four times in five (80 % power)"
  if needed is not None:
    said += f"; {points(pair['value'])} points would take about {needed:,} {noun}s"
  said += "."
  claim = pair["claim"]
  if claim and claim["groups_needed"]:
    leads = pair["first"] if claim["value"] > 0 else pair["second"]
    said += f" In print {leads} leads by {points(abs(claim['value']))} points of"
    said += f" accuracy: seeing that would take about {claim['groups_needed']:,}"
    said += f" {noun}s."
  if needed is None:
    return said
  p = [each["p"] for each in compared["pairs"]]
  at = [each is pair for each in compared["pairs"]].index(True)
  p[at] = pair["least_p"]
  least = paired.holm(p)[at]
  if least >= _LEVEL:
    said += f" So few {noun}s differ ({pair['differing']}) that no result could have"
    said += f" been significant: p is never below {least:.2g}."
  return said


def points(ratio: float, digits: int = 1) -> str:
  """A difference in percentage points: '0.4', never '-0.0'; an en dash for NaN."""
  return "–" if ratio != ratio else f"{round(100 * ratio, digits) + 0.0:.{digits}f}"


def span(low: float, high: float, digits: int = 1) -> str:
  """'-1.1 to 1.9' points; an en dash where there is no interval."""
  return "–" if low != low else f"{points(low, digits)} to {points(high, digits)}"


def probability(p: float) -> str:
  """'p = 0.58', 'p = 0.003', 'p < 0.001'."""
  return "p < 0.001" if p < 0.001 else f"p = {p:.{2 if p >= 0.095 else 3}f}"
