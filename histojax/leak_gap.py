"""`--mode=leak_gap`: one config trained under a split by image and under one by group.

Two run folders like any other, a finished one of which is not run again, and what lies
between their scores: the part of a published one that is leak.
"""

import copy
import re
from pathlib import Path

from histojax import (
  comparing,
  config_files,
  console,
  experiment,
  leak_pair,
  processes,
  trainings,
)
from histojax import runs as run_folders
from histojax.data import splits
from histojax.errors import InputError, nearest
from histojax.evaluation import gap, leak_words, predictions, verdict
from histojax.evaluation.confusion import SCALARS

NAMES = {"leaky": "by image", "clean": "by {}"}


def run(request, seeds: str, metric: str) -> None:
  """Trains both runs of every seed, or goes on where they stopped; writes the gap.

  Args:
    seeds: 'a,b,c', each of both the training and the split; '' takes the config's.
    metric: one of `confusion.SCALARS`.

  Raises:
    InputError: as `leak_pair.pair` and `experiment.run`; seeds that are none.
  """
  if metric not in SCALARS:
    raise InputError(f"--metric={metric}: {nearest(metric, SCALARS)}")
  _, dataset, tiles, alone = experiment.opened(request)
  folder = alone.path
  if not request.workdir:
    folder = run_folders.leak_gap_folder(folder)
  published = config_files.load_config(request.file).split
  designs = []  # of all seeds, so that a mistake shows before the first one trains
  for config in _seeded(request.config, seeds):
    both = leak_pair.pair(config, published, tiles, dataset.group_name)
    designs.append(dict(zip(NAMES, both, strict=True)))
  found = []
  for design in designs:
    for side, config in design.items():
      name = NAMES[side].format(dataset.group_name)
      console.say(f"{name}, seed {config.seed}: {_sizes(tiles, config)}", "bold")
    at = {}
    for side, config in design.items():
      at[side] = run_folders.leak_gap_member(folder, side, config.seed)
      asked = request._replace(config=config, mode="train", workdir=str(at[side]))
      experiment.run(asked)
    if processes.first():
      dealt = {side: leak_pair.dealt(config, tiles) for side, config in design.items()}
      seed = design["clean"].seed
      found.append(_of_seed(at, metric) | {"seed": seed, "dealt": dealt})
  if processes.first():
    kind = leak_pair.published_kind(designs[0]["leaky"].split, published)
    about = {"title": Path(request.file).stem, "variant": request.variant}
    content = leak_words.content(found, metric, kind, about | {"folder": str(folder)})
    comparing.write(folder, content, "leak_gap")
    show(content, folder)


def show(content: dict, folder: Path) -> None:
  """Prints what is also written."""
  console.say("")
  for said, more in zip(content["sentences"], content["remedies"], strict=True):
    console.say(said, "bold")
    console.say(more)
  for table in content["tables"]:
    comparing.show_table(*table)
  for note in content["notes"]:
    console.warn(note)
  told = folder / "leak_gap.html"
  console.say(f"written: {told}, and .md, .tex, .csv, .json", "bold")


def _of_seed(folders: dict[str, Path], metric: str) -> dict:
  """folders, reports, and the gaps of the network and of its baselines."""
  at = {side: run_folders.RunFolder(path) for side, path in folders.items()}
  reports = {side: trainings.report(path) for side, path in folders.items()}

  def between(path_of):
    paths = {side: path_of(folder) for side, folder in at.items()}
    if not all(path.exists() for path in paths.values()):
      return None
    both = (predictions.read(paths[side]) for side in NAMES)
    return gap.gap(*both, metric)

  found = {"network": between(lambda folder: folder.predictions)}
  for key, title in verdict.BASELINES.items():
    found[title] = between(lambda folder, key=key: folder.predictions_of(key))
  gaps = {name: value for name, value in found.items() if value}
  return {"folders": folders, "reports": reports, "gaps": gaps}


def _seeded(config, seeds: str):
  """A copy of the config for each seed; the config itself where none is named."""
  if not seeds:
    yield config
    return
  if not re.fullmatch(r"\d{1,9}(,\d{1,9})*", seeds):
    raise InputError(f"--seeds={seeds}: write numbers with commas, such as 0,1,2")
  numbers = [*map(int, seeds.split(","))]
  if len(set(numbers)) < len(numbers):
    raise InputError(f"--seeds={seeds}: the same seed twice tells nothing")
  for number in numbers:
    each = copy.deepcopy(config)
    each.seed = each.split.seed = number
    yield each


def _sizes(tiles, config) -> str:
  """'354 images train, 0 validate, 90 test; 0 groups on both sides'; of folds, of the
  first."""
  made = splits.asked(tiles, config.split)
  counts = [f"{len(rows):,}" for rows in made[0].parts().values()]
  both = len(splits.shared(tiles, *made)["shared_groups"])
  fold = "of the first fold " * (len(made) > 1)
  told = "{} images train, {} validate, {} test".format(*counts)
  return f"{config.split.protocol}, {fold}{told}; {both:,} groups on both sides"
