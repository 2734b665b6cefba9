"""What is in the cache, and whether a config finds its images."""

import ast
import collections
import json
import math
import os
import struct
from pathlib import Path

from histojax.doctor.line import BROKEN, OK, Line, size
from histojax.errors import InputError


def look(request) -> list[Line]:
  from histojax.data.cache import cache_root

  root = cache_root()
  lines = [*_kinds(root), *_sets(root)]
  return lines + ([_config(request, root)] if request and request.config else [])


def _kinds(root: Path):
  """The size of the cache by kind: tfds, tiles, compiled code per kind of machine."""
  if not root.is_dir():
    return
  kinds = {p.name: _bytes(p) for p in sorted(root.iterdir()) if p.is_dir()}
  machines = len(list((root / "jax").glob("*")))
  text = ", ".join(f"{name} {size(n)}" for name, n in kinds.items() if n >= 2**20)
  if machines > 1:
    text += f" (code for {machines} kinds of machine, kept apart)"
  if text:
    yield Line(OK, "in the cache", text)


def _sets(root: Path):
  """One line per data set, by name: what is built, and what is decoded of it."""
  builds, tiles = collections.defaultdict(list), collections.defaultdict(list)
  for info in sorted((root / "tfds").rglob("dataset_info.json")):
    try:
      held = json.loads(info.read_text())
      parts = [n for split in held["splits"] for n in split["shardLengths"]]
      builds[held["name"]].append((sum(map(int, parts)), _bytes(info.parent)))
    except (OSError, ValueError, KeyError, TypeError):
      continue  # half-built, or of another version: a run builds it anew
  for file in sorted((root / "tiles").glob("*/tiles.npy")):
    if (shape := _shape(file)) is not None:
      tiles[file.parent.name.rpartition("-")[0]].append((shape[0], math.prod(shape)))
  for name in sorted(builds | tiles):
    text = []
    for what, found in (("built", builds[name]), ("decoded", tiles[name])):
      if found:
        times = f" in {len(found)} sets" if len(found) > 1 else ""
        images, held = (sum(column) for column in zip(*found, strict=True))
        text.append(f"{images:,} images {what}{times}, {size(held)}")
    yield Line(OK, name, "; ".join(text))


def _config(request, root: Path) -> Line:
  name = Path(request.file).stem + f":{request.variant}" * bool(request.variant)
  try:
    from histojax.data import catalogue

    dataset = catalogue.find(request.config.data)
  except InputError as error:
    fix = "set --config.data.source, and look again"
    return Line(BROKEN, "config", f"{name}: {error}", fix)
  except ImportError as error:
    text = f"{name}: not looked at, {error.name} cannot be imported"
    return Line(BROKEN, "config", text, "see packages")
  built = (root / "tfds" / dataset.fingerprint).exists()
  kind = "SYNTHETIC images" if dataset.synthetic else "images"
  text = f"{name}: {dataset.images:,} {kind} of {dataset.name}"
  return Line(OK, "config", f"{text}, {'built' if built else 'not built yet'}")


def _bytes(folder: Path) -> int:
  total = 0
  for path, _, files in os.walk(folder):
    for name in files:
      try:
        total += os.lstat(os.path.join(path, name)).st_size
      except OSError:
        continue  # gone in between
  return total


def _shape(file: Path) -> tuple[int, ...] | None:
  """The shape in the header of a .npy file of bytes, read without numpy."""
  try:
    with file.open("rb") as held:
      held.seek(8)
      (length,) = struct.unpack("<H", held.read(2))
      return ast.literal_eval(held.read(length).decode("latin1").strip())["shape"]
  except (OSError, ValueError, SyntaxError, KeyError, struct.error):
    return None
