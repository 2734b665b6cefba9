"""Where a study stands: its plan, and of every member what has become of it."""

import json

from histojax import atomic, runs
from histojax.studies.prepare import Ready

UNFINISHED = "stopped before its end"


def plan(study: dict, found: list[Ready]) -> dict:
  """What plan.json holds; see `runs.StudyFolder.begun`."""
  variants = {}
  for ready in found:
    config, split = ready.identity
    flat = runs.flatten(config)
    apart = ("seed", "split.fold")
    variants[ready.member.name] = {
      "config": {k: v for k, v in flat.items() if k not in apart},
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
  `path`, `state` (finished, failed or missing), `error` and `config`."""
  told = []
  for ready in found:
    error, state = "", ready.state()
    if state != "finished":
      state, error = "missing", UNFINISHED if state == "begun" else ""
      if ready.folder.failed.exists():
        state, error = "failed", failure(ready.folder)
    member = ready.member
    row = {"name": member.name, "fold": member.fold, "seed": member.seed}
    row |= {"path": ready.folder.path, "state": state, "error": error}
    told.append(row | {"config": ready.identity[0]})
  return told


def failure(folder: runs.RunFolder) -> str:
  """The sentence that a failed member has left."""
  try:
    return json.loads(folder.failed.read_text())["error"]
  except (OSError, ValueError, KeyError):
    return "failed; what it said is lost"


def fail(folder: runs.RunFolder, sentence: str, kind: str) -> None:
  """Writes down why a member came to nothing."""
  text = json.dumps({"error": sentence, "kind": kind}, indent=1) + "\n"
  atomic.write(folder.failed, text.encode())
