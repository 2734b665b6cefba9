"""Before a run: environment and flags, and one sentence for every mistake in them."""

import contextlib
import glob
import os
import re
import shlex
import stat
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

from histojax import (
  __version__,
  compilation,
  config_files,
  console,
  mistyped,
  processes,
  rules,
)
from histojax.config_files import load_config
from histojax.errors import InputError, nearest, of_machine

ONLY_WITH = (  # beginnings of flags, and the modes that read them
  ("profile_", "profile"),
  ("runs", "compare"),
  ("metric", "compare", "leak_gap"),
  ("seeds", "leak_gap"),
  ("table", "audit_tables"),
  ("grid", "ablate"),
  ("dry_run", "ablate"),
  ("slurm", "ablate"),
  ("images", "explain"),
  ("explain_layer", "explain"),
)


class Request(NamedTuple):
  """What was typed: a config, where it came from, and what to do with it."""

  config: object  # ml_collections.ConfigDict, locked
  base: object  # the same file and variant without overrides
  file: str
  variant: str
  mode: str
  workdir: str
  command: str
  keys: tuple = ()  # of the config that were typed, be it with the file's own values


def settings() -> dict[str, str]:
  """What the environment holds before jax is imported, unless the user sets it."""
  from histojax import environment
  from histojax.data.cache import cache_root

  # one home may serve several machines: code compiled for another CPU could crash
  machine = re.sub(
    r"\W+", "-", f"{environment.processor()}-{len(os.sched_getaffinity(0))}"
  )
  return {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # a warm compilation cache prints 72 lines below it
    "JAX_COMPILATION_CACHE_DIR": str(cache_root() / "jax" / machine),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
  }


def set_environment() -> None:
  """Settings that count only before jax is imported."""
  if _argument(sys.argv, "flagfile"):
    fail("--flagfile is not read: write its flags on the command line")
  for key, value in settings().items():
    os.environ.setdefault(key, value)
  if target := _argument(sys.argv, "profile_target"):
    from histojax.profiling import targets

    try:
      os.environ.update(targets.environment(target))
    except InputError as error:
      fail(str(error))


def parse_flags(argv: list[str]) -> list[str]:
  """absl's parser, with one sentence and exit code 2 instead of a traceback."""
  from absl import flags, logging

  try:
    mistyped.check(argv)
    # a grid stands over a config: it is none of its keys
    argv[:] = [re.sub(r"^--?config\.study\.grid(?==|$)", "--grid", a) for a in argv]
    if filename := _argument(argv, "config"):
      load_config(filename)
    elif any(re.match("--?config[.=]", argument) for argument in argv):
      raise InputError(_no_config())
    rest = flags.FLAGS(argv)
    if rest[1:]:
      raise InputError(f"{rest[1]!r} is no flag: write --name=value, without spaces")
    logging.set_verbosity(logging.FATAL)  # their errors are raised, and told by us
    return rest
  except InputError as error:
    fail(str(error))
  except (flags.Error, AttributeError, LookupError, TypeError, ValueError) as error:
    fail(mistyped.sentence(error, argv))


@contextlib.contextmanager
def joined():
  """Within, several processes are one run, from before the first device is touched."""
  try:
    processes.join()
  except InputError as error:
    fail(str(error))
  with processes.together():
    yield


def without(error: ImportError) -> None:
  """Ends a program that cannot even read its flags; the doctor can."""
  if _argument(sys.argv, "mode") == "doctor":
    from histojax.doctor import screen

    sys.exit(screen.run())
  fail(_not_installed(error))


def _not_installed(error: ImportError) -> str:
  return (
    f"{error.name or error} cannot be imported: pip install -r requirements.txt;"
    " python launch.py --mode=doctor says what else is amiss"
  )


def fail(sentence: str) -> None:
  sentence = " ".join(sentence.split())
  if processes.may_say(sentence):
    print("error:", sentence, file=sys.stderr)
  sys.exit(2)


def guarded(main):
  """`main`, with bad input, a full disk or no memory as one sentence and exit code
  2."""

  def run(argv):
    try:
      return main(argv)
    except InputError as error:
      fail(str(error))
    except Exception as error:  # a full disk, say; anything else is a bug of ours
      if isinstance(error, ImportError) and "histojax" not in (error.name or ""):
        fail(_not_installed(error))
      if (sentence := of_machine(error)) is None:
        raise
      fail(sentence)

  return run


def request(config_flag, mode: str, modes: dict, workdir: str) -> Request:
  """Gathers what was typed.

  Raises:
    InputError: no config, a config that cannot be loaded, or an unknown mode.
  """
  from absl import flags
  from ml_collections import config_flags

  if mode not in modes:
    raise InputError(f"--mode={mode}: {nearest(mode, modes)}")
  if mode == "profile" and processes.count() > 1:
    raise InputError(
      f"--mode=profile measures one process, not {processes.count()}: start it alone"
    )
  for argument in sys.argv[1:]:
    name = argument.lstrip("-").partition("=")[0]
    for beginning, *only in ONLY_WITH:
      if name.startswith(beginning) and argument.startswith("-") and mode not in only:
        raise InputError(f"{argument}: only with --mode={' or '.join(only)}")
  filename = _argument(sys.argv, "config")
  if not filename:
    if mode in ("doctor", "compare", "audit_tables"):
      return Request(None, None, "", "", mode, workdir, "")
    raise InputError(_no_config())
  file, _, variant = filename.partition(":")
  command = "python " + " ".join(map(shlex.quote, sys.argv))
  base = load_config(filename)
  config = rules.check(config_flag.value, file)
  _check_workdir(workdir)
  keys = tuple(config_flags.get_override_values(flags.FLAGS[config_flag.name]))
  return Request(config, base, file, variant, mode, workdir, command, keys)


def greet() -> None:
  """One line of versions and devices; warns of a GPU that JAX does not use, and of a
  compilation cache that cannot be written."""
  import jax

  compilation.keep_whole()
  device, cores = jax.devices()[0], len(os.sched_getaffinity(0))
  on_cpu = device.platform == "cpu"
  where = f"CPU, {cores} cores" if on_cpu else device.device_kind
  where = f"{jax.device_count()} x {where}"
  where += f", {processes.count()} processes" if processes.count() > 1 else ""
  console.say(f"histojax {__version__}, jax {jax.__version__}, {where}")
  warn_of_cache(Path(jax.config.jax_compilation_cache_dir or "."))
  gpus = glob.glob("/dev/nvidia[0-9]*")  # what the driver shows, whatever JAX thinks
  if gpus and on_cpu:
    console.warn(
      f"{len(gpus)} NVIDIA GPU(s) here, but JAX runs on the CPU:"
      f' pip install "jax[cuda13]=={jax.__version__}"'
    )


def warn_of_cache(folder: Path) -> None:
  """One line where compiled code cannot be kept; JAX would print one per program."""
  warnings.filterwarnings("ignore", "Error (read|writ)ing persistent compilation cache")
  try:
    folder.mkdir(parents=True, exist_ok=True)
    writable = os.access(folder, os.W_OK)
  except OSError:
    writable = False
  if not writable:
    console.warn(f"no write access to {folder}: what is compiled now cannot be kept")


def say_long(request: Request, seconds: float) -> None:
  """Says how long the whole recipe takes, and names the quick line."""
  quick = f" A version of minutes: python launch.py --config={request.file}:quick"
  console.warn(
    f"the whole recipe takes about {console.duration(seconds)} on this machine; stop"
    f" and resume it at any time.{'' if request.variant == 'quick' else quick}"
  )


def _check_workdir(workdir: str) -> None:
  """InputError where something else than a folder has that name, or none can."""
  try:
    if workdir and not stat.S_ISDIR(os.stat(workdir).st_mode):
      raise InputError(f"--workdir={workdir} is a file: give a folder, new or of a run")
  except FileNotFoundError:
    pass  # it is made when the run begins
  except OSError as error:
    words = error.strerror.lower()
    raise InputError(f"--workdir={workdir}: {words}; choose another") from error


def _no_config() -> str:
  known = config_files.known()
  others = f", or another of {', '.join(known)}" if known else ""
  return f"no --config given: try --config=configs/liver_senet.py:quick{others}"


def _argument(argv: list[str], flag: str) -> str:
  """The value of a flag such as --config, as typed; '' where there is none.

  The last one counts, as for the flags themselves.
  """
  found = ""
  for argument, following in zip(argv, [*argv[1:], ""], strict=True):
    name, equals, value = argument.lstrip("-").partition("=")
    if argument.startswith("-") and name == flag:
      found = value if equals else following
  return found
