"""JAX's compilation cache, with entries that are whole or absent; and what it compiled.

JAX 0.10.1 writes an entry in place. One that a kill or a full disk cut short would be
warned of by every later run, compiled again each time, and never replaced.
"""

import collections
import functools
import threading
from pathlib import Path

from histojax import atomic


def keep_whole() -> None:
  """From here on entries are renamed into place; clears what killed runs left."""
  import jax
  from jax._src import lru_cache

  in_place = getattr(lru_cache.LRUCache.put, "__wrapped__", lru_cache.LRUCache.put)

  @functools.wraps(in_place)
  def put(self, key, value):
    if self.eviction_enabled or "://" in str(self.path):  # not as we set it
      return in_place(self, key, value)
    entry = Path(str(self.path)) / f"{key}-cache"
    if not entry.exists():
      atomic.write(entry, value)

  lru_cache.LRUCache.put = put
  if folder := jax.config.jax_compilation_cache_dir:
    atomic.clear(Path(folder))


class _Spent(threading.local):
  def __init__(self):
    self.seconds = [0.0]


_spent = _Spent()


def clock() -> list[float]:
  """[seconds], which grow as this thread compiles, or reads what was once compiled."""
  programs()
  return _spent.seconds


@functools.cache
def programs() -> collections.Counter:
  """How often this process has compiled, or read, each program: {'jit(init)': 1}."""
  import jax

  counts = collections.Counter()

  def listen(event: str, seconds: float, fun_name: str = "", **_) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
      _spent.seconds[0] += seconds
      counts[fun_name] += 1

  jax.monitoring.register_event_duration_secs_listener(listen)
  return counts
