"""Several processes of one run: joined, of one mind, and ended together.

Everything goes through JAX's coordination service, a store of keys in process 0. In a
run of one process nothing here imports JAX, starts a thread or opens a socket.
"""

import contextlib
import ctypes
import hashlib
import itertools
import json
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable

from histojax import cluster, console
from histojax.errors import InputError

HEARTBEAT = 30  # seconds of silence after which a process counts as dead
TICK = 0.5  # seconds between two looks into the store
FOREVER = 30 * 24 * 3600 * 1000  # in ms: as long as the first process builds or reports
LOST = (
  "error: another process of this run has died or cannot be reached; the same command"
  " continues"
)
ROOT = "histojax"  # of our keys

_client = None  # of the store; None in a run of one process
_place = cluster.Place(None, 1, 0, None)
_serial = itertools.count()
_stop = threading.Event()
_failed = 0  # the exit code of another process that has told why it ends


def join() -> None:
  """Connects this process with the others of its run, where there are others.

  Call it before anything touches a device.

  Raises:
    InputError: the environment names this process's place in part, or wrongly.
  """
  global _client, _place
  place = cluster.find()
  if place is None:
    return
  import jax
  from jax._src import distributed  # its client has no public name

  # the others' deaths and signals are our business: JAX's service would take SIGTERM
  jax.config.update("jax_enable_preemption_service", False)
  jax.config.update("jax_cpu_collectives_implementation", "gloo")
  _end_in_a_sentence()
  try:
    _check_port(place)
    jax.distributed.initialize(
      **place._asdict(),
      heartbeat_timeout_seconds=HEARTBEAT,
      shutdown_timeout_seconds=60,
    )
  except (RuntimeError, ValueError, OSError) as error:  # a port in use, say
    reason = " ".join(str(error).split())
    raise InputError(f"process {place.process_id} cannot join: {reason}") from error
  _client, _place = distributed.global_state.client, place
  if not first():
    console.mute()
  threading.Thread(target=_watch, daemon=True).start()


def _check_port(place: cluster.Place) -> None:
  """Raises OSError where process 0 cannot listen: JAX's own service would crash."""
  if place.process_id == 0 and place.coordinator_address:
    with socket.socket() as free:
      free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # just closed is free
      free.bind(("", int(place.coordinator_address.rpartition(":")[2])))


def count() -> int:
  return _place.num_processes


def first() -> bool:
  """True in the process that writes the run folder and speaks."""
  return _place.process_id == 0


def same(find: Callable):
  """What `find()` is in the first process, in every process; made of JSON."""
  if _client is None:
    return find()
  key = f"{ROOT}/same/{next(_serial)}"
  if not first():
    return json.loads(_client.blocking_key_value_get(key, FOREVER))
  value = find()
  _client.key_value_set(key, json.dumps(value))
  return value


def check_alike(*what) -> None:
  """Compares what every process is about to do with the first process's.

  Raises:
    InputError: another command line, or other images.
  """
  mine = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
  if mine != same(lambda: mine):
    raise InputError(
      f"process {_place.process_id} has another config or other images than process 0:"
      " start all with the same command, on the same files"
    )


def wait() -> None:
  """Returns when every process is here."""
  if _client is not None:
    _client.wait_at_barrier(f"{ROOT}/wait/{next(_serial)}", FOREVER)


@contextlib.contextmanager
def first_then_others():
  """The first process builds within, with a bar to be seen; the others find it built.

  Those on other machines may have to build for themselves: one a machine does.
  """
  if not first():
    same(int)
  yield
  if first():
    same(int)


class Agreement:
  """Lets all processes hear a wish of any of them at the same call.

  All call it equally often. While nobody wishes for anything a call costs a lock, and
  no message. A wish is posted; every process then posts how often it has called, and
  stands still until it knows the numbers of all; it is heard in the call after the
  largest.
  """

  def __init__(self, name: str):
    self.name, self.heard = f"{ROOT}/{name}", False
    self._calls, self._round, self._due, self._posted = 0, 0, None, -1
    self._lock = threading.Lock()

  def __call__(self, wish: int = 0) -> int:
    """The wish that all hear now, or 0; `wish` is this process's own."""
    if _client is None:
      return wish
    if wish and self._posted < self._round:
      self._posted = self._round
      _post(f"{self.name}/{self._round}/wish", str(wish))
    with self._lock:
      self._calls += 1
      if not self._due or self._calls < self._due[0]:
        return 0
      (_, wish), self._due, self.heard = self._due, None, True
      self._round += 1
    return wish

  def settle(self, store: dict[str, str]) -> None:
    """Called by the watcher: finds out at which call a posted wish is heard."""
    key = f"{self.name}/{self._round}"
    if self._due or f"{key}/wish" not in store:
      return
    with self._lock:  # this process's next call waits
      _client.key_value_set(f"{key}/calls/{_place.process_id}", str(self._calls))
      calls = [_await(f"{key}/calls/{i}") for i in range(count())]
      if None not in calls:
        self._due = max(map(int, calls)) + 1, int(store[f"{key}/wish"])


interrupt, save = Agreement("interrupt"), Agreement("save")


def may_say(sentence: str) -> bool:
  """True in the process that is the first to say why the run ends."""
  return _client is None or _post(f"{ROOT}/said", sentence)


@contextlib.contextmanager
def together():
  """Within, however this process ends, all end, with the same exit code."""
  if _client is None:
    yield
    return
  try:
    yield
    code = 0
  except SystemExit as end:
    code = end.code if isinstance(end.code, int) else int(end.code is not None)
  except BaseException as error:
    if _is_loss(error):
      _end_without(error)
    if may_say(repr(error)):
      traceback.print_exc()
    code = 1
  try:
    if code and not interrupt.heard:
      _post(f"{ROOT}/failed", str(code))  # the others' watchers see it
    else:
      wait()
  except Exception as error:
    _end_without(error)
  _stop.set()
  sys.exit(code)  # on its way out JAX waits until all have come this far


def _watch() -> None:
  """Looks into the store, in a thread of its own."""
  import jax

  global _failed
  while not _stop.wait(TICK):
    try:
      store = dict(_client.key_value_dir_get(ROOT))
      if code := store.get(f"{ROOT}/failed"):
        _failed = int(code)  # what the main thread waits for fails with the shutdown
        with contextlib.suppress(Exception):
          jax.distributed.shutdown()
        _end("", _failed)
      interrupt.settle(store)
      save.settle(store)
    except jax.errors.JaxRuntimeError:
      continue  # a lost store ends the process by itself


def _post(key: str, value: str) -> bool:
  """Stores a value unless there is one; says whether it did."""
  import jax

  try:
    _client.key_value_set(key, value)
    return True
  except jax.errors.JaxRuntimeError as error:
    if "ALREADY_EXISTS" in str(error):
      return False
    raise


def _await(key: str) -> str | None:
  """The value of a key once it is there; None where this process ends before that."""
  import jax

  while not _stop.is_set():
    try:
      return _client.blocking_key_value_get(key, 1000)
    except jax.errors.JaxRuntimeError as error:
      if "DEADLINE_EXCEEDED" not in str(error):
        raise
  return None


def _is_loss(error: BaseException) -> bool:
  """True for what a collective or the store raises when a process is gone."""
  signs = ("gloo", "nccl", "coordination", "unavailable", "barrier")
  return type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError") and any(
    sign in str(error).lower() for sign in signs
  )


def _end_without(error: BaseException) -> None:
  """Ends this process, to which a process was lost, as that one said it would end."""
  code = _failed
  with contextlib.suppress(Exception):  # the store may be gone, too
    code = code or int(dict(_client.key_value_dir_get(ROOT))[f"{ROOT}/failed"])
  if code:  # it has said why
    _end("", code)
  _end(f"{LOST} ({_first_line(error)})", 1)


def _first_line(error: BaseException) -> str:
  return (str(error) or type(error).__name__).splitlines()[0]


def _end(sentence: str, code: int) -> None:
  """Ends this process at once: with a process gone nothing can be brought to an end."""
  if sentence:
    print(sentence, file=sys.stderr)
  sys.stdout.flush()
  sys.stderr.flush()
  os._exit(code)


_handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(
  lambda _: _end(f"{LOST} (the reason is above)", 1)
)


def _end_in_a_sentence() -> None:
  """JAX aborts from a thread of its own when the store or a process is gone: a handler
  that Python would run later, in the main thread, comes too late."""
  ctypes.CDLL(None).signal(signal.SIGABRT, _handler)
