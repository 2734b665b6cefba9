"""Cores, memory, shared memory and disk, as this process may use them."""

import os
import re
import tempfile
from pathlib import Path

from histojax import environment, memory
from histojax.doctor.line import BROKEN, NOTE, OK, Line, size

GIB = 2**30
LEAST_MEMORY, LEAST_DISK = 2 * GIB, 2 * GIB
LEAST_SHM = 256 * 2**20  # several GPUs of one machine talk through it


def look(workdir: str) -> list[Line]:
  from histojax.data.cache import cache_root

  where = Path(workdir or "runs")
  return [
    _cores(),
    _memory(),
    _shared_memory(),
    room("runs", where, "python launch.py --workdir=/a/folder/with/room"),
    room("cache", cache_root(), "export XDG_CACHE_HOME=/a/folder/with/room"),
  ]


def _cores(cgroup: Path = Path("/sys/fs/cgroup")) -> Line:
  ours, all_of_them = len(os.sched_getaffinity(0)), os.cpu_count()
  text = f"{environment.processor()}, {ours} of {all_of_them} cores"
  try:
    quota, period = (cgroup / "cpu.max").read_text().split()
    share = int(quota) / int(period)
  except (OSError, ValueError):  # "max": no limit
    return Line(OK, "processor", text)
  if share < ours - 0.5:
    upto = max(0, round(share) - 1)
    text += f", but this container gets the time of {share:g}: threads will wait"
    return Line(NOTE, "processor", text, f"taskset -c 0-{upto} python launch.py ...")
  return Line(OK, "processor", text)


def _memory() -> Line:
  free = memory.available()
  if free is None:
    return Line(OK, "memory", "unknown")
  if free < LEAST_MEMORY:
    text = f"{size(free)} free: little for a network and its images"
    return Line(BROKEN, "memory", text, "docker run --memory=8g, or end other programs")
  return Line(OK, "memory", f"{size(free)} free")


def _shared_memory(path: Path = Path("/dev/shm")) -> Line:
  fix = "docker run --shm-size=2g, or: mount -o remount,size=2g /dev/shm"
  if reason := unwritable(path):
    return Line(BROKEN, str(path), reason, fix)
  disk = os.statvfs(path)
  total, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
  text = f"{size(free)} free of {size(total)}"
  if free < LEAST_SHM:
    text += ": too small for several GPUs or processes that share data"
    return Line(NOTE if free > LEAST_SHM / 8 else BROKEN, str(path), text, fix)
  return Line(OK, str(path), text)


def room(name: str, folder: Path, fix: str) -> Line:
  """Whether `folder`, which may not be there yet, can be written and has room."""
  place = folder.absolute()
  while not os.path.lexists(place):
    place = place.parent
  if reason := unwritable(place):
    return Line(BROKEN, name, f"{folder}: {reason}", fix)
  disk = os.statvfs(place)
  free = disk.f_bavail * disk.f_frsize
  text = f"{folder}, {size(free)} free"
  if free < LEAST_DISK or (disk.f_files and not disk.f_favail):
    text += ": little" if free < LEAST_DISK else ", but no room for another file"
    return Line(BROKEN, name, text, fix)
  return Line(OK, name, text)


def unwritable(folder: Path) -> str:
  """Why no file can be made in `folder`, '' where one can: by making one."""
  try:
    with tempfile.TemporaryFile(dir=folder) as file:
      file.write(b"x")
  except OSError as error:
    words = re.sub(r"\W+$", "", error.strerror or "failed").lower()
    return f"cannot be written ({words})"
  return ""
