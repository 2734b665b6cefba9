"""Archives as sources: unpacked once into the cache, and never anywhere else.

Every name is checked before a byte is written. An archive that holds an absolute or
climbing path, a drive letter, a backslash, a link, a device, a name twice, or two names
that one file system could take for one, is refused whole: no honest packer writes them.
Only images and manifests are written; hidden files are left out.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from histojax import console
from histojax.data import cache
from histojax.data.names import problem, shown
from histojax.errors import InputError, of_machine

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
BLOCK = 4096  # what a small file takes on a disk
REPACK = "unpack it yourself and give the folder as data.source"


class Member(NamedTuple):
  """One entry of an archive; `open` gives a file of its bytes."""

  name: str
  kind: str  # file, folder, link, or device
  size: int  # bytes, as declared
  open: Callable


def is_archive(path: Path) -> bool:
  return path.name.lower().endswith(SUFFIXES)


def unpack(path: Path, extensions: tuple[str, ...]) -> Path:
  """The folder of the cache with the files of the archive that end in `extensions`.

  An archive of other content is unpacked anew; a kill leaves nothing that is used.

  Raises:
    InputError: the archive is hostile, damaged, encrypted, or larger than the room.
  """
  try:
    folder = _folder(path)
    if not _whole(folder):
      cache.kept(folder, functools.partial(_unpack, path, extensions))
  except OSError as error:
    raise InputError(
      f"cannot unpack {path}: {of_machine(error) or error} (or set XDG_CACHE_HOME to a"
      " folder with room)"
    ) from error
  return folder / "files"


def md5(path: Path) -> str:
  """Of an archive that has been unpacked."""
  return (_folder(path) / "md5").read_text()


def target(name: str) -> tuple[str, ...]:
  """The parts of a member's path below the folder that it is unpacked into.

  Raises:
    InputError: a name that could lead anywhere else, or that no file can have.
  """
  parts = tuple(part for part in name.split("/") if part not in ("", "."))
  wrong = {
    "is an absolute path": name.startswith("/"),
    "climbs out of its folder": ".." in parts,
    "has a backslash": "\\" in name,
    "has a drive letter": bool(re.match(r"[A-Za-z]:", "/".join(parts))),
    problem(name): problem(name),
  }
  for reason, holds in wrong.items():
    if holds:
      raise InputError(f"{shown(name)} {reason}")
  return parts


def _folder(path: Path) -> Path:
  """Where an archive of this content belongs."""
  size, changed = path.stat().st_size, path.stat().st_mtime_ns
  digest = hashlib.sha256(f"{size},{changed}".encode())
  with path.open("rb") as file:  # the end of a zip lists sizes and checksums
    digest.update(file.read(1 << 16))
    file.seek(max(0, size - (1 << 16)))
    digest.update(file.read())
  return cache.cache_root() / "archives" / digest.hexdigest()[:16]


def _whole(folder: Path) -> bool:
  """Whether every file is there in its length: reading all would take minutes."""
  try:
    seal = json.loads((folder / cache.SEAL).read_bytes())
  except (OSError, ValueError):
    return False
  found = {
    os.path.relpath(os.path.join(where, name), folder)
    for where, _, names in os.walk(folder)
    for name in names
  }
  return found == {*seal, cache.SEAL} and all(
    (folder / name).stat().st_size == size for name, (size, *_) in seal.items()
  )


def _unpack(path: Path, extensions: tuple[str, ...], folder: Path) -> None:
  (folder / "files").mkdir()
  with _reading(path), _members(path) as members:
    chosen = _checked(members, shutil.disk_usage(folder).free, extensions)
    changed = path.stat().st_mtime_ns
    with console.Progress(len(chosen), f"unpacking {path.name}", "file") as progress:
      for parts, member in chosen:
        _copy(member, folder.joinpath("files", *parts), changed)
        progress.advance()
  with path.open("rb") as file:
    (folder / "md5").write_text(hashlib.file_digest(file, "md5").hexdigest())


@contextlib.contextmanager
def _reading(path: Path):
  """Whatever a damaged archive makes its reader raise, as one sentence."""
  try:
    yield
  except InputError as error:
    raise InputError(f"{path}: {error}; {REPACK}") from error
  except Exception as error:
    if isinstance(error, OSError) and error.errno:  # the disk, not the archive
      raise
    said = " ".join(str(error).split()) or type(error).__name__
    raise InputError(
      f"{path} cannot be unpacked ({said}): download it again, or {REPACK}"
    ) from error


def _checked(members: Iterable[Member], room: int, extensions) -> list:
  """[(parts, member)] to write; everything else about the archive is in order."""
  chosen, needed, seen = [], 0, {}
  for member in members:
    parts = target(member.name)
    if member.kind not in ("file", "folder"):
      raise InputError(f"{shown(member.name)} is a {member.kind}")
    _claim(seen, parts, member.kind)
    hidden = any(part.startswith(".") for part in parts)  # as all below __MACOSX
    if not parts or hidden or member.kind == "folder":
      continue
    if parts[-1].lower().endswith(extensions):
      chosen.append((parts, member))
      needed += -(-member.size // BLOCK) * BLOCK + BLOCK
      if needed > room:
        raise InputError(
          f"its files take more than the {room / 2**30:,.1f} GiB that the disk of the"
          " cache has left: make room, or set XDG_CACHE_HOME to another disk"
        )
  return chosen


def _claim(seen: dict, parts: tuple[str, ...], kind: str) -> None:
  """Marks a path as taken; refuses one that some file system takes for another."""
  for depth in range(1, len(parts) + 1):
    here = "/".join(parts[:depth]), kind if depth == len(parts) else "folder"
    folded = unicodedata.normalize("NFC", here[0]).casefold()
    before = seen.setdefault(folded, here)
    if before != here or (before is not here and here[1] == "file"):
      other = f", also as {shown(before[0])}" if before[0] != here[0] else ""
      raise InputError(f"{shown(here[0])} is there twice{other}")


def _copy(member: Member, to: Path, changed: int) -> None:
  """Writes one file; times follow the archive, so that unpacking again is no change."""
  to.parent.mkdir(parents=True, exist_ok=True)
  written = 0
  with member.open() as source, to.open("xb") as file:
    while block := source.read(1 << 20):
      written += len(block)
      if written > member.size:
        break
      file.write(block)
  if written != member.size:
    raise InputError(f"{shown(member.name)} is not as long as the archive declares")
  os.utime(to, ns=(changed, changed))


@contextlib.contextmanager
def _members(path: Path) -> Iterator[Iterator[Member]]:
  if path.name.lower().endswith(".zip"):
    with zipfile.ZipFile(path) as archive:
      yield _of_zip(archive)
  else:
    mode = "r:" if path.name.lower().endswith(".tar") else "r:gz"
    with tarfile.open(path, mode) as archive:
      yield _of_tar(archive)


def _of_zip(archive: zipfile.ZipFile) -> Iterator[Member]:
  for info in archive.infolist():
    mode = info.external_attr >> 16
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder"}
    kind = "link" if stat.S_ISLNK(mode) else kinds.get(stat.S_IFMT(mode), "device")
    if kind == "file" and info.is_dir():
      kind = "folder"
    if info.flag_bits & 1:
      raise InputError(f"{shown(info.orig_filename)} is encrypted")
    opener = functools.partial(archive.open, info)
    yield Member(info.orig_filename, kind, info.file_size, opener)


def _of_tar(archive: tarfile.TarFile) -> Iterator[Member]:
  for info in archive:
    kind = "file" if info.isreg() else "folder" if info.isdir() else "device"
    kind = "link" if info.issym() or info.islnk() else kind
    opener = functools.partial(archive.extractfile, info)
    yield Member(info.name, kind, info.size, opener)
  # tarfile takes a damaged header for the end: a whole archive says where it ends
  archive.fileobj.seek(archive.offset)
  if archive.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
    raise InputError("it has no end: it is cut short or damaged")
  while archive.fileobj.read(1 << 20):  # a checksum stands behind the last byte
    pass
