"""`--mode=profile`: measures, counts and writes down one config, or two in turns."""

from pathlib import Path

import jax

from histojax import console, experiment, rules, runs, startup
from histojax.data import catalogue
from histojax.errors import InputError
from histojax.profiling import against, measure, page, roofline, targets
from histojax.profiling.measure import Bench
from histojax.profiling.result import Result

ROUNDS = 3


def run(request, keep_trace: bool = False, other: str = "", target: str = "") -> dict:
  """Profiles what was asked for, shows it and writes it down; returns the profile.

  Args:
    request: a `startup.Request`.
    keep_trace: also keep the profiler's trace, for TensorBoard or Perfetto.
    other: a second config, 'file.py:variant', to set beside the first.
    target: of `targets.TARGETS`: count for a GPU that is not here, measure nothing.

  Raises:
    InputError: a config that cannot be used, or a folder that cannot be written.
  """
  startup.greet()
  configs = [request.config] + (
    [rules.check(startup.load_config(other), other)] if other else []
  )
  names = [_name(request.file, request.variant)]
  names += [_name(*other.partition(":")[::2])] if other else []
  if other and names[0] == names[1]:
    names[0] += " (as typed)"
  folder = _folder(request, target)
  if target:
    second = (names[1], configs[1]) if other else None
    profile = targets.profile(configs[0], target, title=names[0], against=second)
  else:
    profile = _measure(configs, names, request.command, folder / "trace", keep_trace)
  written = page.write(folder, profile)
  page.show(profile)
  if keep_trace and not target:
    console.say(profile["notes"][-1])
  console.say(f"profile  {written}", "bold")
  return profile


def _measure(configs, names, command, trace: Path, keep_trace: bool) -> dict:
  """Profiles the configs on this device, in turns."""
  benches = [Bench(config) for config in configs]
  total = 1 + len(benches) * (4 + ROUNDS * len(measure.PARTS))
  with console.Progress(total, "profiling", "part") as progress:

    def tick(what):
      progress.advance(1, what)

    def ceilings():
      return roofline.measure(benches[0].engine.dtype, jax.device_count())

    top = ceilings()
    tick("ceilings")
    for bench in benches:
      bench.compile()
      tick("compilation")
      bench.prepare()
      tick("first steps")
    for _ in range(ROUNDS):
      measure.time_parts(benches, tick)
      top = top.or_faster(ceilings())
    results = []
    for bench in benches:
      kept = trace if keep_trace and not results else None
      results.append(Result(bench, top, kept, tick))

  profile = results[0].profile(names[0], command)
  if len(results) > 1:
    against.compare(profile, *results, names)
  if keep_trace:
    profile["notes"].append(
      f"The trace is in {trace}: open its *.trace.json.gz at https://ui.perfetto.dev,"
      f" or pip install xprof tensorboard && tensorboard --logdir={trace}"
    )
  return profile


def _folder(request, target: str) -> Path:
  """A new or known folder for the profile; InputError where it cannot be written."""
  workdir = experiment.default_workdir(request, catalogue.find(request.config.data))
  folder = Path(request.workdir or runs.profile_folder(workdir, target))
  try:
    folder.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise InputError(
      f"cannot write {folder}: {error.strerror}; choose another --workdir"
    ) from error
  return folder


def _name(file: str, variant: str) -> str:
  return Path(file).stem + f":{variant}" * bool(variant)
