"""Fills a decode cache: every image decoded, checked and resized once."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from histojax import atomic, console
from histojax.data import decode, encoding
from histojax.data.skipped import Skipped, refusal
from histojax.errors import InputError

TEXTS = ("group", "image_id", "split", "digest")


def fill(
  builder, folder: Path, stored_size: Callable, on_error: str, duplicates: str = "keep"
) -> None:
  """Fills an empty `folder` with the images of `builder` that can be read.

  With `duplicates` = drop, only the first of images with the same pixels.

  Raises:
    InputError: one that cannot, unless `on_error` is skip; or a class or a predefined
      split of which none can.
  """
  import grain

  encoded = source(builder)
  names = builder.info.features["label"].names
  with decode.quiet():
    found = [describe(encoded[i], stored_size) | {"at": i} for i in range(len(encoded))]
    found.sort(key=lambda row: row["image_id"])

    def decoded(i):
      row = found[i]
      try:
        return row["error"] or pixels(encoded[row["at"]]["image"], row["size"])
      except decode.Unreadable as error:  # judged below, by the thread that may raise
        return error

    threads = grain.ReadOptions(os.cpu_count() or 1, prefetch_buffer_size=64)
    results = grain.MapDataset.range(len(found)).map(decoded).to_iter_dataset(threads)
    images = _map(folder / "tiles.npy", [r["size"] for r in found if not r["error"]])
    kept, first = [], {}
    with console.Progress(len(found), "decoding", "image") as progress:
      for row, result in zip(found, results, strict=True):
        if isinstance(result, decode.Unreadable):
          row["error"] = result
          if on_error == "refuse":
            raise InputError(refusal([_skipped(row)])) from result
        else:
          picture, row["digest"] = result
          row["of"] = first.setdefault(row["digest"], row["image_id"])
          if duplicates == "drop" and row["of"] != row["image_id"]:
            progress.advance()
            continue
          images[len(kept), : picture.shape[0], : picture.shape[1]] = picture
          kept.append(row)
        progress.advance()
  _check_nothing_is_emptied(found, kept, names)
  _shrink(images, folder / "tiles.npy", [row["size"] for row in kept])
  np.save(folder / "files.npy", np.array([row["file"] for row in kept], np.float64))
  meta = {k: [row[k] for row in kept] for k in ("label", *TEXTS)}
  meta |= {"extent": [row["size"] for row in kept], "classes": names}
  meta["skipped"] = [_skipped(row) for row in found if row["error"]]
  copies = [r for r in found if not r["error"] and r["of"] != r["image_id"]]
  meta["duplicates"] = [
    (r["image_id"], r["of"]) for r in copies if duplicates == "drop"
  ]
  (folder / "tiles.json").write_text(json.dumps(meta))


def source(builder):
  """Random access to the examples of a TFDS builder, their images still encoded."""
  import tensorflow_datasets as tfds

  (name,), features = builder.info.splits, builder.info.features
  pictures = {k for k in ("image", "nuclei") if k in features}
  skip = {k: tfds.decode.SkipDecoding() for k in pictures}
  return builder.as_data_source(split=name, decoders=skip)


def describe(example: dict, stored_size: Callable) -> dict:
  """Everything but the pixels: of the file only its header is read."""
  row = {k: example.get(k, b"").decode() for k in ("image_id", "group", "split")}
  row |= {"label": int(example["label"]), "error": None}
  try:
    row["size"] = stored_size(*decode.size(example["image"]))
    return row | {"file": encoding.features(example["image"])}
  except decode.Unreadable as error:
    return row | {"error": error}


def pixels(encoded: bytes, stored: tuple[int, int]) -> tuple[np.ndarray, str]:
  """(uint8 [h, w, 3] of the stored size, digest of the pixels at full size)."""
  from PIL import Image

  image = decode.rgb(encoded)
  digest = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()[:32]
  if image.size != stored[::-1]:  # Pillow's bilinear filter is antialiased
    image = image.resize(stored[::-1], Image.Resampling.BILINEAR)
  return np.asarray(image), digest


def _skipped(row: dict) -> Skipped:
  return Skipped(row["image_id"], row["error"].kind, str(row["error"]))


def _map(path: Path, sizes: list[tuple[int, int]]) -> np.memmap:
  """A new uint8 array file for images of these sizes, its room on the disk taken."""
  shape = len(sizes), *np.max(sizes or [(1, 1)], axis=0).tolist(), 3
  images = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
  atomic.reserve(path, images.offset + images.nbytes)
  return images


def _shrink(images: np.memmap, path: Path, sizes: list[tuple[int, int]]) -> None:
  """As if the skipped images had never been: no row of theirs, no pixel of padding."""
  if len(sizes) < len(images):
    smaller = _map(path.with_name("smaller.npy"), sizes)
    _, height, width, _ = smaller.shape
    for row in range(len(smaller)):
      smaller[row] = images[row, :height, :width]
    smaller.flush()
    os.replace(path.with_name("smaller.npy"), path)
  images.flush()


def _check_nothing_is_emptied(found: list[dict], kept: list[dict], names) -> None:
  for key, what in (("label", "class"), ("split", "split")):
    for value in sorted({row[key] for row in found} - {row[key] for row in kept}):
      rows = [row for row in found if row[key] == value]
      lost = [_skipped(row) for row in rows if row["error"]]
      name = names[value] if key == "label" else value
      if not lost:
        raise InputError(
          f"every image of {what} {name!r} has the pixels of another, as"
          f" {rows[0]['image_id']} those of {rows[0]['of']}: remove the class, or add"
          " c.data.duplicates = 'keep' to the config file"
        )
      raise InputError(
        f"no image of {what} {name!r} can be read: {len(lost):,} are skipped, the first"
        f" is {lost[0].image_id} ({lost[0].why}); repair them, or leave them all out"
      )
