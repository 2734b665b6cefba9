"""Tiles: every image decoded, checked and resized once, into one memory map."""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from histojax import console
from histojax.data.catalogue import DataSet
from histojax.errors import InputError

TEXTS = ("group", "image_id", "split", "digest")


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

  def __len__(self) -> int:
    return len(self.label)


def cache_root() -> Path:
  """`$XDG_CACHE_HOME/histojax`, by default `~/.cache/histojax`."""
  return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "histojax"


def prepare(dataset: DataSet, stored_size: Callable, geometry: str) -> Tiles:
  """Opens the tiles of `dataset`, building what is missing.

  Args:
    stored_size: (height, width) of an image -> (height, width) to store.
    geometry: what `stored_size` depends on; another geometry is another cache.

  Raises:
    InputError: an image that cannot be read, or a cache that cannot be written.
  """
  key = hashlib.sha256(f"{dataset.fingerprint},{geometry}".encode()).hexdigest()[:16]
  folder = cache_root() / "tiles" / f"{dataset.name}-{key}"
  try:
    if not folder.exists():
      folder.parent.mkdir(parents=True, exist_ok=True)
      _decode(_build(dataset), folder, stored_size)
  except OSError as error:
    raise InputError(
      f"cannot write the cache {cache_root()}: {error.strerror or error}; set"
      " XDG_CACHE_HOME to a folder with room"
    ) from error
  meta = json.loads((folder / "tiles.json").read_text())
  arrays = {k: np.asarray(meta[k], np.int32) for k in ("extent", "label")}
  arrays |= {k: np.asarray(meta[k]) for k in TEXTS}
  image = np.load(folder / "tiles.npy", mmap_mode="r")
  return Tiles(image=image, classes=tuple(meta["classes"]), **arrays)


def decoded(dataset: DataSet, stored_size: Callable, limit: int):
  """Yields up to `limit` images, decoded anew as for the cache: to time that."""
  import tensorflow_datasets as tfds

  builder = _build(dataset)
  (name,), skip = builder.info.splits, {"image": tfds.decode.SkipDecoding()}
  source = builder.as_data_source(split=name, decoders=skip)
  for i in range(min(limit, len(source))):
    example = source[i]
    yield _pixels(example["image"], stored_size(*_describe(example)["size"]))[0]


def _build(dataset: DataSet):
  """Builds the ArrayRecord files unless they are there; returns the builder."""
  import tensorflow_datasets as tfds

  tfds.disable_progress_bar()
  data_dir = cache_root() / "tfds" / dataset.fingerprint
  data_dir.mkdir(parents=True, exist_ok=True)
  with (
    console.Progress(dataset.images, f"building {dataset.name}", "image") as progress,
    contextlib.redirect_stdout(io.StringIO()),  # TFDS prints where it writes
  ):
    builder = dataset.builder(data_dir=str(data_dir), progress=progress.advance)
    if not builder.is_prepared():
      builder.download_and_prepare(file_format="array_record")
  built = sum(split.num_examples for split in builder.info.splits.values())
  if built != dataset.images:
    raise InputError(f"{data_dir} holds {built} of {dataset.images} images: delete it")
  return builder


def _decode(builder, folder: Path, stored_size: Callable) -> None:
  """Fills a new `folder` with all images of the builder; whole, or not at all."""
  import grain
  import tensorflow_datasets as tfds

  (name,), features = builder.info.splits, builder.info.features
  pictures = {k for k in ("image", "nuclei") if k in features}
  skip = {k: tfds.decode.SkipDecoding() for k in pictures}
  source = builder.as_data_source(split=name, decoders=skip)
  found = sorted(
    (_describe(source[i]) | {"place": i} for i in range(len(source))),
    key=lambda row: row["image_id"],
  )
  sizes = [stored_size(*row.pop("size")) for row in found]

  def decode(i):
    encoded = source[found[i]["place"]]["image"]
    try:
      return _pixels(encoded, sizes[i])
    except Exception as error:  # raised below, by the thread that may raise
      return None, _unreadable(found[i]["image_id"], error)

  threads = grain.ReadOptions(os.cpu_count() or 1, prefetch_buffer_size=64)
  decoded = grain.MapDataset.range(len(found)).map(decode).to_iter_dataset(threads)
  partial = Path(tempfile.mkdtemp(prefix=folder.name, dir=folder.parent))
  try:
    shape = (len(found), *np.max(sizes, axis=0).tolist(), 3)
    images = np.lib.format.open_memmap(partial / "tiles.npy", "w+", np.uint8, shape)
    with console.Progress(len(found), "decoding", "image") as progress:
      for row, (pixels, digest) in enumerate(decoded):
        if pixels is None:
          raise InputError(digest)
        images[row, : pixels.shape[0], : pixels.shape[1]] = pixels
        found[row]["digest"] = digest
        progress.advance()
    images.flush()
    meta = {k: [row[k] for row in found] for k in ("label", *TEXTS)}
    meta |= {"extent": sizes, "classes": features["label"].names}
    (partial / "tiles.json").write_text(json.dumps(meta))
    os.replace(partial, folder)
  finally:
    shutil.rmtree(partial, ignore_errors=True)


def _describe(example: dict) -> dict:
  """Everything but the pixels; of the image only its header is read."""
  from PIL import Image

  row = {k: example.get(k, b"").decode() for k in ("image_id", "group", "split")}
  try:
    with Image.open(io.BytesIO(example["image"])) as image:
      turned = image.getexif().get(0x0112, 1) >= 5  # this orientation swaps the axes
      row["size"] = image.size if turned else image.size[::-1]
  except Exception as error:
    raise InputError(_unreadable(row["image_id"], error)) from error
  return row | {"label": int(example["label"])}


def _pixels(encoded: bytes, stored: tuple[int, int]) -> tuple[np.ndarray, str]:
  """(uint8 [h, w, 3] of the stored size, digest of the pixels at full size)."""
  from PIL import Image, ImageOps

  with Image.open(io.BytesIO(encoded)) as image:
    image = ImageOps.exif_transpose(image).convert("RGB")
  digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()[:32]
  if image.size != stored[::-1]:  # Pillow's bilinear filter is antialiased
    image = image.resize(stored[::-1], Image.Resampling.BILINEAR)
  return np.asarray(image), digest


def _unreadable(image_id: str, error: Exception) -> str:
  return f"cannot read image {image_id}: {error}; repair it or remove it"
