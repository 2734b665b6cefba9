"""The finished trainings that a name stands for: a run, its folds, or all its seeds."""

import glob
import json
import re
from pathlib import Path

from histojax import runs
from histojax.errors import InputError
from histojax.evaluation import predictions
from histojax.evaluation.pooled import Training

_PART = re.compile(r"(?:seed|fold)\d+")


def found(name: str) -> list[Path]:
  """Run folders of 'runs/a/seed0' (of folds: theirs), 'runs/a' or 'runs/a/seed*'.

  Raises:
    InputError: there is none, or one that is not finished.
  """
  places = [Path(name)]
  if glob.has_magic(name) and not places[0].exists():
    places = sorted(map(Path, glob.glob(name)))
    if not places:
      raise InputError(f"--runs: nothing is called {name}")
  return [path for place in places for path in _below(place)]


def _below(place: Path) -> list[Path]:
  parts = sorted(
    (path for path in place.glob("*") if _PART.fullmatch(path.name)),
    key=lambda path: (path.name[:4], int(path.name[4:])),
  )
  path = runs.RunFolder(place).report
  if path.exists() and not (parts and report(place).get("folds")):
    return [place]
  if not parts:
    raise InputError(
      f"{place} holds no finished run ({path.name} is missing): train it first, or"
      " name the folder seed<k> of a run"
    )
  return [below for part in parts for below in _below(part)]


def report(folder: Path) -> dict:
  """report.json of a finished run.

  Raises:
    InputError: it is missing, or torn.
  """
  path = runs.RunFolder(folder).report
  try:
    return json.loads(path.read_text())
  except FileNotFoundError:
    raise InputError(
      f"{folder} holds no finished run ({path.name} is missing): train it first"
    ) from None
  except (OSError, ValueError) as error:
    raise InputError(f"{path} cannot be read ({error}): use --mode=evaluate") from error


def read(folder: Path, held: dict, seed=None, fold=None) -> Training:
  """Its predictions, with seed and fold as its report `held` tells, or as given."""
  split = held.get("split") or {}
  train = (split.get("parts") or {}).get("train") or {}
  rows = predictions.read(runs.RunFolder(folder).predictions)
  seed = held.get("seed", 0) if seed is None else seed
  fold = split.get("fold", 0) if fold is None else fold
  return Training(seed, fold, rows, train.get("images", 0))
