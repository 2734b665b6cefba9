"""How often 95 % intervals of grouped images hold the truth: results/coverage.json.

    python tests/benchmarks/coverage.py                     # all: about 15 minutes
    python tests/benchmarks/coverage.py accuracy 8 15       # one part, some groups
    python tests/benchmarks/coverage.py scores 60

`accuracy`: groups of 6 images whose accuracies are beta distributed around 0.85, so
that images of one group agree (intra-class correlation 0.1-0.7); seven kinds of
interval. `scores`: three classes with recalls of 0.95, 0.85 and 0.75, groups of one
class ("pure": slides) or of all ("mixed": patients); the interval that the reports
show and the percentile bootstrap. Percent covered, mean width; `beyond` is how often
the truth lies below and above. 2,000 simulations each: a standard error of 0.5 points.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.special import betaincinv, expit, logit, ndtr, ndtri

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from histojax.evaluation import intervals, wilson  # noqa: E402
from histojax.evaluation.confusion import metrics  # noqa: E402

RESULT = Path(__file__).resolve().parent / "results" / "coverage.json"
GROUPS, CORRELATIONS = (4, 8, 15, 25, 40, 60, 100), (0.1, 0.3, 0.5, 0.7)
IMAGES, SIMULATIONS, ACCURACY = 6, 2000, 0.85
RIGHT = np.array([0.95, 0.85, 0.75])
SHOWN = ("accuracy", "balanced_accuracy", "macro_f1", "mcc")


def main(part=None, *groups):
  for name, measure in {"accuracy": accuracy, "scores": scores}.items():
    for count in map(int, groups or GROUPS):
      if part in (None, name):
        start, found = time.perf_counter(), measure(count)
        held = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        held["simulations"] = SIMULATIONS
        cells = held.setdefault(name, {}) | {str(count): found}
        held[name] = dict(sorted(cells.items(), key=lambda cell: int(cell[0])))
        text = json.dumps(held).replace("}}, ", "}},\n")
        RESULT.write_text(text + "\n")
        print(name, count, f"{time.perf_counter() - start:.0f} s", flush=True)


def accuracy(groups: int) -> dict:
  """{correlation: {method: coverage}} of the mean of beta-binomial group scores."""
  result = {}
  for rho in CORRELATIONS:
    rng, tally = np.random.default_rng([groups, int(rho * 10)]), Tally()
    for _ in range(SIMULATIONS):
      share = rng.beta(*shape(ACCURACY, rho), groups)
      right = rng.binomial(IMAGES, share)
      for name, bounds in candidates(right, rng).items():
        tally.add(name, *np.clip(bounds, 0, 1), ACCURACY)
    result[str(rho)] = tally.result()
  return result


def candidates(right, rng) -> dict[str, tuple]:
  """Seven kinds of 95 % interval of group scores int [G] of IMAGES each."""
  groups, x = len(right), right / IMAGES
  point, spread = x.mean(), x.std(ddof=1)
  times = rng.multinomial(groups, np.bincount(right, minlength=7) / groups, size=2000)
  values = np.arange(IMAGES + 1) / IMAGES
  drawn = times @ values / groups
  shown = wilson.clustered(point, x.var() / groups, groups, groups * IMAGES)
  names = "percentile expanded bca t logit_t bootstrap_t wilson_t".split()
  if point in (0, 1):  # nothing varies: the exact binomial end, for every method
    return dict.fromkeys(names, shown)
  t = wilson.student(groups - 1)
  error = spread / groups**0.5 or (point * (1 - point) / groups / IMAGES) ** 0.5
  # Hesterberg 2015, doi 10.1080/00031305.2015.1089789: percentiles further out
  tail = ndtr(-t * (groups / (groups - 1)) ** 0.5)
  # Efron 1987, doi 10.1080/01621459.1987.10478410
  away = x - point
  skew = (away**3).sum() / max(6 * (away**2).sum() ** 1.5, 1e-300)
  below = (drawn < point - 1e-9).mean() + 0.5 * (np.abs(drawn - point) < 1e-9).mean()
  bias = ndtri(np.clip(below, 1e-6, 1 - 1e-6))
  z = bias + np.array([-1, 1]) * wilson.NORMAL
  corrected = ndtr(bias + z / (1 - skew * z))
  # each resample studentised by its own error; without spread it is infinitely far
  square = np.maximum(times @ values**2 / groups - drawn**2, 0) / (groups - 1)
  own, moved = np.sqrt(square), drawn - point
  ratio = np.where(own > 1e-9, moved / np.maximum(own, 1e-9), np.sign(moved) * 1e9)
  far, near = np.quantile(ratio, (0.975, 0.025))
  half = t * error / (point * (1 - point))
  return {
    "percentile": np.quantile(drawn, (0.025, 0.975)),
    "expanded": np.quantile(drawn, (tail, 1 - tail)),
    "bca": np.quantile(drawn, np.nan_to_num(corrected, nan=1.0)),
    "t": (point - t * error, point + t * error),
    "logit_t": (expit(logit(point) - half), expit(logit(point) + half)),
    "bootstrap_t": (point - far * error, point - near * error),
    "wilson_t": shown,
  }


def scores(groups: int) -> dict:
  """{design: {correlation: {metric: {method: coverage}}}} of three classes."""
  return {
    design: {str(rho): _scores(groups, rho, design) for rho in CORRELATIONS}
    for design in ("pure", "mixed")
  }


def _scores(groups: int, rho: float, design: str) -> dict:
  rng = np.random.default_rng([groups, int(rho * 10), design == "mixed"])
  truth = metrics(
    np.diag(1.5 * RIGHT - 0.5) + np.tile((1 - RIGHT)[:, None] / 2, (1, 3))
  )
  tallies = {name: Tally() for name in SHOWN}
  index = np.repeat(np.arange(groups), IMAGES)
  for _ in range(SIMULATIONS):
    width = IMAGES if design == "mixed" else 1
    label = np.repeat(rng.integers(0, 3, (groups, width)), IMAGES // width, axis=1)
    # one quantile a group: a difficult patient is difficult in every class
    share = betaincinv(*shape(RIGHT[label], rho), rng.random((groups, 1)))
    wrong = (label + rng.integers(1, 3, label.shape)) % 3
    said = np.where(rng.random(label.shape) < share, label, wrong)
    matrices = intervals.by_group(label.ravel(), said.ravel(), index, 3)
    drawn = metrics(intervals.resample(matrices, 400, rng))
    point = metrics(matrices.sum(0))
    for name, tally in tallies.items():
      bottom = intervals.BOTTOM.get(name, 0.0)
      bounds = wilson.clustered(
        point[name], wilson.variance(drawn[name]), groups, index.size, bottom
      )
      tally.add("wilson_t", *bounds, truth[name])
      tally.add("percentile", *np.quantile(drawn[name], (0.025, 0.975)), truth[name])
  return {name: tally.result() for name, tally in tallies.items()}


def shape(mean, rho):
  """Both parameters of the beta distribution with this mean and correlation."""
  return mean * (1 - rho) / rho, (1 - mean) * (1 - rho) / rho


class Tally:
  """Counts what was covered, method by method."""

  def __init__(self):
    self.rows = {}

  def add(self, name: str, low, high, truth) -> None:
    outside = truth < low - 1e-12, truth > high + 1e-12
    self.rows.setdefault(name, []).append((*outside, high - low))

  def result(self) -> dict:
    mean = {k: np.array(rows, float).mean(0) for k, rows in self.rows.items()}
    return {
      name: {
        "covered": round(100 * (1 - below - above), 2),
        "beyond": [round(100 * below, 2), round(100 * above, 2)],
        "width": round(width, 4),
      }
      for name, (below, above, width) in mean.items()
    }


if __name__ == "__main__":
  main(*sys.argv[1:])
