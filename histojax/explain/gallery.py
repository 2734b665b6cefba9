"""Images of the user's own, labelled or not, as tiles of a trained run."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from histojax import console
from histojax.data import decode, fill
from histojax.data.listing import EXTENSIONS
from histojax.data.tiles import Tiles, texts
from histojax.errors import InputError

MOST = 1_000  # images; a larger folder is a data set


def read(source: str, classes: tuple[str, ...], stored_size: Callable) -> Tiles:
  """The images below a folder, sorted by name.

  An image in a folder `<class>/...` of one of the run's classes is of that class; the
  label of any other is -1.

  Args:
    stored_size: (height, width) of an image -> (height, width) to keep.

  Raises:
    InputError: no such folder, no images or too many, or one that cannot be read.
  """
  names = _names(source)
  pictures, digests = [], []
  with decode.quiet(), console.Progress(len(names), "decoding", "image") as progress:
    for name in names:
      try:
        encoded = (Path(source).expanduser() / name).read_bytes()
        picture, digest = fill.pixels(encoded, stored_size(*decode.size(encoded)))
      except (OSError, decode.Unreadable) as error:
        raise InputError(
          f"--images: cannot read {name} of {source}: {error}"
        ) from error
      pictures.append(picture)
      digests.append(digest)
      progress.advance()
  extent = np.array([picture.shape[:2] for picture in pictures], np.int32)
  image = np.zeros((len(names), *extent.max(0), 3), np.uint8)
  for row, picture in zip(image, pictures, strict=True):
    row[: picture.shape[0], : picture.shape[1]] = picture
  number = {name: k for k, name in enumerate(classes)}
  label = [number.get(name.split("/")[0], -1) if "/" in name else -1 for name in names]
  return Tiles(
    image=image,
    extent=extent,
    label=np.array(label, np.int32),
    group=texts(names),
    image_id=texts(names),
    split=texts([""] * len(names)),
    digest=texts(digests),
    classes=classes,
  )


def _names(source: str) -> list[str]:
  root, found = Path(source).expanduser(), []
  if not root.is_dir():
    raise InputError(f"--images={source}: no such folder")
  for where, folders, files in os.walk(root):
    folders[:] = [name for name in folders if not name.startswith(".")]
    known = (n for n in files if n.lower().endswith(EXTENSIONS) and n[0] != ".")
    found += [(Path(where) / name).relative_to(root).as_posix() for name in known]
  if not found:
    raise InputError(
      f"--images={source}: no images there (files ending in {', '.join(EXTENSIONS)})"
    )
  if len(found) > MOST:
    raise InputError(
      f"--images={source}: {len(found):,} images, more than {MOST:,}; give a smaller"
      " folder"
    )
  return sorted(found)
