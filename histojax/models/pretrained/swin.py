"""Swin transformers under timm's names.

stem/patch/kernel, stem/norm/scale      patch_embed.proj.weight, patch_embed.norm.weight
stage3_merge/norm, stage3_merge/reduce  layers.1.downsample.norm, ....reduction
stage2_block1/attn/table                layers.0.blocks.0.attn.relative_position_...
stage2_block1/attn/qkv                  layers.0.blocks.0.attn.qkv
norm/scale, head/out/kernel             norm.weight, head.fc.weight
"""

import re
from collections.abc import Set

from histojax.models.pretrained.vit import BLOCK


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours."""
  if module == "norm":
    return "norm"
  if module == "head":
    return {"out": "head.fc"}[inner[0]]
  if module == "stem":
    return {"patch": "patch_embed.proj", "norm": "patch_embed.norm"}[inner[0]]
  stage, number = re.fullmatch(r"stage(\d)_(?:block(\d+)|merge)", module).groups()
  stage = f"layers.{int(stage) - 2}"
  if number is None:
    return f"{stage}.downsample." + {"norm": "norm", "reduce": "reduction"}[inner[0]]
  block = f"{stage}.blocks.{int(number) - 1}"
  if inner[0] != "attn":
    return f"{block}.{BLOCK[inner[0]]}"
  return ".".join([f"{block}.attn", *inner[1:]])  # of qkv, proj, or the table's own
