"""Folders that are built once and kept: whole, sealed, and built again when damaged.

The seal is a file of CRC-32 sums, compared at every opening: 0.3 s per GB and core in
the page cache. What is damaged later, while a run has it open, is not noticed.
"""

import glob
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from histojax import atomic, console

SEAL = "checksums.json"
BLOCK = 4 << 20  # bytes under one sum


def cache_root() -> Path:
  """`$XDG_CACHE_HOME/histojax`, by default `~/.cache/histojax`."""
  return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "histojax"


def kept(folder: Path, build: Callable[[Path], None]) -> Path:
  """`folder` as `build(an empty folder)` filled it, before or now.

  Of several processes one builds and the others wait for it. A damaged folder is built
  anew, and a line says so.

  Raises:
    OSError: the cache cannot be written; nothing half-written is left.
  """
  if not damage(folder):
    return folder
  folder.parent.mkdir(parents=True, exist_ok=True)
  busy = f"another process is building {folder.name}: waiting for it"
  with atomic.lock(cache_root() / "locks" / folder.name, busy, wait=True):
    found = damage(folder)
    if not found:  # the other process has built it
      return folder
    if folder.exists():
      console.warn(f"the cache {folder} is not whole ({found}): building it again")
    for old in folder.parent.glob(f"{glob.escape(folder.name)}.*"):
      shutil.rmtree(old, ignore_errors=True)  # of a process that was killed
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
      build(partial)
      atomic.write(partial / SEAL, json.dumps(_sums(partial)).encode())
      _publish(partial, folder)
    finally:
      shutil.rmtree(partial, ignore_errors=True)
  return folder


def damage(folder: Path) -> str:
  """What is wrong with a folder of `kept`, in a few words; '' where it is whole."""
  try:
    seal = json.loads((folder / SEAL).read_bytes())
    found = _sums(folder)
  except FileNotFoundError:
    return f"{SEAL} is missing"
  except OSError as error:
    return f"it cannot be read: {error}"
  except ValueError:
    seal = None
  if not isinstance(seal, dict) or not seal:
    return f"{SEAL} is damaged"
  for name, sums in seal.items():
    if name not in found:
      return f"{name} is missing"
    if sums != found[name]:
      return f"{name} is damaged"
  return ""


def _sums(folder: Path) -> dict[str, list[int]]:
  """{file: [its bytes, the CRC-32 of every block]} of all files but the seal."""
  files = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*"))}
  sizes = {
    name: p.stat().st_size for name, p in files.items() if p.is_file() and name != SEAL
  }
  blocks = [(name, at) for name, size in sizes.items() for at in range(0, size, BLOCK)]

  def crc(block):
    name, at = block
    buffer = bytearray(BLOCK)  # read, not mapped: mapped pages would count as memory
    with files[name].open("rb", buffering=0) as file:
      file.seek(at)
      size = file.readinto(buffer)
    return zlib.crc32(memoryview(buffer)[:size])

  found = {name: [size] for name, size in sizes.items()}
  with (
    console.Progress(len(blocks), f"checking {folder.name}", "block") as progress,
    ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
  ):
    for (name, _), value in zip(blocks, pool.map(crc, blocks), strict=True):
      found[name].append(value)
      progress.advance()
  return found


def _publish(partial: Path, folder: Path) -> None:
  aside = partial.with_name(f"{partial.name}.old")
  if folder.exists():
    os.rename(folder, aside)
  try:
    os.rename(partial, folder)
  except OSError:  # without locks another process may have been faster
    if damage(folder):
      raise
  shutil.rmtree(aside, ignore_errors=True)
