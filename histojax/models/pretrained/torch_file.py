"""PyTorch's checkpoints without PyTorch: the zip archive (since 1.6), and the older.

The archive holds `<name>/data.pkl` and the storages `<name>/data/<key>`, unpacked. The
older file is a row of pickles (magic number, version, system, the object, its keys) and
then every storage: int64 count and the bytes.
"""

import io
import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from histojax.errors import InputError
from histojax.models.pretrained import unpickle
from histojax.models.pretrained.unpickle import Refused, Storage, Tensor

MAGIC = 0x1950A86A20F9469CFC6C
WRAPPED = ("state_dict", "model", "model_state_dict", "teacher")
DAMAGED = (
  *(ValueError, LookupError, TypeError, AttributeError, EOFError, OverflowError),
  *(struct.error, zipfile.BadZipFile, NotImplementedError, RuntimeError),
)


def read(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
  """(the arrays by name, what had to be understood to find them).

  Tensors are views: shared storages are held once, and expanded ones refused.

  Raises:
    InputError: no checkpoint, a damaged one, one that holds more than tensors.
  """
  try:
    with path.open("rb") as file:
      if file.read(2) == b"PK":
        tensors, said, storages = _archive(path, file)
      else:  # mapped, it reads no more than there is, whatever a length in it says
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
          tensors, said, storages = _older(path, whole)
    return {key: _view(tensor, storages) for key, tensor in tensors.items()}, said
  except InputError:
    raise
  except Refused as error:
    raise InputError(
      f"{path}: its pickle asks for {error}, which could run code and no state dict"
      " needs: save model.state_dict() alone, or give a .safetensors file"
    ) from None
  except DAMAGED as error:
    raise InputError(
      f"{path} is damaged, or no PyTorch checkpoint ({_short(error)}): copy it again"
    ) from error


def _archive(path: Path, file: BinaryIO):
  with zipfile.ZipFile(file) as archive:
    members = {info.filename: info for info in archive.infolist()}
    total = sum(info.file_size for info in members.values())
    packed = any(info.compress_type != zipfile.ZIP_STORED for info in members.values())
    if packed or total > path.stat().st_size:
      raise InputError(
        f"{path}: a compressed archive, which PyTorch does not write: unpack it, and"
        " give the checkpoint inside"
      )
    (pickled,) = (n for n in members if n.count("/") == 1 and n.endswith("/data.pkl"))
    folder = pickled.removesuffix("data.pkl")
    if f"{folder}byteorder" in members:
      _little(path, archive.read(f"{folder}byteorder") == b"little")
    with archive.open(pickled) as stream:
      content = io.BytesIO(stream.read(unpickle.LONGEST + 1))
    tensors, said = _state_dict(path, unpickle.load(content))
    wanted = {tensor.storage.key for tensor in tensors.values()}
    storages = {key: archive.read(f"{folder}data/{key}") for key in wanted}
  return tensors, said, storages


def _older(path: Path, file: mmap.mmap):
  if unpickle.load(file) != MAGIC:
    raise ValueError("another magic number")
  unpickle.load(file)  # the protocol
  _little(path, unpickle.load(file)["little_endian"])
  met = {}
  tensors, said = _state_dict(path, unpickle.load(file, met))
  wanted = {tensor.storage.key for tensor in tensors.values()}
  storages = {}
  for key in unpickle.load(file):
    (count,) = struct.unpack("<q", file.read(8))
    length = count * _dtype(met[key]).itemsize
    if not 0 <= length <= len(file) - file.tell():
      raise ValueError("shorter than it says")
    if key in wanted:
      storages[key] = file.read(length)
    else:
      file.seek(length, 1)
  return tensors, said, storages


def _little(path: Path, little: bool) -> None:
  if little is not True:
    raise InputError(f"{path}: big-endian numbers: convert it to .safetensors")


def _state_dict(path: Path, value: Any) -> tuple[dict[str, Tensor], list[str]]:
  """The dict of tensors in what was unpickled."""
  said = []
  while isinstance(value, Mapping):
    inside = [key for key in WRAPPED if isinstance(value.get(key), Mapping)]
    if not inside or len(said) == len(WRAPPED):
      break
    said.append(f"the arrays under {inside[0]!r}")
    value = value[inside[0]]
  if not isinstance(value, Mapping) or not value:
    raise InputError(f"{path}: holds {type(value).__name__}, not a state dict")
  for key, tensor in value.items():
    if not isinstance(tensor, Tensor) or not isinstance(key, str):
      raise InputError(
        f"{path}: {str(key)[:80]!r} is {type(tensor).__name__}, not a tensor: save"
        " model.state_dict() alone"
      )
  return dict(value), said


def _dtype(storage: Storage) -> np.dtype:
  bfloat16 = storage.dtype == "bfloat16"
  return np.dtype(ml_dtypes.bfloat16) if bfloat16 else np.dtype(storage.dtype)


def _view(tensor: Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
  storage, offset, shape, stride = tensor
  dtype = _dtype(storage)
  flat = np.frombuffer(storages[storage.key], dtype)
  count = int(np.prod(shape, dtype=object))
  below = min((offset, *shape, *stride)) < 0
  if below or len(flat) < storage.count or len(shape) != len(stride):
    raise ValueError("a tensor larger than its storage")
  last = offset + sum((n - 1) * s for n, s in zip(shape, stride, strict=True))
  if offset > len(flat) or count > len(flat) or (count and last >= len(flat)):
    raise ValueError("a tensor larger than its storage")
  strides = [s * dtype.itemsize for s in stride]
  return np.lib.stride_tricks.as_strided(flat[offset:], shape, strides, writeable=False)


def _short(error: Exception) -> str:
  first = (str(error).splitlines() or [""])[0]
  return first[:80] or type(error).__name__


def is_checkpoint(head: bytes) -> bool:
  """Whether a file that begins so is an archive or a pickle."""
  return head[:2] == b"PK" or head[:1] == b"\x80"
