"""Weights under PyTorch's names: timm's and torchvision's models to ours and back.

Each family of backbones says in a file of its own how its layers are called there.
Arrays in, arrays out; PyTorch itself is not needed.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import flax
import numpy as np

from histojax.errors import InputError
from histojax.models.pretrained import densenet, resnet, swin, vgg, vit

Path = tuple[str, ...]

# a model's `family` -> (our module, what is inside, ...) -> their layer
FAMILIES = {
  "resnet": resnet.layer,
  "vgg": vgg.layer,
  "densenet": densenet.layer,
  "vit": vit.layer,
  "swin": swin.layer,
}
_LEAVES = {
  "kernel": "weight",
  "scale": "weight",
  "bias": "bias",
  "mean": "running_mean",
  "var": "running_var",
  "gamma": "gamma",
  "cls_token": "cls_token",
  "pos_embed": "pos_embed",
  "table": "relative_position_bias_table",
}
# what some state dicts hold beside: counters, tables of indices, an unused token
NOT_USED = (
  "num_batches_tracked",
  "relative_position_index",
  "attn_mask",
  "mask_token",
)


def torch_names(model, variables: Mapping[str, Any]) -> dict[Path, str]:
  """For every leaf of `params` and `batch_stats`, its name in a PyTorch state dict.

  Raises:
    InputError: a leaf that PyTorch's models have no name for.
  """
  layer = FAMILIES[model.family]
  if model.family == "vgg":  # whose names count the layers before
    layer = partial(layer, model)
  paths = list(flax.traverse_util.flatten_dict(variables))
  mixed = {path[1] for path in paths if "mixer" in path}
  names = {}
  for path in paths:
    _, module, *inner, leaf = path
    try:
      found = layer(module, inner, mixed)
      names[path] = f"{found}.{_LEAVES[leaf]}".lstrip(".")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
      raise InputError(
        f"PyTorch's models have no name for {'/'.join(path)} of a {model.family}"
      ) from None
  return names


def from_torch(
  model, state: Mapping[str, np.ndarray], variables: Mapping[str, Any]
) -> dict[str, Any]:
  """PyTorch's arrays in the structure of `variables` (arrays or shapes), float32.

  Convolutions turn from OIHW to HWIO, dense layers from OI to IO (as do 1x1
  convolutions that are dense layers here), and a dense layer that reads a flattened map
  from O, (I H W) to H, W, I, O; tables of relative positions turn as dense layers. Of
  counters, tables of indices and mask tokens no use is made.

  Raises:
    InputError: an array that is missing, unused or of another shape.
  """
  names = torch_names(model, variables)
  given = {key for key in state if not key.endswith(NOT_USED)}
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


def torch_shapes(model, variables: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
  """The shape PyTorch gives each array, by its name there."""
  leaves = flax.traverse_util.flatten_dict(variables)
  shapes = {}
  for path, name in torch_names(model, variables).items():
    shape = tuple(leaves[path].shape)
    if _reads_flattened(path) and len(shape) == 4:
      shape = (shape[3], shape[0] * shape[1] * shape[2])
    elif len(shape) == 4:
      shape = (shape[3], shape[2], shape[0], shape[1])
    elif len(shape) == 2 and "eca" in path:
      shape = (shape[1], 1, shape[0])  # a convolution over channels
    elif len(shape) == 2:
      one_by_one = (1, 1) if {"se", "mixer", "sam", "dnl"} & set(path) else ()
      shape = (shape[1], shape[0], *one_by_one)
    shapes[name] = shape
  return shapes


def _reads_flattened(path: Path) -> bool:
  return path[1:] == ("head", "fc1", "kernel")  # of `heads.FullyConnected`


def _to_ours(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  if array.ndim == 4 and len(shape) == 2 and array.shape[2:] == (1, 1):
    array = array[:, :, 0, 0]
  if array.ndim == 3 and len(shape) == 2 and array.shape[1] == 1:
    array = array[:, 0]
  if array.ndim == 2 and len(shape) == 4 and array.size == np.prod(shape):
    array = array.reshape(-1, shape[2], *shape[:2])
  if array.ndim == 4:
    return array.transpose(2, 3, 1, 0)
  return array.T if array.ndim == 2 else array
