"""What attention blocks have recorded, by kind: weights of channels, maps of places."""

import re
from typing import NamedTuple

import flax
import jax
import jax.numpy as jnp

from histojax.explain.rollout import rollout

COLLECTIONS = ("gates", "attention_maps")


class Maps(NamedTuple):
  """Of a batch, by names such as 'stage3_block1/se', from the image on, all float32."""

  channel: dict[str, jax.Array]  # [B, C], or of a mixer [B, branches, C]
  spatial: dict[str, jax.Array]  # [B, h, w]; its grid is that of the name's stage


def gather(kept, place: jax.Array, family: str) -> Maps:
  """Of the collections that a network's blocks have recorded.

  A non-local block's pairwise map is that of one place, its row: what that place takes
  from each other one. Of a ViT it is the rollout, what [CLS] takes from each patch.

  Args:
    place: float [B, 2], the place to ask, as shares of the map's height and width.
    family: of the backbone.
  """
  channel, spatial = {}, {}
  leaves = flax.traverse_util.flatten_dict(kept.get("gates", {}))
  for path in sorted(leaves, key=numbered):
    block, recorded, leaf = path[0], path[-1], leaves[path].astype(jnp.float32)
    label, _, kind = recorded.rpartition("_")
    name = f"{block}/{label}"
    if kind == "pairwise":
      shape = leaves[(*path[:-1], f"{label}_unary")].shape[1:3]
      spatial[f"{name}, pairwise"] = row_at(leaf, place, shape)
    elif kind == "unary":
      spatial[f"{name}, unary"] = leaf[..., 0]
    elif leaf.ndim == 5:  # [B, 1, 1, M, C]
      channel[name] = leaf[:, 0, 0]
    elif kind == "gate" and (*path[:-1], f"{label}_spatial") in leaves:
      continue  # the product of the two
    elif leaf.shape[-1] == 1 and kind != "channel":
      spatial[name] = leaf[..., 0]
    elif leaf.shape[1:3] == (1, 1):
      channel[name] = leaf[:, 0, 0]
    else:  # a factor for each place and channel
      spatial[name], channel[name] = leaf.mean(-1), leaf.mean((1, 2))
  if family == "vit":
    softmaxes = flax.traverse_util.flatten_dict(kept["attention_maps"])
    weights = [softmaxes[path] for path in sorted(softmaxes, key=numbered)]
    of_class = rollout(weights)[:, 0, 1:].astype(jnp.float32)  # [B, h w]
    side = round(of_class.shape[1] ** 0.5)
    spatial["rollout"] = of_class.reshape(-1, side, side)
  return Maps(channel, spatial)


def row_at(pairwise: jax.Array, place: jax.Array, shape: tuple[int, int]) -> jax.Array:
  """The row of one place: pairwise [B, h w, h w], place [B, 2] -> [B, h, w]."""
  height, width = shape
  row, column = ((place[:, k] * n).astype(jnp.int32) for k, n in enumerate(shape))
  index = row * width + column
  return pairwise[jnp.arange(len(index)), index].reshape(-1, height, width)


def numbered(path: tuple[str, ...]) -> list:
  """A key that sorts block2 before block10."""
  parts = re.split(r"(\d+)", "/".join(path))
  return [int(part) if part.isdecimal() else part for part in parts]
