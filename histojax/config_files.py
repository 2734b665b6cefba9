"""Config files: loaded by name, with one sentence for one that is missing or broken."""

import importlib.util
import os
import traceback
from pathlib import Path

from histojax.errors import InputError, nearest


def load_config(filename: str):
  """`get_config(variant)` of 'file.py:variant'.

  Raises:
    InputError: no such file or variant, or the file itself is broken.
  """
  from ml_collections import ConfigDict

  file, colon, variant = filename.partition(":")
  module = load_module(file)
  try:
    variants, get_config = module.VARIANTS, module.get_config
    if type(variants) not in (tuple, list) or not {*map(type, variants)} <= {str}:
      raise InputError(f"{file}: VARIANTS must be a tuple such as ('', 'quick')")
    if variant not in variants:
      listed = nearest(variant, filter(None, variants))
      raise InputError(f"--config={filename}: no such variant; {listed}")
    config = get_config(*[variant] * bool(colon))  # as the flag calls it
  except InputError:
    raise
  except (Exception, SystemExit) as error:  # a config file is code: it may do anything
    raise _is_broken(error, file) from error
  if not isinstance(config, ConfigDict):
    raise InputError(
      f"{file} is broken: get_config returns {type(config).__name__}, not a ConfigDict"
    )
  return config


def load_module(file: str):
  """The module that a config file is.

  Raises:
    InputError: no such file, or it is broken.
  """
  if not os.path.isfile(file):  # False too for names that no file can have
    raise InputError(f"--config={file}: no such file; {nearest(file, known())}")
  spec = importlib.util.spec_from_file_location(Path(file).stem, file)
  if spec is None:
    raise InputError(f"--config={file}: not a config, which ends in .py")
  module = importlib.util.module_from_spec(spec)
  try:
    spec.loader.exec_module(module)
  except InputError:
    raise
  except (Exception, SystemExit) as error:
    raise _is_broken(error, file) from error
  return module


def _is_broken(error: BaseException, file: str) -> InputError:
  where = _broken(error, file)
  return InputError(f"{where} is broken: {type(error).__name__}: {error}")


def _broken(error: BaseException, file: str) -> str:
  """The config file that raised: `file`, or one that it derives from."""
  frames = traceback.extract_tb(error.__traceback__)
  names = [frame.filename for frame in frames] + [getattr(error, "filename", None)]
  beside = [n for n in names if type(n) is str and Path(n).parent.name == "configs"]
  last = beside[-1] if beside else file
  if os.path.exists(last) and os.path.samefile(last, file):
    return file
  return f"{last}, which {file} imports,"


def known() -> list[str]:
  """The config files here, configs/*.py."""
  return sorted(str(path) for path in Path("configs").glob("*.py"))
