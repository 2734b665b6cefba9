"""The network against what needs no tissue, paired on the same test images."""

import numpy as np

from histojax.evaluation import paired
from histojax.evaluation.confusion import by_group, metrics

METRIC = "balanced_accuracy"
LEVEL = 0.05


def against(label, prediction, group, found, common, num_classes: int, *, seed=0):
  """Compares the network's `prediction` int [T] with every baseline's.

  Args:
    label, group: [T], of the test images.
    found: of each baseline its probabilities [T, K] of the same images.
    common: the commonest class in training, an int or one an image [T]: the baseline
      `majority`.

  Returns:
    metric, groups, level, and pairs, by baseline: score, value (network minus
    baseline), low, high (95 %, over groups), sd (`paired.difference`), p (two-sided, of
    the same Student's t: below 5 % where 0 lies outside the interval), p_exchange,
    exact, draws, differing, least_p (`paired.permutation` of whole groups), and beaten:
    whether the network is better with p < level; None where it scores higher, but in so
    few groups differently that no exchange of them could be below the level.

  The exchange does not decide: where one classifier is better in some classes and the
  other in others, and a group holds one class, it hardly ever rejects. Of two equally
  good ones t calls the first better in 2.0-3.2 % of simulations at 9 to 60 groups (2.5
  are due), the exchange in 0-2.3 %; of a lead of 10 points at 15 groups t sees 36 %,
  the exchange 9 % (tests/evaluation/test_verdict.py has the simulation).

  Who beats all of them at 5 % each beats them at 5 % together: every test must reject,
  so nothing is corrected (an intersection-union test, Berger 1982).
  """
  names, index = np.unique(np.asarray(group), return_inverse=True)
  ours = by_group(label, prediction, index, num_classes)
  said = {name: probability.argmax(-1) for name, probability in found.items()}
  said["majority"] = np.broadcast_to(common, np.shape(label))
  pairs = {}
  for name, other in said.items():
    theirs = by_group(label, other, index, num_classes)
    pair = paired.difference(ours, theirs, METRIC, seed=seed)
    exchanged = paired.permutation(ours, theirs, METRIC, seed=seed)
    exchanged["p_exchange"] = exchanged.pop("p")
    pair |= {"p": _of_student(pair, len(names))} | exchanged
    beaten = pair["value"] > 0 and pair["p"] < LEVEL
    if pair["value"] > 0 and pair["least_p"] >= LEVEL:
      beaten = None
    score = float(metrics(theirs.sum(0))[METRIC])
    pairs[name] = {"score": score} | pair | {"beaten": beaten}
  return {"metric": METRIC, "groups": len(names), "level": LEVEL, "pairs": pairs}


def _of_student(pair: dict, groups: int) -> float:
  """Two-sided p of the difference, from the spread that its interval rests on."""
  from scipy.special import stdtr

  if not pair["sd"] > 0:  # nothing varies, or a single group
    return float("nan") if groups < 2 else float(pair["value"] == 0)
  t = abs(pair["value"]) * groups**0.5 / pair["sd"]
  return 2 * float(stdtr(groups - 1, -t))


def hardest(compared: dict) -> str:
  """The baseline that decides: the best of those not beaten, else the best."""
  pairs = compared["pairs"]
  left = [k for k, pair in pairs.items() if pair["beaten"] is False]
  left = left or [k for k, pair in pairs.items() if pair["beaten"] is None] or pairs
  return max(left, key=lambda name: pairs[name]["score"])
