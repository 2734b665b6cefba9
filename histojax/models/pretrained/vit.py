"""Vision transformers under timm's names, which DINOv2's and most encoders share.

stem/cls_token, stem/pos_embed          cls_token, pos_embed
stem/patch/kernel                       patch_embed.proj.weight
block1/attn/qkv/kernel                  blocks.0.attn.qkv.weight
block1/fc1/kernel, block1/scale1/gamma  blocks.0.mlp.fc1.weight, blocks.0.ls1.gamma
norm/scale, head/out/kernel             norm.weight, head.weight
"""

import re
from collections.abc import Set

BLOCK = {
  "norm1": "norm1",
  "norm2": "norm2",
  "fc1": "mlp.fc1",
  "fc2": "mlp.fc2",
  "scale1": "ls1",
  "scale2": "ls2",
}


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours; '' is the model itself."""
  if module == "norm":
    return "norm"
  if module == "head":
    return {"out": "head"}[inner[0]]
  if module == "stem":
    return "patch_embed.proj" if inner == ["patch"] else ""
  number = int(re.fullmatch(r"block(\d+)", module)[1]) - 1
  found = f"attn.{inner[1]}" if inner[0] == "attn" else BLOCK[inner[0]]
  return f"blocks.{number}.{found}"
