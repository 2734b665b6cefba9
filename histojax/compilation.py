"""JAX's compilation cache, with entries that are whole or absent.

JAX 0.10.1 writes an entry in place. One that a kill or a full disk cut short would be
warned of by every later run, compiled again each time, and never replaced.
"""

import functools
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


@functools.cache
def clock() -> list[float]:
  """[seconds], which grow as this process compiles, or reads what it once compiled."""
  import jax

  spent = [0.0]

  def listen(event: str, seconds: float, **_) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
      spent[0] += seconds

  jax.monitoring.register_event_duration_secs_listener(listen)
  return spent
