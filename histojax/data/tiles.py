"""Tiles: the decoded images of a data set, opened from their cache as a memory map."""

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import Callable

import numpy as np

from histojax import console
from histojax.data import cache, decode
from histojax.data.cache import cache_root
from histojax.data.catalogue import DataSet
from histojax.data.fill import TEXTS, fill, pixels, source
from histojax.data.skipped import Duplicate, Skipped, refusal
from histojax.errors import InputError, nearest, of_machine

FORMAT = 3  # changes with how images are decoded and stored
ON_ERROR = ("refuse", "skip")  # what becomes of an image that cannot be read
DUPLICATES = ("keep", "drop")  # and of one with the pixels of another


@dataclasses.dataclass(frozen=True)
class Tiles:
  """N decoded images; row i of every field is one image, sorted by image_id."""

  image: np.ndarray  # uint8 [N, H, W, 3], padded at the right and bottom
  extent: np.ndarray  # int32 [N, 2], the height and width that are image
  label: np.ndarray  # int32 [N]
  group: np.ndarray  # str [N], patient or slide: what must not cross a split
  image_id: np.ndarray  # str [N]
  split: np.ndarray  # str [N], '' where nothing is predefined
  digest: np.ndarray  # str [N], of the decoded pixels at full size
  classes: tuple[str, ...]
  skipped: tuple[Skipped, ...] = ()  # what data.on_error=skip left out
  duplicates: tuple[Duplicate, ...] = ()  # what data.duplicates=drop left out
  files: np.ndarray | None = None  # float64 [N, F], `encoding.FEATURES` of each file
  keeper: object = None  # the handout.Handout that must admit rows, if any

  def __len__(self) -> int:
    return len(self.label)


def prepare(
  dataset: DataSet, stored_size: Callable, geometry: str, on_error: str = "refuse"
) -> Tiles:
  """Opens the tiles of `dataset`, building what is missing or damaged.

  Args:
    stored_size: (height, width) of an image -> (height, width) to store.
    geometry: what `stored_size` depends on; another geometry is another cache.
    on_error: what becomes of an image that cannot be read: refuse, or skip.

  Raises:
    InputError: an image that cannot be read, or a cache that cannot be written.
  """
  if on_error not in ON_ERROR:
    raise InputError(f"data.on_error={on_error!r}: {nearest(on_error, ON_ERROR)}")
  if dataset.duplicates not in DUPLICATES:
    known = nearest(dataset.duplicates, DUPLICATES)
    raise InputError(f"data.duplicates={dataset.duplicates!r}: {known}")
  key = f"{dataset.fingerprint},{geometry},{FORMAT}"
  key += ",drop" * (dataset.duplicates == "drop")
  key = hashlib.sha256(key.encode()).hexdigest()[:16]

  def build(partial):
    fill(_build(dataset), partial, stored_size, on_error, dataset.duplicates)

  with _writing():
    folder = cache.kept(cache_root() / "tiles" / f"{dataset.name}-{key}", build)
  meta = json.loads((folder / "tiles.json").read_text())
  skipped = tuple(Skipped(*row) for row in meta["skipped"])
  if skipped and on_error == "refuse":  # another run built it, and skipped them
    raise InputError(refusal(skipped))
  arrays = {k: np.asarray(meta[k], np.int32) for k in ("extent", "label")}
  arrays |= {k: texts(meta[k]) for k in TEXTS}
  arrays["image"] = np.load(folder / "tiles.npy", mmap_mode="r")
  arrays["files"] = np.load(folder / "files.npy")
  duplicates = tuple(Duplicate(*row) for row in meta.get("duplicates", ()))
  left_out = {"skipped": skipped, "duplicates": duplicates}
  return Tiles(classes=tuple(meta["classes"]), **left_out, **arrays)


def decoded(dataset: DataSet, stored_size: Callable, limit: int):
  """Yields up to `limit` images, decoded anew as for the cache: to time that."""
  encoded = source(_build(dataset))
  for i in range(min(limit, len(encoded))):
    image = encoded[i]["image"]
    try:
      with decode.quiet():
        picture, _ = pixels(image, stored_size(*decode.size(image)))
    except decode.Unreadable:
      continue
    yield picture


def file_digests(dataset: DataSet, image_ids: list[str]) -> dict[str, str]:
  """SHA-256 of the encoded images of these names, as the data set keeps them."""
  wanted = set(image_ids)
  found = {}
  for example in source(_build(dataset)) if wanted else ():
    name = example["image_id"].decode()
    if name in wanted:
      found[name] = hashlib.sha256(example["image"]).hexdigest()
  return found


def texts(values: list[str]) -> np.ndarray:
  """An array of objects, equal ones shared: one long name must not widen every row."""
  once = {}
  return np.array([once.setdefault(value, value) for value in values], object)


@contextlib.contextmanager
def _writing():
  """What goes wrong with the disk, as one sentence."""
  try:
    yield
  except Exception as error:  # TFDS and ArrayRecord have types of their own
    sentence = of_machine(error, cache_root())
    if isinstance(error, InputError) or not (sentence or isinstance(error, OSError)):
      raise
    raise InputError(
      f"cannot write the cache: {sentence or error} (or set XDG_CACHE_HOME to a folder"
      " with room)"
    ) from error


def _build(dataset: DataSet):
  """The builder of `dataset`, its ArrayRecord files whole: built before or now."""
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()
  # it would ask Google for data of this name, and leave an empty folder in TMPDIR
  tfds.core.DatasetInfo.initialize_from_bucket = lambda self: None

  def build(partial):
    with (
      console.Progress(dataset.images, f"building {dataset.name}", "image") as progress,
      contextlib.redirect_stdout(io.StringIO()),  # TFDS prints where it writes
    ):
      builder = dataset.builder(data_dir=str(partial), progress=progress.advance)
      builder.download_and_prepare(file_format="array_record")
    built = sum(split.num_examples for split in builder.info.splits.values())
    if built != dataset.images:
      raise InputError(
        f"{dataset.name}: {built:,} of {dataset.images:,} images were built; if its"
        " files have changed meanwhile, run again"
      )

  data_dir = cache.kept(cache_root() / "tfds" / dataset.fingerprint, build)
  return dataset.builder(data_dir=str(data_dir), progress=lambda: None)
