"""Which member a device runs next: those of one compiled step stay together."""

import collections
import threading

from histojax.studies.prepare import Ready


class Queue:
  """Members in groups of one program; groups that share images follow one another.

  A device takes a group and keeps it. Where none is left it helps with the longest:
  that compiles a program twice, which is less than an idle device.
  """

  def __init__(self, due: list[Ready]):
    groups = {}
    for ready in due:
      groups.setdefault((ready.images, ready.program, ready.engine), []).append(ready)
    by_images = {}
    for (images, *_), group in groups.items():
      by_images.setdefault(images, []).append(collections.deque(group))
    self._free = collections.deque(g for found in by_images.values() for g in found)
    self._own, self._next = {}, {}  # of each device
    self._lock, self._closed = threading.Lock(), False

  def close(self) -> None:
    """From here on there is nothing more to do."""
    self._closed = True

  def take(self, device) -> Ready | None:
    """The next member for a device; None where it has done its part."""
    with self._lock:
      if self._closed:
        return None
      if own := self._own.get(device):
        return own.popleft()
      group = self._next.pop(device, None) or (self._free and self._free.popleft())
      if group:
        self._own[device] = group
        return group.popleft()
      others = [*self._own.values(), *self._next.values()]
      longest = max(others, key=len, default=None)
      return longest.pop() if longest else None

  def following(self, device) -> Ready | None:
    """The first member of the group that this device takes next, if of its images."""
    with self._lock:
      if device not in self._next and self._free:
        self._next[device] = self._free.popleft()
      group = self._next.get(device)
      return group[0] if group else None
