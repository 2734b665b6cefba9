"""Checkpoints: the only file that imports orbax.

Two series side by side: `last` (what a resume continues from) and `best` (what the
validation part chose). Every step is committed by an atomic rename, so a killed save
leaves nothing that could be mistaken for a checkpoint.
"""

import contextlib
import functools
import sys
import warnings
from pathlib import Path

from orbax.checkpoint import v1 as ocp

from histojax.errors import InputError, of_machine


def reached(folder: Path) -> int:
  """The step of the last checkpoint below `folder`, 0 where there is none."""
  names = [path.name for path in (folder / "last").glob("*")]
  return max((int(name) for name in names if name.isdecimal()), default=0)


class Checkpoints:
  """Saves and restores a TrainState below `folder`."""

  def __init__(self, folder: Path, *, keep: int):
    policy = ocp.training.preservation_policies.LatestN
    counts = {"last": keep, "best": 1}
    self._series = {
      name: ocp.training.Checkpointer(
        (folder / name).resolve(),
        preservation_policy=policy(count),
        cleanup_tmp_directories=True,  # what a kill in mid-save left behind
      )
      for name, count in counts.items()
    }
    for name, series in self._series.items():  # and before, or amid, a deletion
      for old in series.checkpoints[: -counts[name]]:
        series.delete(old.step)
    self._writing = {}  # series -> what orbax promised of the save under way
    _mute_echoes()

  def __enter__(self):
    return self

  def __exit__(self, *_):
    with contextlib.ExitStack() as stack:  # one that fails leaves none open
      for name, series in self._series.items():
        stack.callback(series.close)
        stack.callback(self._settle, name)

  def check(self) -> None:
    """Raises InputError where a save in the background has failed."""
    for name, series in self._series.items():
      if name in self._writing and not series.is_saving_in_progress():
        self._settle(name)

  def _settle(self, name: str) -> None:
    """Waits for the save under way; raises where it failed."""
    with self._told(name):
      if promise := self._writing.pop(name, None):
        promise.result()
      self._series[name].wait()

  @contextlib.contextmanager
  def _told(self, name: str):
    """A full disk becomes one sentence that names the series, not a temporary file."""
    try:
      yield
    except Exception as error:  # orbax and tensorstore have types of their own
      if sentence := of_machine(error, self._series[name].directory):
        raise InputError(sentence) from error
      raise

  def latest(self, name: str) -> int | None:
    """The step of the newest checkpoint of a series, or None."""
    for series in self._series:  # one still being written is not one yet
      self._settle(series)
    newest = self._series[name].latest
    return None if newest is None else newest.step

  def save(self, name: str, step: int, state, *, wait: bool = False) -> None:
    """Writes in the background; with `wait` returns when it is on disk, verified.

    An asynchronous save would be dropped silently while another runs: wait for that. Of
    several processes both series take turns: orbax's barriers have one name for both.
    """
    series = self._series[name]
    if self.latest(name) == step:
      return
    # orbax holds the arrays before it returns: the step may donate the state (tested)
    with self._told(name):
      promise = series.save_checkpointables_async(step, {"state": state}, force=True)
    self._writing[name] = promise
    if promise is None or (wait and self.latest(name) != step):
      raise OSError(f"the checkpoint of step {step} was not written to {name}")

  def restore(self, name: str, abstract):
    """The newest state of a series; `abstract` is a tree of ShapeDtypeStruct.

    Raises:
      InputError: the checkpoint cannot be read, or does not fit the model.
    """
    step = self.latest(name)
    try:
      loaded = self._series[name].load_checkpointables(step, {"state": abstract})
    except Exception as error:  # orbax wraps what went wrong in types of its own
      if sentence := of_machine(error, f"{self._series[name].directory}/{step}"):
        raise InputError(sentence) from error
      first = str(error.__cause__ or error).splitlines()[0]
      raise InputError(
        f"checkpoint {self._series[name].directory}/{step} does not fit this model:"
        f" {first}"
      ) from error
    return loaded["state"]


@functools.cache
def _mute_echoes() -> None:
  """Of a failed save tensorstore's threads go on to tell a loop that orbax has closed.

  Each prints a traceback of its own, hundreds of them, for the one error that is told.
  """
  hook = sys.unraisablehook

  def without_echoes(unraisable):
    closed = str(unraisable.exc_value) == "Event loop is closed"
    if not (closed and unraisable.exc_type is RuntimeError):
      hook(unraisable)

  sys.unraisablehook = without_echoes
  warnings.filterwarnings("ignore", "coroutine 'async_serialize.* was never awaited")
