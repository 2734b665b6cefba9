"""JAX's compilation cache, with entries that are whole or absent; what it compiled, and
how much of that a process can hold.

JAX 0.10.1 writes an entry in place. One that a kill or a full disk cut short would be
warned of by every later run, compiled again each time, and never replaced.
"""

import collections
import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


@contextlib.contextmanager
def beside(work: Callable[[], object]):
  """Within, another thread does `work`: compiles a program, say. Ends when both have.

  What it compiles counts as this thread's; what it raises is raised at the end.
  """
  import jax

  device = jax.config.jax_default_device  # JAX compiles anew under another one

  def run() -> float:
    with jax.default_device(device) if device else contextlib.nullcontext():
      work()
    return clock()[0]

  with ThreadPoolExecutor(1) as pool:
    seconds = pool.submit(run)
    yield
    clock()[0] += seconds.result()


def mappings() -> int:
  """How many pieces of memory this process has mapped; 0 where Linux does not tell."""
  try:
    return Path("/proc/self/maps").read_bytes().count(b"\n")
  except OSError:
    return 0


def make_room() -> bool:
  """Forgets what is compiled, where a process that goes on compiling would crash.

  XLA on a CPU maps three pieces of memory per kernel, some thousands per network, and
  Linux allows a process 65,530 (vm.max_map_count); what is compiled beyond crashes it,
  without a word. Programs that are still called are read from the cache again.

  Returns:
    Whether it did.
  """
  import jax

  try:
    most = int(Path("/proc/sys/vm/max_map_count").read_text())
  except (OSError, ValueError):
    return False
  if mappings() < most // 3:
    return False
  jax.clear_caches()
  return True
