"""From a study's description to its members: variants x seeds x folds, all checked.

A description is what `study(variant)` of a config file returns, or a grid of the
command line over any config file, or both: then the grid's keys multiply the variants.
"""

import copy
import shlex
from pathlib import Path
from typing import NamedTuple

from histojax import config_files, rules, runs, startup
from histojax.data import splits
from histojax.errors import InputError, nearest
from histojax.evaluation.confusion import SCALARS
from histojax.studies import grid, layouts

KNOWN = (
  "title", "paper", "baseline", "variants", "folds", "seeds", "metric", "layout"
)  # fmt: skip


class Member(NamedTuple):
  """One run of a study."""

  name: str  # of its variant
  seed: int
  fold: int | None  # None where its protocol knows none
  folder: runs.RunFolder
  request: startup.Request  # its whole config, and the command that runs it alone


def describe(request, text: str = "") -> dict:
  """The description, complete: what the config file leaves out is filled in.

  Raises:
    InputError: the file says nothing of a study and there is no grid, or either is
      broken.
  """
  study = _of_file(request)
  if study is None and not text:
    raise InputError(
      f"{request.file} describes no study: add a grid such as"
      ' --config.study.grid="model.attention=none,se;seed=0,1,2", or take a'
      " configs/ablate_*.py"
    )
  title = Path(request.file).stem
  filled = {"title": title, "paper": "", "variants": {"base": {}}, "folds": ()}
  filled |= {"seeds": (), "metric": "balanced_accuracy", "layout": ""} | (study or {})
  if study:
    asked = _shared(study["variants"], typed(request))
    filled["variants"] = {
      name: {key: value for key, value in changes.items() if key not in asked}
      for name, changes in study["variants"].items()
    }
  axes, varied = grid.read(text, request.config) if text else ({}, {})
  for key, axis in grid.AXES.items():
    if key in axes:
      filled[axis] = axes[key]
    elif filled[axis] and key in typed(request):
      listed = ",".join(map(str, filled[axis]))
      raise InputError(
        f"--config.{key}={typed(request)[key]}: this study has {axis} of its own,"
        f' {listed}: choose others with {grid.FLAG}="{key}=..."'
      )
  if varied:
    filled["variants"] = _times(filled["variants"], varied) if study else varied
    filled["layout"] = ""  # the paper's tables have no room for another key
  filled["seeds"] = tuple(filled["seeds"]) or (request.config.seed,)
  first = next(iter(filled["variants"]))
  given = filled.get("baseline") or first
  if given not in filled["variants"]:  # ... but a kind of them: 'ResNet50, 40X'
    if not any(name.startswith(f"{given}, ") for name in filled["variants"]):
      known = nearest(str(given), filled["variants"])
      raise InputError(f"{request.file}: baseline {given!r} is no variant: {known}")
  return filled | {"baseline": given}


def _times(variants: dict, varied: dict) -> dict:
  """Each variant with each of a grid's values."""
  for key in next(iter(varied.values())):
    own = [changes.get(key) for changes in variants.values()]
    if any(value != own[0] for value in own):
      raise InputError(
        f"{grid.FLAG}: the variants of this study differ in {key}: leave it out, or"
        " take a config that describes no study"
      )
  return {
    f"{name}, {added}": changes | values
    for name, changes in variants.items()
    for added, values in varied.items()
  }


def members(study: dict, request, folder: runs.StudyFolder) -> list[Member]:
  """Every run of a study in order, its config whole and within `rules`.

  Raises:
    InputError: a key or value of a variant that no run could use, or a fold that its
      protocol does not know.
  """
  found = []
  for name, changes in study["variants"].items():
    file, variant, base, config = _base(name, changes, request)
    for key, value in changes.items():
      if key != "config":
        grid.put(config, key, value, f"variant {name!r}")
    folds = _folds(name, config.split, study["folds"])
    for seed in study["seeds"]:
      for fold in folds:
        own = copy.deepcopy(config)
        grid.put(own, "seed", seed, "the study's seeds")
        if fold is not None:
          own.split.fold = fold
        try:
          rules.check(own, file)
        except InputError as error:
          raise InputError(f"variant {name!r}: {error}") from error
        at = folder.member(name, seed, fold)
        alone = at.path.parent if own.split.protocol == "kfold" else at.path
        command = _command(file, variant, base, own, alone)
        asked = startup.Request(own, base, file, variant, "train", str(alone), command)
        found.append(Member(name, seed, fold, at, asked))
  return found


def _of_file(request) -> dict | None:
  """What `study(variant)` of the config file returns; None where it has none."""
  make = getattr(config_files.load_module(request.file), "study", None)
  if make is None:
    return None
  broken = f"{request.file} is broken: study() "
  try:
    study = make(request.variant)
  except Exception as error:  # a config file is code: it may do anything
    raise InputError(f"{broken}raises {type(error).__name__}: {error}") from error
  _check(study, broken)
  return study


def _check(study, broken: str) -> None:
  """InputError, which begins with `broken`, where `describe` cannot use a study."""
  variants = study.get("variants") if isinstance(study, dict) else None
  if not variants or not isinstance(variants, dict):
    raise InputError(f"{broken}must return a dict with variants")
  for key in study:
    if key not in KNOWN:
      raise InputError(f"{broken}has the key {key!r}: {nearest(str(key), KNOWN)}")
  for name, changes in variants.items():
    if not isinstance(name, str) or not isinstance(changes, dict):
      raise InputError(f"{broken}must give each variant a name and a dict of its keys")
    if not isinstance(changes.get("config", ""), str):
      raise InputError(f"{broken}must give variant {name!r} a config file by its name")
  for axis in grid.AXES.values():
    given = study.get(axis, ())
    listed = [*given] if isinstance(given, tuple | list | range) else [None]
    if not {*map(type, listed)} <= {int} or len({*listed}) < len(listed):
      raise InputError(f"{broken}must list {axis} as whole numbers, each once")
  for key, known in (("metric", SCALARS), ("layout", ("", *layouts.LAYOUTS))):
    if key in study and study[key] not in known:
      told = nearest(str(study[key]), filter(None, known))
      raise InputError(f"{broken}has {key}={study[key]!r}: {told}")


def _base(name: str, changes: dict, request):
  """(file, variant, base, config) that a variant starts from.

  Another file's config is taken in the study's own variant, where it has that, and what
  was typed on the command line holds for it, too.
  """
  if "config" not in changes:
    return request.file, request.variant, request.base, copy.deepcopy(request.config)
  file, colon, variant = changes["config"].partition(":")
  if not colon and request.variant in config_files.load_module(file).VARIANTS:
    variant = request.variant
  base = config_files.load_config(f"{file}:{variant}" if variant else file)
  config = copy.deepcopy(base)
  for key, value in typed(request).items():
    grid.put(config, key, value, f"--config.{key}, for variant {name!r} of {file}")
  return file, variant, base, config


def _shared(variants: dict, asked: dict) -> set:
  """Of what was typed, the keys that all variants set alike: there the user is right.

  Raises:
    InputError: a key that each variant sets and not all alike: it would change nothing.
  """
  found = set()
  for key in asked:
    values = [changes[key] for changes in variants.values() if key in changes]
    if len(values) < len(variants):
      continue
    if any(value != values[0] for value in values):
      raise InputError(
        f"--config.{key}={asked[key]}: the variants of this study differ in it; leave"
        f" it out, or compare values of your own over one config, with {grid.FLAG}"
      )
    found.add(key)
  return found


def typed(request) -> dict:
  """{key: value} of what was typed, or differs from the config file."""
  before, now = (runs.flatten(c.to_dict()) for c in (request.base, request.config))
  return {k: v for k, v in now.items() if k in request.keys or before.get(k) != v}


def _folds(name: str, split, folds) -> tuple:
  """Those asked for; all of kfold with split.fold=-1, else the config's own."""
  if split.protocol not in splits.WITH_FOLDS:
    if len(folds) > 1:
      raise InputError(
        f"variant {name!r}: split.protocol={split.protocol} has no folds, but the study"
        f" asks for {len(folds)}: use split.protocol=kfold or grouped, or vary seed"
      )
    return (None,)
  if folds:
    return tuple(folds)
  return tuple(range(split.folds)) if split.fold < 0 else (split.fold,)


def _command(file: str, variant: str, base, config, workdir: Path) -> str:
  """The command line that runs a member without its study."""
  before, now = (runs.flatten(c.to_dict()) for c in (base, config))
  flags = [f"--config={file}:{variant}" if variant else f"--config={file}"]
  flags += [f"--config.{k}={v}" for k, v in now.items() if before[k] != v]
  return shlex.join(["python", "launch.py", *flags, f"--workdir={workdir}"])
