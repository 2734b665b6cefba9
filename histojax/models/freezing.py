"""Freezing by name: which parts of a network are trained, and which only run.

A network is a row of named parts, from the image on: 'stem', 'stage2', ... 'head'. What
`model.freeze` names runs in inference mode (its norms use their running statistics, so
they fold into the kernels), and nothing is differentiated through it: its parameters
live beside those that are trained, in `TrainState.frozen`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from histojax.errors import InputError, nearest

NONE, BACKBONE, ALL_BUT = "none", "backbone", "all but "


def frozen_parts(freeze: str, parts: Sequence[str]) -> tuple[str, ...]:
  """The parts that 'none', 'stem|stage2', 'all but stage5|head' or 'backbone' names.

  'backbone' is all but the last, 'all but head'.

  Raises:
    InputError: an unknown part, or parts that are not the first of the network: a
      frozen part behind a trained one would need its gradient all the same.
  """
  if freeze == NONE:
    return ()
  if freeze == BACKBONE:
    return tuple(parts[:-1])
  what = f"model.freeze={freeze!r}"
  if not isinstance(freeze, str):
    raise InputError(f"{what} is not a string such as 'stem|stage2'")
  named = [part.strip() for part in freeze.removeprefix(ALL_BUT).split("|")]
  for part in named:
    if part not in parts:
      raise InputError(
        f"{what}: unknown part {part!r}; {nearest(part, [NONE, BACKBONE, *parts])}"
      )
  if freeze.startswith(ALL_BUT):
    named = [part for part in parts if part not in named]
  first = tuple(part for part in parts[: len(set(named))])
  if set(named) != set(first):
    upto = parts[: max(map(parts.index, named)) + 1][: len(parts) - 1]
    raise InputError(
      f"{what}: only the first parts of a network can be frozen; give"
      f" {'|'.join(upto)!r}, or a shorter beginning of it"
    )
  if len(first) == len(parts):
    raise InputError(f"{what} leaves nothing to train; {BACKBONE!r} keeps the head")
  return first


def split(params: Mapping[str, Any], frozen: Sequence[str]) -> tuple[dict, dict]:
  """(trained, frozen) of a model's parameters; 'stage2' holds 'stage2_block1', ..."""
  kept = {key: leaf for key, leaf in params.items() if key.split("_")[0] in frozen}
  return {key: leaf for key, leaf in params.items() if key not in kept}, kept
