"""How much memory there really is, on this machine and on its devices."""

import re
import resource
from pathlib import Path

# of cgroup v2 and v1: the limit, what is in use, and how much of that is page cache
_CGROUPS = (
  ("memory.max", "memory.current", "inactive_file"),
  ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def available(root: Path = Path("/")) -> int | None:
  """Bytes this process may still take without swapping, or None where nothing tells.

  The least of what the machine has free, what is left of its control group (a container
  or a Slurm job) and of the limits on this process (ulimit -v, ulimit -d).
  """
  machine = _fields(root / "proc/meminfo").get("MemAvailable")
  found = [machine * 1024] if machine is not None else []
  found += _control_groups(root)
  used = _fields(root / "proc/self/status")
  for limit, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
    most, _ = resource.getrlimit(limit)
    if most != resource.RLIM_INFINITY and name in used:
      found.append(most - used[name] * 1024)
  return max(0, min(found)) if found else None


def available_on(device) -> int | None:
  """Bytes that are free on a JAX device; a CPU's are those of the machine."""
  if device.platform == "cpu":
    return available()
  stats = device.memory_stats() or {}
  if "bytes_limit" not in stats:
    return None
  return stats["bytes_limit"] - stats.get("bytes_in_use", 0)


class Peak:
  """The most memory in use from here on.

  Of an accelerator the device's own count, of a CPU what this process holds. A count
  that starts with the process, and did not rise any more, only says at most.
  """

  def __init__(self, device, root: Path = Path("/")):
    self._device, self._status = device, root / "proc/self/status"
    self._anew = device.platform == "cpu"
    try:
      (root / "proc/self/clear_refs").write_text("5")  # Linux forgets its high mark
    except OSError:
      self._anew = False
    self._before = self._bytes()

  def told(self) -> dict | None:
    """bytes, bound ("" or "at most") and whose (device or process); None where nothing
    tells."""
    now, on_device = self._bytes(), self._device.platform != "cpu"
    if now is None:
      return None
    bound = "at most" * (not self._anew and now == self._before)
    return {"bytes": now, "bound": bound, "whose": "device" if on_device else "process"}

  def _bytes(self) -> int | None:
    if self._device.platform != "cpu":
      return (self._device.memory_stats() or {}).get("peak_bytes_in_use")
    held = _fields(self._status).get("VmHWM")
    return held and held * 1024


def _control_groups(root: Path):
  """What is left of every limit above this process."""
  for line in _lines(root / "proc/self/cgroup"):
    _, controllers, path = line.split(":", 2)
    if controllers not in ("", "memory"):
      continue
    base = root / "sys/fs/cgroup" / controllers
    # inside a container the path may be that of the host: then the mount itself counts
    group = base / path.lstrip("/")
    while True:
      for names in _CGROUPS:
        limit, used, cache = (group / name for name in (*names[:2], "memory.stat"))
        try:
          left = int(limit.read_text()) - int(used.read_text())
        except (OSError, ValueError):  # no such file, or "max"
          continue
        yield left + _fields(cache).get(names[2], 0)
      if group == base:
        break
      group = group.parent


def _fields(path: Path) -> dict[str, int]:
  """{'MemAvailable': 12345, ...} of a file of such lines."""
  found = (re.match(r"(\w+):?\s+(\d+)", line) for line in _lines(path))
  return {match[1]: int(match[2]) for match in found if match}


def _lines(path: Path) -> list[str]:
  try:
    return path.read_text().splitlines()
  except OSError:
    return []
