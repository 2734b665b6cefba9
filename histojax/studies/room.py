"""What the checkpoints of a study take of a disk."""

import shutil
from pathlib import Path

import jax

from histojax.doctor.line import size
from histojax.evaluation.verdict import counted


def of_member(config, state) -> int:
  """Bytes of a member's checkpoints at most: orbax compresses them.

  Args:
    state: of a training, or its shapes.
  """
  one = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
  return one * (config.checkpoint.keep + (config.select_on != "last"))


def free(folder: Path) -> int:
  """Bytes left where `folder` is or will be."""
  place = folder.absolute()
  while not place.exists():
    place = place.parent
  return shutil.disk_usage(place).free


def sentence(due: list, folder: Path) -> str:
  """What the checkpoints of the members that are due take, and what there is."""
  saved = sum(ready.saved for ready in due)
  return (
    f"the checkpoints of {counted(len(due), 'member')} take up to {size(saved)};"
    f" {size(free(folder))} are free at {folder}"
  )


def lacks(due: list, folder: Path) -> bool:
  return sum(ready.saved for ready in due) > free(folder)
