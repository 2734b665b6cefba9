"""Whether a probability of 0.8 is right eight times in ten, and the temperature that
brings it nearer (Guo et al. 2017, arXiv 1706.04599)."""

import numpy as np

from histojax.evaluation.intervals import resample
from histojax.evaluation.wilson import clustered, variance

BINS = 15
RANGE = 0.01, 1000.0  # of temperatures; where every image is right the best one is 0


def reliability(label, probability, group=None, *, bins=BINS, seed=0) -> dict:
  """How confidence (the greatest of `probability` [N, K]) compares with being right.

  Returns `ece` (the mean of |accuracy - confidence| over bins of equal width, weighted
  by their images; biased upwards where images are few), `nll` (mean negative log
  likelihood, nats) and `bins`: of each bin above .. upto, that is (above, upto],
  images, and, unless it is empty, confidence, accuracy; with `group` [N] also low,
  high: the 95 % interval of that accuracy, drawing whole groups.
  """
  label, probability = np.asarray(label), np.asarray(probability, np.float64)
  confidence, right = probability.max(-1), probability.argmax(-1) == label
  edges = np.linspace(0, 1, bins + 1)
  where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
  images = np.bincount(where, minlength=bins)
  told = np.bincount(where, confidence, minlength=bins)
  hit = np.bincount(where, right, minlength=bins)
  rows = [
    {"above": float(edges[b]), "upto": float(edges[b + 1]), "images": int(images[b])}
    for b in range(bins)
  ]
  bounds = group is not None and _bounds(where, right, group, bins, seed)
  for b in np.flatnonzero(images):
    rows[b] |= {"confidence": told[b] / images[b], "accuracy": hit[b] / images[b]}
    if bounds:
      rows[b] |= {"low": float(bounds[0][b]), "high": float(bounds[1][b])}
  ece = float(np.abs(hit - told).sum() / len(label))
  return {"ece": ece, "nll": nll(label, probability), "bins": rows}


def nll(label, probability) -> float:
  """Mean negative log likelihood in nats; a probability of 0 counts as the least that
  float64 can hold."""
  return float(-_logits(probability)[np.arange(len(label)), label].mean())


def temperature(label, probability) -> float:
  """The T in RANGE for which softmax(log(probability) / T) is likeliest.

  The likelihood is concave in 1 / T; safeguarded Newton steps find where it is level.
  """
  logits = _logits(probability)
  asked = logits[np.arange(len(label)), label].sum()

  def slope(beta: float) -> tuple[float, float]:
    p = _softmax(logits * beta)
    mean = (p * logits).sum(-1)
    return mean.sum() - asked, (p * (logits - mean[:, None]) ** 2).sum()

  low, high = 1 / RANGE[1], 1 / RANGE[0]
  if slope(low)[0] >= 0:
    return RANGE[1]
  if slope(high)[0] <= 0:
    return RANGE[0]
  beta = 1.0
  for _ in range(200):
    first, second = slope(beta)
    low, high = (beta, high) if first < 0 else (low, beta)
    step = beta - first / second if second > 0 else low
    after = step if low < step < high else (low + high) / 2
    if abs(after - beta) <= 1e-14 * beta:
      break
    beta = after
  return 1 / beta


def tempered(probability, temperature: float) -> np.ndarray:
  """softmax(log(probability) / temperature), float64 [N, K]; no prediction changes."""
  return _softmax(_logits(probability) / temperature)


def calibrated(validation: dict, test: dict, *, bins=BINS) -> dict:
  """Before and after the temperature of the validation part, each with label [N] and
  probability [N, K], and group [N] in `test`.

  Returns temperature; before, after: `reliability` of the test part. Without any
  validation image temperature and after are None.
  """
  label, group = test["label"], test.get("group")
  before = reliability(label, test["probability"], group, bins=bins)
  if not len(validation["label"]):
    return {"temperature": None, "before": before, "after": None}
  found = temperature(validation["label"], validation["probability"])
  after = tempered(test["probability"], found)
  after = reliability(label, after, group, bins=bins)
  return {"temperature": found, "before": before, "after": after}


def _bounds(where, right, group, bins, seed):
  """Intervals of each bin's accuracy: low, high [B]."""
  names, index = np.unique(np.asarray(group), return_inverse=True)
  cell = (index * bins + where) * 2 + right
  counts = np.bincount(cell, minlength=len(names) * bins * 2).reshape(-1, bins, 2)
  images = counts.sum((0, 2))
  drawn = resample(counts, 2000, np.random.default_rng(seed))
  with np.errstate(invalid="ignore"):
    share = drawn[..., 1] / drawn.sum(-1)
    point = counts[..., 1].sum(0) / images
  holds = (counts.sum(-1) > 0).sum(0)
  return clustered(point, variance(share), holds, images)


def _logits(probability) -> np.ndarray:
  return np.log(np.maximum(np.asarray(probability, np.float64), np.finfo(float).tiny))


def _softmax(logits: np.ndarray) -> np.ndarray:
  powers = np.exp(logits - logits.max(-1, keepdims=True))
  return powers / powers.sum(-1, keepdims=True)
