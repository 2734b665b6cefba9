"""Arrays of a file into a model: what is found, what starts fresh, what is wrong."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax
import numpy as np

from histojax.errors import InputError, nearest
from histojax.models.pretrained import Path, from_torch, torch_names
from histojax.models.pretrained.spelling import of_head, understood

ATTENTION, HEAD = "attention", "head"
Leaves = dict[Path, Any]


class Placed(NamedTuple):
  """`arrays`: what was found, in the structure of the model's variables, float32.

  `fresh`: the modules that start from the seed, as paths; `said`: how names were read.
  """

  arrays: dict[str, Any]
  fresh: tuple[str, ...]
  said: tuple[str, ...]


def place(
  model, state: Mapping[str, np.ndarray], variables: Mapping[str, Any], new: str
) -> Placed:
  """Everything of `state` into a model whose variables (arrays or shapes) are given.

  new: what may start fresh where the file has none of it, 'attention|head': names of
    parts of the model, and `attention` for its attention blocks. A head starts fresh
    where its shape is another, too; its last layer alone where only that is.

  Raises:
    InputError: an array that is missing, unused, of another shape, not a finite float.
  """
  parts = {part.strip() for part in new.split("|")} - {"", "none"}
  for part in parts - {ATTENTION, *model.parts}:
    known = nearest(part, [ATTENTION, *model.parts])
    raise InputError(f"init.new={new!r}: unknown part {part!r}; {known}")
  state, said = understood(model.family, state)
  leaves = flax.traverse_util.flatten_dict(variables)
  fresh, dropped = _head(model, state, leaves)
  if fresh and HEAD not in parts:
    raise InputError(
      f"their head is not the model's, and init.new={new!r} lets none start from the"
      " seed: add 'head'"
    )
  used = {name: array for name, array in state.items() if name not in dropped}
  absent = _absent(model, state, leaves)
  fresh = [*absent, *fresh]
  wanted = {p: leaf for p, leaf in leaves.items() if not _within(p, fresh)}
  if lacking := [unit for unit, kinds in absent.items() if not kinds & parts]:
    _refuse(model, used, wanted, lacking, parts | absent[lacking[0]])
  arrays = from_torch(model, used, flax.traverse_util.unflatten_dict(wanted))
  _check(model, used, arrays)
  return Placed(arrays, tuple("/".join(unit) for unit in fresh), tuple(said))


def _refuse(model, used, wanted: Leaves, lacking: list[Path], new: set[str]) -> None:
  """Says which modules the file has nothing of, and what else tells another model."""
  unused = sorted(set(used) - set(_names(model, wanted).values()))
  missing = f"{['/'.join(unit) for unit in lacking[:3]]} ({len(lacking)})"
  if unused:
    raise InputError(
      f"these weights are of another model: missing {missing}, unused {unused[:3]}"
      f" ({len(unused)})"
    )
  new = new & {HEAD, ATTENTION} or new
  raise InputError(
    f"these weights have no {missing}: --config.init.new='{'|'.join(sorted(new))}' lets"
    " such modules start from the seed"
  )


def _within(path: Path, units: list[Path]) -> bool:
  return any(path[1 : 1 + len(unit)] == unit for unit in units)


def _head(model, state, leaves: Leaves) -> tuple[list[Path], set[str]]:
  """(what of the model's head starts fresh, the file's arrays that it replaces)."""
  head = {p: leaf for p, leaf in leaves.items() if p[1] == HEAD}
  theirs = {name for name in state if of_head(name)}
  last = {p: leaf for p, leaf in head.items() if p[2] == "out"}
  before = {p: leaf for p, leaf in head.items() if p[2] != "out"}
  if not _fit(model, state, before):
    return [(HEAD,)], theirs
  if _fit(model, state, last):
    return [], set()
  names = _names(model, before)
  return [(HEAD, "out") if before else (HEAD,)], theirs - set(names.values())


def _fit(model, state, leaves: Leaves) -> bool:
  """Whether the file has all of these, in their shapes."""
  names = set(_names(model, leaves).values())
  if len(names) < len(leaves) or not names <= set(state):
    return False
  try:
    arrays = {name: state[name] for name in names}
    from_torch(model, arrays, flax.traverse_util.unflatten_dict(leaves))
  except InputError:
    return False
  return True


def _names(model, leaves: Leaves) -> dict[Path, str]:
  """As `torch_names`, of those that have a name there."""
  try:
    return torch_names(model, flax.traverse_util.unflatten_dict(leaves))
  except InputError:
    return {}


def _absent(model, state, leaves: Leaves) -> dict[Path, set[str]]:
  """{module of which the file has nothing: {the words of `new` that allow it}}."""
  units = {}
  for path in leaves:
    if path[1] == HEAD:
      continue
    kinds, unit = {path[1].split("_")[0]}, path[1:2]
    if ATTENTION in path:
      unit = path[1 : path.index(ATTENTION) + 2]
    if ATTENTION in path or path[1].endswith("_end"):  # a transform behind a stage
      kinds.add(ATTENTION)
    units.setdefault(unit, (kinds, {}))[1][path] = leaves[path]
  return {
    unit: kinds
    for unit, (kinds, inside) in units.items()
    if not set(_names(model, inside).values()) & set(state)
  }


def _check(model, state, arrays: Mapping[str, Any]) -> None:
  """InputError where what was found is no finite float."""
  names = torch_names(model, arrays)
  found = flax.traverse_util.flatten_dict(arrays)
  for name in names.values():
    kind = np.asarray(state[name]).dtype
    if kind.kind not in "f" and kind.name != "bfloat16":
      raise InputError(f"{name} is {kind.name}, not a float: quantised weights?")
  wrong = [names[path] for path, array in found.items() if not np.isfinite(array).all()]
  if wrong:
    raise InputError(f"{wrong[0]} holds NaN or infinity ({len(wrong)} such arrays)")
