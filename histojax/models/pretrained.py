"""Weights under PyTorch's names: timm's and torchvision's ResNets to ours and back.

    variables path                          PyTorch name
    params/stem/conv1/kernel                conv1.weight
    params/stage3_block2/norm3/scale        layer2.1.bn3.weight
    params/stage3_block1/conv_shortcut/...  layer2.0.downsample.0.weight
    params/stage3_block2/attention/se/fc1   layer2.1.se.fc1
    batch_stats/stem/norm1/var              bn1.running_var
    params/head/kernel                      fc.weight

Arrays in, arrays out; PyTorch itself is not needed.
"""

import re
from collections.abc import Mapping
from typing import Any

import flax
import numpy as np

from histojax.errors import InputError

Path = tuple[str, ...]

_LEAVES = {
  "kernel": "weight",
  "scale": "weight",
  "bias": "bias",
  "mean": "running_mean",
  "var": "running_var",
}


def torch_names(variables: Mapping[str, Any]) -> dict[Path, str]:
  """For every leaf of `params` and `batch_stats`, its name in a PyTorch state dict.

  Raises:
    InputError: a leaf that PyTorch's models have no name for.
  """
  return {
    path: _torch_name(path) for path in flax.traverse_util.flatten_dict(variables)
  }


def from_torch(
  state: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
  """PyTorch's arrays in the structure of `variables` (arrays or shapes), float32.

  Convolutions turn from OIHW to HWIO, dense layers from OI to IO (as do 1x1
  convolutions that are dense layers here). `num_batches_tracked` is not used.

  Raises:
    InputError: an array that is missing, unused or of another shape.
  """
  names = torch_names(variables)
  given = {key for key in state if not key.endswith("num_batches_tracked")}
  missing, unused = sorted(set(names.values()) - given), given - set(names.values())
  if missing or unused:
    raise InputError(
      f"these weights are of another model: missing {missing[:3]} ({len(missing)}), "
      f"unused {sorted(unused)[:3]} ({len(unused)})"
    )
  leaves = flax.traverse_util.flatten_dict(variables)
  converted = {}
  for path, name in names.items():
    array = _to_ours(np.asarray(state[name], np.float32), len(leaves[path].shape))
    if array.shape != leaves[path].shape:
      raise InputError(
        f"weights {name} have shape {array.shape}, the model wants "
        f"{leaves[path].shape}; same width, attention and number of classes?"
      )
    converted[path] = array
  return flax.traverse_util.unflatten_dict(converted)


def torch_shapes(variables: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
  """The shape PyTorch gives each array, by its name there."""
  leaves = flax.traverse_util.flatten_dict(variables)
  shapes = {}
  for path, name in torch_names(variables).items():
    shape = tuple(leaves[path].shape)
    if len(shape) == 4:
      shape = (shape[3], shape[2], shape[0], shape[1])
    elif len(shape) == 2:
      one_by_one = (1, 1) if "attention" in path else ()
      shape = (shape[1], shape[0], *one_by_one)
    shapes[name] = shape
  return shapes


def _to_ours(array: np.ndarray, rank: int) -> np.ndarray:
  if array.ndim == 4 and rank == 2 and array.shape[2:] == (1, 1):
    array = array[:, :, 0, 0]
  if array.ndim == 4:
    return array.transpose(2, 3, 1, 0)
  return array.T if array.ndim == 2 else array


def _torch_name(path: Path) -> str:
  _, module, *inner, leaf = path
  try:
    return ".".join([*_module(module, inner), _LEAVES[leaf]])
  except (KeyError, TypeError, ValueError):
    raise InputError(
      f"PyTorch's ResNets have no name for {'/'.join(path)}; only plain and SE ResNets "
      "can be converted"
    ) from None


def _module(module: str, inner: list[str]) -> list[str]:
  if module == "head":
    return ["fc"]
  if module == "stem":
    return [_layer(inner)]
  stage, block = re.fullmatch(r"stage(\d)_block(\d+)", module).groups()
  return [f"layer{int(stage) - 1}", str(int(block) - 1), _layer(inner)]


def _layer(inner: list[str]) -> str:
  if inner[:2] == ["attention", "se"]:
    return f"se.{inner[2]}"
  (name,) = inner
  if name.endswith("_shortcut"):
    return {"conv": "downsample.0", "norm": "downsample.1"}[name.split("_")[0]]
  kind, number = re.fullmatch(r"(conv|norm)(\d)", name).groups()
  return {"conv": "conv", "norm": "bn"}[kind] + number
