"""Before a run: environment and flags, and one sentence for every mistake in them."""

import glob
import importlib.util
import os
import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

from histojax import __version__, console
from histojax.errors import InputError, nearest


class Request(NamedTuple):
  """What was typed: a config, where it came from, and what to do with it."""

  config: object  # ml_collections.ConfigDict, locked
  base: object  # the same file and variant without overrides
  file: str
  variant: str
  mode: str
  workdir: str
  command: str


def set_environment() -> None:
  """Settings that count only before jax is imported."""
  from histojax import runs
  from histojax.data.tiles import cache_root

  # one home may serve several machines: code compiled for another CPU could crash
  machine = re.sub(r"\W+", "-", f"{runs.processor()}-{len(os.sched_getaffinity(0))}")
  for key, value in {
    "TF_CPP_MIN_LOG_LEVEL": "3",  # a warm compilation cache prints 72 lines below it
    "JAX_COMPILATION_CACHE_DIR": str(cache_root() / "jax" / machine),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
  }.items():
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
    if filename := _argument(argv, "config"):
      load_config(filename)
    rest = flags.FLAGS(argv)
    logging.set_verbosity(logging.ERROR)  # the libraries' chatter
    return rest
  except InputError as error:
    fail(str(error))
  except (flags.Error, AttributeError, KeyError, TypeError, ValueError) as error:
    fail(_sentence(error, argv))


def fail(sentence: str) -> None:
  print(f"error: {sentence}", file=sys.stderr)
  sys.exit(2)


def guarded(main):
  """`main`, with InputError as one sentence and exit code 2, Ctrl-C as one line."""

  def run(argv):
    try:
      return main(argv)
    except InputError as error:
      fail(str(error))
    except KeyboardInterrupt:
      print("stopped; the same command continues", file=sys.stderr)
      sys.exit(130)

  return run


def request(config_flag, mode: str, modes: dict, workdir: str) -> Request:
  """Gathers what was typed.

  Raises:
    InputError: no config, a config that cannot be loaded, or an unknown mode.
  """
  if mode not in modes:
    raise InputError(f"--mode={mode}: {nearest(mode, modes)}")
  for argument in sys.argv[1:]:
    if argument.lstrip("-").startswith("profile_") and mode != "profile":
      raise InputError(f"{argument}: only with --mode=profile")
  filename = _argument(sys.argv, "config")
  if not filename:
    raise InputError(
      "no --config given: try --config=configs/liver_senet.py:quick, or another of"
      f" {', '.join(_known_configs())}"
    )
  file, _, variant = filename.partition(":")
  command = "python " + " ".join(map(shlex.quote, sys.argv))
  base = load_config(filename)
  return Request(config_flag.value, base, file, variant, mode, workdir, command)


def load_config(filename: str):
  """`get_config(variant)` of 'file.py:variant'.

  Raises:
    InputError: no such file or variant, or the file itself is broken.
  """
  file, _, variant = filename.partition(":")
  if not Path(file).is_file():
    raise InputError(
      f"--config={file}: no such file; {nearest(file, _known_configs())}"
    )
  spec = importlib.util.spec_from_file_location(Path(file).stem, file)
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
    known, config = module.VARIANTS, module.get_config(variant)
  except Exception as error:  # a config file is code: anything may come out of it
    raise InputError(f"{file} is broken: {type(error).__name__}: {error}") from error
  if variant not in known:
    known = nearest(variant, filter(None, known))
    raise InputError(f"--config={filename}: no such variant; {known}")
  return config


def greet() -> None:
  """One line of versions and devices; warns of a GPU that JAX does not use."""
  import jax

  device, cores = jax.devices()[0], len(os.sched_getaffinity(0))
  on_cpu = device.platform == "cpu"
  where = f"CPU, {cores} cores" if on_cpu else device.device_kind
  console.say(
    f"histojax {__version__}, jax {jax.__version__}, {jax.device_count()} x {where}"
  )
  gpus = glob.glob("/dev/nvidia[0-9]*")  # what the driver shows, whatever JAX thinks
  if gpus and on_cpu:
    console.warn(
      f"{len(gpus)} NVIDIA GPU(s) here, but JAX runs on the CPU:"
      f' pip install "jax[cuda13]=={jax.__version__}"'
    )


def say_long(request: Request, seconds: float) -> None:
  """Says how long the whole recipe takes, and names the quick line."""
  quick = f" A version of minutes: python launch.py --config={request.file}:quick"
  console.warn(
    f"the whole recipe takes about {console.duration(seconds)} on this machine; stop"
    f" and resume it at any time.{'' if request.variant == 'quick' else quick}"
  )


def _known_configs() -> list[str]:
  return sorted(str(path) for path in Path("configs").glob("*.py"))


def _argument(argv: list[str], flag: str) -> str:
  """The value of a flag such as --config, as typed; '' where there is none."""
  for argument, following in zip(argv, [*argv[1:], ""], strict=True):
    name, equals, value = argument.lstrip("-").partition("=")
    if argument.startswith("-") and name == flag:
      return value if equals else following
  return ""


def _sentence(error: Exception, argv: list[str]) -> str:
  """What the flag parser meant, in words: the flag, what is wrong, what it may be."""
  text = " ".join(str(error).split())
  if isinstance(error, AttributeError | KeyError):
    key, guess = re.search(r"\w+", text)[0], re.search(r'Did you mean "(\w+)"', text)
    typed = next((a for a in argv if re.search(rf"\b{key}\b", a)), key)
    hint = f"; did you mean {guess[1]!r}?" if guess else ""
    return f"{typed}: the config has no key {key!r}{hint}"
  wrong = re.match(r"flag (--\S+?=.*?): (.*)", text)
  kinds = {
    "int()": "expected a whole number",
    "float": "expected a number",
    "ConfigDict": "this is a group of keys; set one of them, group.key=value",
  }
  if wrong:
    return f"{wrong[1]}: " + next((v for k, v in kinds.items() if k in text), wrong[2])
  return text
