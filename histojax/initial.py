"""The weights that a run starts from: found, made part of its config, and told."""

import copy
import functools
from pathlib import Path
from typing import Any, NamedTuple

from histojax.data.cache import cache_root
from histojax.errors import InputError
from histojax.models import parameter_count
from histojax.models.pretrained import files, hub, normalisation, place

NORMALISE = "weights"  # of augment.normalise: with their own mean and std
NEW = "head"  # of init.new, where a config does not say


class Weights(NamedTuple):
  """A file of weights, read and whole."""

  path: Path
  sha256: str
  config: Path | None  # the config.json of its repository or folder


class Start(NamedTuple):
  """`arrays` in the structure of a model's variables, and one line about them."""

  arrays: dict[str, Any]
  told: str


@functools.cache  # folds ask again
def find(spec: str) -> Weights:
  """The file that `init.weights` names: a local path, or hf://owner/name of the hub.

  Raises:
    InputError: there is none, or it cannot be had.
  """
  if spec.startswith(hub.SCHEME):
    path, config = hub.fetch(spec, cache_root() / "hub")
  else:
    path = Path(spec)
    config = path.parent / "config.json"
  try:
    return Weights(path, files.sha256(path), config if config.exists() else None)
  except (FileNotFoundError, NotADirectoryError):
    raise InputError(
      f"init.weights={spec!r}: no such file; give a .safetensors, .pth or .bin file, or"
      " hf://owner/name"
    ) from None


def resolve(request):
  """The request, with what its weights add to the config: a run is a run of that file.

  `init.sha256`; and with augment.normalise=weights their own mean and std.

  Raises:
    InputError: the file cannot be had, or there is none to take a mean from.
  """
  config, spec = copy.deepcopy(request.config), _weights(request.config)
  own = config.augment.normalise == NORMALISE
  if not spec:
    if own:
      raise InputError(
        "augment.normalise=weights, but init.weights names none: add"
        " --config.augment.normalise=fixed"
      )
    return request
  weights = find(spec)
  with config.unlocked():
    config.init.sha256 = weights.sha256
  if own:
    found = normalisation.of(spec, weights.config)
    config.augment.mean, config.augment.std = found.mean, found.std
  return request._replace(config=config)


def start(config, model, state) -> Start | None:
  """What a model of that state (arrays or shapes) takes of a resolved config's weights.

  None where it has none: a profile times any numbers.

  Raises:
    InputError: the file is damaged, or of another model.
  """
  if "sha256" not in config.get("init", {}):
    return None
  spec, new = _weights(config), config.init.get("new", NEW)
  weights = find(spec)
  arrays, read = files.read(weights.path)
  shapes = {"params": state.all_params, "batch_stats": state.batch_stats}
  try:
    placed = place.place(model, arrays, shapes, new)
  except InputError as error:
    raise InputError(f"init.weights={spec!r}: {error}") from error
  taken = parameter_count(placed.arrays.get("params", {}))
  told = [
    f"{spec} (sha256 {weights.sha256[:12]}): {taken:,} of"
    f" {parameter_count(state.all_params):,} parameters"
  ]
  told += [f"fresh from the seed: {', '.join(placed.fresh)}"] * bool(placed.fresh)
  told += [*read, *placed.said]
  if config.augment.normalise == NORMALISE:
    found = normalisation.of(spec, weights.config)
    told.append(f"mean {found.mean}, std {found.std}: {found.source}")
  return Start(placed.arrays, "; ".join(told))


def _weights(config) -> str:
  return config.get("init", {}).get("weights", "")
