"""Weights under PyTorch's names: timm's and torchvision's models to ours and back.

    variables path                          PyTorch name
    params/stem/conv1/kernel                conv1.weight
    params/stage3_block2/norm3/scale        layer2.1.bn3.weight
    params/stage3_block1/conv_shortcut/...  layer2.0.downsample.0.weight
    params/stage3_block2/attention/se/fc1   layer2.1.se.fc1
    .../attention/cbam/spatial/norm/scale   layer2.1.cbam.SpatialGate.spatial.bn.weight
    .../mixer/conv_branch1/kernel           layer2.1.conv2.paths.0.conv.weight
    batch_stats/stem/norm1/var              bn1.running_var
    params/head/kernel                      fc.weight
    params/stage3/conv2/bias (VGG)          features.12.bias

CBAM's are its authors'. Arrays in, arrays out; PyTorch itself is not needed.
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
  paths = list(flax.traverse_util.flatten_dict(variables))
  mixed = {path[1] for path in paths if "mixer" in path}
  vgg = any(path[1] == "stage1" for path in paths)
  return {path: _torch_name(path, mixed, vgg) for path in paths}


def from_torch(
  state: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
  """PyTorch's arrays in the structure of `variables` (arrays or shapes), float32.

  Convolutions turn from OIHW to HWIO, dense layers from OI to IO (as do 1x1
  convolutions that are dense layers here), and a dense layer that reads a flattened map
  from O, (I H W) to H, W, I, O. `num_batches_tracked` is not used.

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
    array = _to_ours(np.asarray(state[name], np.float32), leaves[path].shape)
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
    if _reads_flattened(path):
      shape = (shape[3], shape[0] * shape[1] * shape[2])
    elif len(shape) == 4:
      shape = (shape[3], shape[2], shape[0], shape[1])
    elif len(shape) == 2:
      one_by_one = (1, 1) if {"se", "mixer"} & set(path) else ()
      shape = (shape[1], shape[0], *one_by_one)
    shapes[name] = shape
  return shapes


def _reads_flattened(path: Path) -> bool:
  return path[1:] == ("fc1", "kernel")


def _to_ours(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
    array = array[:, :, 0, 0]
  if array.ndim == 2 and len(shape) == 4 and array.size == np.prod(shape):
    array = array.reshape(-1, shape[2], *shape[:2])
  if array.ndim == 4:
    return array.transpose(2, 3, 1, 0)
  return array.T if array.ndim == 2 else array


def _torch_name(path: Path, mixed: set[str], vgg: bool) -> str:
  _, module, *inner, leaf = path
  try:
    if vgg:
      names = _vgg(module, inner)
    else:
      names = _resnet(module, inner, module in mixed)
    return ".".join([*names, _LEAVES[leaf]])
  except (AttributeError, IndexError, KeyError, TypeError, ValueError):
    raise InputError(
      f"PyTorch's models have no name for {'/'.join(path)}; only plain, SE, CBAM and SK"
      " ResNets and plain VGGs can be converted"
    ) from None


def _vgg(module: str, inner: list[str]) -> list[str]:
  """Of configuration D: the layers of `features` count ReLUs and pools, too."""
  if not inner:
    return ["classifier", {"fc1": "0", "fc2": "3", "head": "6"}[module]]
  (conv,) = inner
  first = (0, 5, 10, 17, 24)[int(re.fullmatch(r"stage(\d)", module)[1]) - 1]
  return ["features", str(first + 2 * int(re.fullmatch(r"conv(\d)", conv)[1]) - 2)]


def _resnet(module: str, inner: list[str], mixed: bool) -> list[str]:
  if module == "head":
    return ["fc"]
  if module == "stem":
    return [_layer(inner, False)]
  stage, block = re.fullmatch(r"stage(\d)_block(\d+)", module).groups()
  return [f"layer{int(stage) - 1}", str(int(block) - 1), _layer(inner, mixed)]


_CBAM = {
  ("channel", "fc1"): "ChannelGate.mlp.1",
  ("channel", "fc2"): "ChannelGate.mlp.3",
  ("spatial", "conv"): "SpatialGate.spatial.conv",
  ("spatial", "norm"): "SpatialGate.spatial.bn",
}
_KINDS = {"conv": "conv", "norm": "bn"}
_SK = {"fc1": "fc_reduce", "norm": "bn", "fc2": "fc_select"}


def _layer(inner: list[str], mixed: bool) -> str:
  if inner[:2] == ["attention", "se"]:
    return f"se.{inner[2]}"
  if inner[:2] == ["attention", "cbam"]:
    return f"cbam.{_CBAM[tuple(inner[2:])]}"
  if inner[0] == "mixer":
    if inner[1] in _SK:
      return f"conv2.attn.{_SK[inner[1]]}"
    kind, number = re.fullmatch(r"(conv|norm)_branch(\d)", inner[1]).groups()
    return f"conv2.paths.{int(number) - 1}.{_KINDS[kind]}"
  (name,) = inner
  if name.endswith("_shortcut"):
    return {"conv": "downsample.0", "norm": "downsample.1"}[name.split("_")[0]]
  kind, number = re.fullmatch(r"(conv|norm)(\d)", name).groups()
  return f"conv{number}.{_KINDS[kind]}" if mixed else _KINDS[kind] + number
