"""A study from its config to its table: `--mode=ablate`."""

from pathlib import Path

from histojax import console, processes, runs, startup
from histojax.data import catalogue
from histojax.errors import InputError
from histojax.studies import (
  estimate,
  expand,
  grid,
  prepare,
  room,
  running,
  slurm,
  slurm_options,
  status,
)

PREFIX = "ablate"


def run(request, text: str = "", dry_run: bool = False, jobs: str = "") -> None:
  """Runs what is due of a study, member by member, then tells what it came to.

  Each member is a run folder with the bytes that launch.py alone gives it. A finished
  one is not repeated, a begun one continues, and one that fails is written down and
  stops no other.

  Args:
    text: a grid, key=value,value;key=..., which multiplies the config file's variants.
    dry_run: only say what there is to do, and about how long it takes.
    jobs: what each asks Slurm for, as `slurm_options.read` has it: each member is a job
      of its own. Empty: all run here.

  Raises:
    InputError: anything that keeps a member from beginning: nothing is written.
    SystemExit: 1 where members failed; a signal's code where one stopped the study.
  """
  options = slurm_options.read(jobs) if jobs else None
  if options:
    slurm.check()
  startup.greet()
  if processes.count() > 1:
    raise InputError(
      f"--mode=ablate is one process, not {processes.count()}: it runs a member on each"
      " of its devices by itself"
    )
  study = expand.describe(request, text)
  folder = runs.StudyFolder(Path(request.workdir or default_workdir(request, text)))
  found = prepare.prepare(expand.members(study, request, folder))
  plan = status.plan(study, found)
  folder.begun(plan)
  states = [ready.state() for ready in found]
  if dry_run:
    return estimate.show(study, found, states, folder, bool(options))
  prepare.audit(found)
  with folder.ours(), console.log_to(folder.log):
    folder.write_plan(plan)
    due = [r for r, s in zip(found, states, strict=True) if s != "finished"]
    if room.lacks(due, folder.path):
      console.warn(f"{room.sentence(due, folder.path)}: make room, or --workdir=...")
    if options:
      slurm.run(due, found, folder, slurm.Slurm(folder, options))
    else:
      running.run(due, found)
    from histojax.studies import table

    rows = status.rows(found)
    content = table.write(folder, study, rows)
    table.show(content, folder)
    failed = [row for row in rows if row["state"] == "failed"]
    for row in failed:
      console.say(f"{row['path']}: {row['error']}", "bold red")
    if failed:
      console.say(
        f"{len(failed)} of {len(rows)} members failed; the same command tries again",
        "bold",
      )
      raise SystemExit(1)


def default_workdir(request, text: str) -> Path:
  """`runs/<ablate config>[-variant][-hash]`.

  The hash is of what differs from the config file and of the grid's keys; neither seeds
  and folds nor the grid's values are part of it, since a study may grow by them.
  """
  stem = Path(request.file).stem
  name = stem if stem.startswith(PREFIX) else f"{PREFIX}_{stem}"
  changed = {k: v for k, v in expand.typed(request).items() if k not in grid.AXES}
  if keys := [key for key in grid.keys(text) if key not in grid.AXES]:
    changed["grid"] = keys
  if request.config.data.source:
    changed["images"] = catalogue.find(request.config.data).fingerprint
  return runs.default_workdir(name, request.variant, changed, 0).parent
