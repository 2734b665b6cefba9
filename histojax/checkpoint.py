"""Checkpoints: the only file that imports orbax.

Two series side by side: `last` (what a resume continues from) and `best` (what the
validation part chose). Every step is committed by an atomic rename, so a killed save
leaves nothing that could be mistaken for a checkpoint.
"""

from pathlib import Path

from orbax.checkpoint import v1 as ocp

from histojax.errors import InputError


class Checkpoints:
  """Saves and restores a TrainState below `folder`."""

  def __init__(self, folder: Path, *, keep: int):
    policy = ocp.training.preservation_policies.LatestN
    self._series = {
      name: ocp.training.Checkpointer(
        (folder / name).resolve(),
        preservation_policy=policy(count),
        cleanup_tmp_directories=True,  # what a kill in mid-save left behind
      )
      for name, count in (("last", keep), ("best", 1))
    }

  def __enter__(self):
    return self

  def __exit__(self, *_):
    for series in self._series.values():
      series.close()

  def latest(self, name: str) -> int | None:
    """The step of the newest checkpoint of a series, or None."""
    self._series[name].wait()  # one still being written is not one yet
    newest = self._series[name].latest
    return None if newest is None else newest.step

  def save(self, name: str, step: int, state, *, wait: bool = False) -> None:
    """Writes in the background; with `wait` returns when it is on disk, verified.

    An asynchronous save would be dropped silently while another runs: wait for that.
    """
    series = self._series[name]
    if self.latest(name) == step:
      return
    # orbax holds the arrays before it returns: the step may donate the state (tested)
    series.save_checkpointables_async(step, {"state": state}, force=True)
    if wait and self.latest(name) != step:
      raise OSError(f"the checkpoint of step {step} was not written to {name}")

  def restore(self, name: str, abstract):
    """The newest state of a series; `abstract` is a tree of ShapeDtypeStruct.

    Raises:
      InputError: the checkpoint does not fit the model.
    """
    step = self.latest(name)
    try:
      loaded = self._series[name].load_checkpointables(step, {"state": abstract})
    except Exception as error:  # orbax wraps what went wrong in types of its own
      first = str(error.__cause__ or error).splitlines()[0]
      raise InputError(
        f"checkpoint {self._series[name].directory}/{step} does not fit this model:"
        f" {first}"
      ) from error
    return loaded["state"]
