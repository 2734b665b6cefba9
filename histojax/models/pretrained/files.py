"""Files of weights: which kind it is, what it holds, and what it is in SHA-256."""

import hashlib
from pathlib import Path

import ml_dtypes  # noqa: F401  (teaches NumPy the word bfloat16)
import numpy as np

from histojax.errors import InputError
from histojax.models.pretrained import torch_file


def read(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
  """(the arrays of a file by name, what had to be understood to find them).

  What a file is, its first bytes tell, not its name.

  Raises:
    InputError: it is damaged, of another kind, or holds more than arrays.
    OSError: it cannot be read.
  """
  with path.open("rb") as file:
    head = file.read(9)
  if head[8:] == b"{":
    return _safetensors(path), []
  if torch_file.is_checkpoint(head):
    return torch_file.read(path)
  raise InputError(
    f"{path} is neither a .safetensors file nor a PyTorch checkpoint: its first bytes"
    f" are {head.hex(' ') or 'none'}"
  )


def _safetensors(path: Path) -> dict[str, np.ndarray]:
  from safetensors import SafetensorError, safe_open

  try:
    with safe_open(path, framework="np") as file:
      return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
  except SafetensorError as error:
    raise InputError(f"{path} is damaged ({error}): copy it again") from error
  except (TypeError, AttributeError) as error:  # of a dtype that NumPy has no word for
    raise InputError(f"{path}: numbers that are not read here ({error})") from error


def sha256(path: Path) -> str:
  """Of the file's bytes, in hexadecimal.

  Raises:
    InputError: it is a folder, or nothing that could be read twice.
  """
  if path.exists() and not path.is_file():
    raise InputError(f"{path} is no file of weights: give the file itself")
  with path.open("rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()
