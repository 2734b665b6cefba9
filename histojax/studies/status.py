"""Where a study stands: its plan, and of every member what has become of it."""

import json

import jax

from histojax import atomic, runs
from histojax.errors import InputError, of_machine
from histojax.studies import grid
from histojax.studies.prepare import Ready

UNFINISHED = "stopped before its end"
FAILURES = (InputError, MemoryError, jax.errors.JaxRuntimeError)  # of one member alone


def plan(study: dict, found: list[Ready]) -> dict:
  """What plan.json holds; see `runs.StudyFolder.begun`."""
  variants = {}
  for ready in found:
    config, split = ready.identity
    flat = runs.flatten(config)
    variants[ready.member.name] = {
      "config": {k: v for k, v in flat.items() if k not in grid.AXES},
      "images": split["pixels"],
    }
  folds = {ready.member.fold for ready in found} - {None}
  return {
    "variants": variants,
    "seeds": list(study["seeds"]),
    "folds": sorted(folds),
  }


def rows(found: list[Ready]) -> list[dict]:
  """Of every member `name` of its variant, `fold` (None where there are none), `seed`,
  `path`, `state` (finished, failed or missing) and `error`."""
  told = []
  for ready in found:
    error, state = "", ready.state()
    if state != "finished":
      state, error = "missing", UNFINISHED if state == "begun" else ""
      if ready.folder.failed.exists():
        state, error = "failed", failure(ready.folder)
    member = ready.member
    row = {"name": member.name, "fold": member.fold, "seed": member.seed}
    told.append(row | {"path": ready.folder.path, "state": state, "error": error})
  return told


def failure(folder: runs.RunFolder) -> str:
  """The sentence that a failed member has left."""
  try:
    return json.loads(folder.failed.read_text())["error"]
  except (OSError, ValueError, KeyError, TypeError):
    return "failed; what it said is lost"


def sentence(error: BaseException) -> str:
  """What to tell of one of `FAILURES`."""
  return " ".join((of_machine(error) or str(error).split("\n")[0]).split())


def fail(folder: runs.RunFolder, sentence: str, kind: str) -> None:
  """Writes down why a member came to nothing."""
  text = json.dumps({"error": sentence, "kind": kind}, indent=1) + "\n"
  atomic.write(folder.failed, text.encode())
