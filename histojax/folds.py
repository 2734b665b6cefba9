"""All folds of a design in turn, each a run of its own, and what they come to together.

A fold that is finished, here or by a process of its own (split.fold=<number>), is not
repeated. All share one engine: images on the devices once, and one compiled program.
"""

import copy
import functools
import json
from typing import NamedTuple

import numpy as np

from histojax import auditing, console, drawings, processes, reporting, runs, scoring
from histojax.data import handout, splits
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation import folds as together
from histojax.evaluation import predictions, report, verdict
from histojax.evaluation import summary as terminal

ROWS = ("image_id", "group", "label", "probability")  # of a prediction file


class Fold(NamedTuple):
  """What `experiment.one` needs of a fold."""

  request: object
  folder: runs.RunFolder
  split: splits.Split
  identity: tuple

  def state(self) -> tuple[bool, bool]:
    """(begun, finished)."""
    return self.folder.begun(*self.identity), self.folder.report.exists()


def run(request, folder: runs.RunFolder, dataset, tiles, ready, one) -> None:
  """Trains or evaluates every fold that is due, then reports on all.

  Args:
    folder: of all folds; fold i is in `fold<i>` below it.
    ready, one: `experiment.ready` and `experiment.one`, which do a single split.

  Raises:
    InputError: a fold that cannot be made, or a folder that holds something else: told
      of all folds before the first one trains.
  """
  config, designs = request.config, splits.asked(tiles, request.config.split)
  folds = [numbered(request, folder, tiles, *pair) for pair in enumerate(designs)]
  identity = config.to_dict(), splits.record_all(tiles, designs)
  processes.check_alike(request.mode, identity)
  whole = Fold(request, folder, None, identity)
  states = processes.same(lambda: [fold.state() for fold in (whole, *folds)])
  (begun, told), *states = states
  if request.mode == "evaluate" and not all(started for started, _ in states):
    raise InputError(
      f"{folder.path} holds no trained run of every fold: use --mode=train"
    )
  if told and begun and all(map(all, states)) and request.mode == "train":
    return reporting.show_finished(folder)
  reporting.show_folds(dataset, tiles, designs)
  auditing.check(config, dataset, tiles, designs)

  make_engine = functools.cache(functools.partial(Engine, config, tiles))
  for fold in folds:  # a mistake leaves no folder behind
    ready(config, tiles, fold.split)
  make_engine()
  with folder.ours(), console.log_to(folder.log):
    if not begun and processes.first():
      folder.create(*identity)
    for i, (fold, (started, finished)) in enumerate(zip(folds, states, strict=True)):
      name = f"fold {i + 1} of {len(folds)} ({fold.folder.path.name})"
      if started and finished and request.mode == "train":
        console.say(f"{name}: finished before")
        continue
      console.say(f"{name}: {len(fold.split.train):,} images train", style="bold")
      content = one(*fold[:2], dataset, tiles, *fold[2:], started, make_engine)
      if content:
        told = verdict.verdict(content)["sentences"]
        console.say(f"{name}: {' '.join(told[:2])}")
    if processes.first():
      content = _report(request, folder, dataset, tiles, folds)
      console.show(terminal.summary(content, folder.page))


def numbered(request, folder, tiles, number: int, split) -> Fold:
  """Fold `number`, as a process of its own would run it."""
  config = copy.deepcopy(request.config)
  config.split.fold = number
  identity = config.to_dict(), splits.record(tiles, split)
  alone = request._replace(config=config)
  return Fold(alone, folder.fold(number), split, identity)


def _report(request, folder, dataset, tiles, folds) -> dict:
  """Writes the report of all folds: each image as the fold that tested it saw it."""
  classes = tiles.classes
  files = tiles.files is not None and not dataset.not_files
  images, views, further = _pooled(tiles, folds, files)
  predictions.write(folder.predictions_views, **views, classes=classes)
  predictions.write(folder.predictions, **images, classes=classes)
  del views["angle"]
  held = [json.loads(fold.folder.report.read_text()) for fold in folds]
  training = {"epochs": held[0]["training"]["epochs"]}
  for key in ("steps", "seconds", "compile_seconds"):
    training[key] = round(sum(report["training"][key] for report in held), 2)
  training |= {k: held[0]["training"][k] for k in ("parameters", "trained_parameters")}
  training["weights"] = held[0]["training"].get("weights")

  content = reporting.describe(request, folder, dataset, tiles, training)
  content["split"] = _split(request.config.split, tiles, [f.split for f in folds])
  epochs = [
    f"{r['training']['chosen_step'] / r['training']['steps'] * training['epochs']:g}"
    for r in held
  ]
  on = request.config.select_on
  told = reporting.SELECTION[on].format(", ".join(epochs))
  content["selection"] = {"on": on, "text": f"each fold's {told}"}
  content["handouts"] = [
    {"fold": i} | row
    for i, fold in enumerate(folds)
    for row in fold.folder.handout_rows()
  ]
  content["notes"] += filter(None, [handout.of_folds(content["handouts"])])
  content["notes"] += audited(held)
  content["folds"] = together.over(held)
  content["scores"] = scoring.score(classes, views, images)
  content |= scoring.of_patients(images)
  content |= scoring.of_temperatures(held, images)
  content["notes"] += [] if "calibration" in content else [scoring.NO_VALIDATION]
  common = [_commonest(tiles, fold.split) for fold in folds]
  common = np.repeat(common, [len(fold.split.test) for fold in folds])
  if "neighbours" in further:
    voted = further.pop("neighbours")
    predictions.write(folder.predictions_of("neighbours"), **voted, classes=classes)
    k = held[0]["scores_neighbours"]["k"]
    content["scores_neighbours"] = {"k": k} | scoring.score(classes, voted, voted)
  rows = next(iter(further.values()))  # in the same order as those of `common`
  found = {name: rows["probability"] for name, rows in further.items()}
  content |= scoring.judged(images, rows, found, common, classes)
  images["prediction"] = images["probability"].argmax(-1)
  pictures = drawings.of_test(folder, tiles, images, content)
  report.write(folder.path, content, pictures)
  return content


def audited(reports: list[dict]) -> list[str]:
  """What the audits of folds found, each once, beside the folds it was found in."""
  told = {}
  for held in reports:
    for note in auditing.notes(held["audit"]):
      told.setdefault(note, []).append(str(held["split"]["fold"]))
  return [f"Fold {', '.join(which)}: {note}" for note, which in told.items()]


def _pooled(tiles, folds, files: bool) -> tuple[dict, dict, dict]:
  """(images, views, further) of all folds' prediction files, end to end.

  Further are what the baselines say of the same images and, where all folds asked them,
  the neighbours.

  Raises:
    InputError: a file is missing, or not that of its fold.
  """

  def read(name, of=lambda at, name: at.predictions_of(name)):
    found = []
    for fold in folds:
      path = of(fold.folder, name)
      rows = predictions.read(path)
      if set(rows["image_id"]) != set(tiles.image_id[fold.split.test]):
        raise InputError(f"{path} is not of its fold: use --mode=evaluate")
      found.append({k: rows[k] for k in (*ROWS, "angle") if k in rows})
    return {k: np.concatenate([rows[k] for rows in found]) for k in found[0]}

  images, views = (read(k, getattr) for k in ("predictions", "predictions_views"))
  names = [k for k in verdict.BASELINES if k != "file" or files]
  if all(fold.folder.predictions_of("neighbours").exists() for fold in folds):
    names.append("neighbours")
  return images, views, {name: read(name) for name in names}


def _commonest(tiles, split) -> int:
  fitted = np.concatenate([split.train, split.validation])
  return int(np.bincount(tiles.label[fitted]).argmax())


def _split(config, tiles, designs) -> dict:
  """The `split` of the report: every fold's test part, and what crosses any of them."""
  parts = {
    f"fold {i}": splits.describe(tiles, design)["test"]
    for i, design in enumerate(designs)
  }
  about = {"protocol": config.protocol, "seed": config.seed}
  about |= {"fold": f"all {len(designs)} in turn", "parts": parts}
  return about | {k: len(v) for k, v in splits.shared(tiles, *designs).items()}
