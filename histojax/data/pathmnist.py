"""PathMNIST: the images of NCT-CRC-HE in one file, as a source of `nct_crc`.

MedMNIST v2 cut the 100,000 into 89,996 to train and 10,004 to choose, by image, and
kept the 7,180 of CRC-VAL-HE-7K to test; all of 28, 64, 128 or 224 pixels. Its labels 0
to 8 are the nine classes in the order of their short names, as Zenodo's folders.

Download: https://zenodo.org/records/10519652, pathmnist.npz (28 pixels),
pathmnist_64.npz, pathmnist_128.npz or pathmnist_224.npz (12 GB), licence CC BY 4.0.
Arrays are read row by row and never unpickled: a file of any size takes little memory.
"""

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from histojax import atomic, console
from histojax.data import cache
from histojax.data.folder import Folder
from histojax.errors import InputError

PARTS = {"train": 89_996, "val": 10_004, "test": 7_180}  # its names, and its images
SPLITS = {"train": "train", "val": "validation", "test": "test"}
SIZES = (28, 64, 128, 224)
MD5 = {  # as MedMNIST states them
  "pathmnist.npz": "a8b06965200029087d5bd730944a56c1",
  "pathmnist_64.npz": "55aa9c1e0525abe5a6b9d8343a507616",
  "pathmnist_128.npz": "ac42d08fb904d92c244187169d1fd1d9",
  "pathmnist_224.npz": "2c51a510bcdc9cf8ddb2af93af1eadec",
}
LICENCE = "CC BY 4.0"
CITATION = (
  "Yang J et al. MedMNIST v2. Scientific Data 2023; 10:41, 10.5281/zenodo.10519652; of"
  " Kather JN et al., 10.5281/zenodo.1214456"
)
BLOCK = 1 << 22


def is_one(source: str) -> bool:
  return source.lower().endswith(".npz")


def read(source: str) -> tuple[int, str, tuple[str, ...]]:
  """(images, fingerprint, notes) of an .npz file, from its headers.

  Raises:
    InputError: no such file, or not the arrays of PathMNIST.
  """
  path = Path(source).expanduser()
  if not path.is_file():
    raise InputError(f"data.source: no such file: {path}")
  found, size = {}, 0
  for part in PARTS:
    shape, labels = _shape(path, f"{part}_images"), _labels(path, part)
    if len(shape) != 4 or shape[1:] not in [(s, s, 3) for s in SIZES]:
      raise InputError(
        f"{path}: {part}_images has the shape {shape}; expected N x S x S x 3 with S"
        f" one of {', '.join(map(str, SIZES))}, as in pathmnist.npz"
      )
    if len(labels) != shape[0]:
      raise InputError(f"{path}: {shape[0]} {part}_images, but {len(labels)} labels")
    found[part], size = shape[0], shape[1]
  stat = path.stat()
  key = repr(("pathmnist", str(path.resolve()), stat.st_size, stat.st_mtime_ns))
  key = hashlib.sha256(key.encode()).hexdigest()[:16]
  return sum(found.values()), key, tuple(_notes(path, found, size, key))


class PathMnist(Folder):
  """PathMNIST: NCT-CRC-HE in one .npz file, with parts of its own."""

  VERSION = tfds.core.Version("1.0.0")

  def __init__(self, *, source: str, classes: tuple[str, ...], **kwargs):
    self._path = Path(source).expanduser()
    super().__init__(items=[], classes=classes, **kwargs)

  def _generate_examples(self):
    for part, split in SPLITS.items():
      for i, (pixels, label) in enumerate(_rows(self._path, part)):
        name = f"{split}/{i:05d}"
        example = {"image_id": name, "group": name, "split": split}
        yield name, example | {"label": label, "image": io.BytesIO(_png(pixels))}
        self._progress()


def _rows(path: Path, part: str) -> Iterator[tuple[np.ndarray, int]]:
  """Every image of a part with its label; one image in memory at a time."""
  shape, labels = _shape(path, f"{part}_images"), _labels(path, part)
  with _reading(path), zipfile.ZipFile(path) as archive:
    with archive.open(f"{part}_images.npy") as file:
      _header(file)
      for label in labels:
        raw = file.read(int(np.prod(shape[1:])))
        yield np.frombuffer(raw, np.uint8).reshape(shape[1:]), int(label)


def _labels(path: Path, part: str) -> np.ndarray:
  with _reading(path), np.load(path, allow_pickle=False) as held:
    labels = held[f"{part}_labels"]
  if labels.dtype.kind not in "iu" or labels.size != len(labels):
    raise InputError(f"{path}: {part}_labels are not one whole number per image")
  if labels.size and not 0 <= labels.min() <= labels.max() <= 8:
    raise InputError(f"{path}: {part}_labels are not all from 0 to 8")
  return labels.reshape(-1)


def _shape(path: Path, name: str) -> tuple[int, ...]:
  with _reading(path), zipfile.ZipFile(path) as archive:
    with archive.open(f"{name}.npy") as file:
      shape, fortran, dtype = _header(file)
  if dtype != np.uint8 or fortran:
    raise InputError(f"{path}: {name} are not bytes, row by row, but {dtype}")
  return shape


def _header(file):
  version = np.lib.format.read_magic(file)
  if version == (1, 0):
    return np.lib.format.read_array_header_1_0(file)
  return np.lib.format.read_array_header_2_0(file)


@contextlib.contextmanager
def _reading(path: Path):
  try:
    yield
  except KeyError as error:
    raise InputError(
      f"{path} is not PathMNIST: {str(error.args[0]).rstrip('.')}; expected the arrays"
      " train_images, train_labels, val_images, ..., test_labels"
    ) from error
  except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
    raise InputError(
      f"{path} cannot be read as .npz ({error}): download it again"
    ) from error


def _png(pixels: np.ndarray) -> bytes:
  from PIL import Image

  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
  return buffer.getvalue()


def _notes(path: Path, found: dict[str, int], size: int, key: str) -> Iterator[str]:
  counts = ", ".join(f"{n:,} {SPLITS[part]}" for part, n in found.items())
  if found == PARTS:
    yield f"PathMNIST of {size} pixels, whole: {counts} images, in its own parts."
  else:
    yield (
      f"PathMNIST of {size} pixels in part: {counts}, of"
      f" {sum(PARTS.values()):,} images; published scores do not compare."
    )
  if expected := MD5.get(path.name):
    actual = _md5(path, key)
    same = f"is {expected}, as published"
    other = f"is {actual}, not {expected}: this is not the published file"
    yield f"md5 of {path.name} {same if actual == expected else other}."


def _md5(path: Path, key: str) -> str:
  """Of a file of gigabytes, remembered in the cache."""
  memory = cache.cache_root() / "md5" / key
  with contextlib.suppress(OSError):
    return memory.read_text()
  digest, blocks = hashlib.md5(), -(-path.stat().st_size // BLOCK)
  with (
    path.open("rb") as file,
    console.Progress(blocks, f"checking {path.name}", "block") as progress,
  ):
    while block := file.read(BLOCK):
      digest.update(block)
      progress.advance()
  with contextlib.suppress(OSError):  # only slower the next time
    atomic.write(memory, digest.hexdigest().encode())
  return digest.hexdigest()
