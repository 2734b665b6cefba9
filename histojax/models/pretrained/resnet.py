"""ResNets under timm's names, CBAM under its authors'.

stem/conv1/kernel                       conv1.weight
stage3_block2/norm3/scale               layer2.1.bn3.weight
stage3_block1/conv_shortcut/...         layer2.0.downsample.0.weight
stage3_block2/attention/se/fc1          layer2.1.se.fc1
.../attention/cbam/spatial/norm/scale   layer2.1.cbam.SpatialGate.spatial.bn.weight
.../mixer/conv_branch1/kernel           layer2.1.conv2.paths.0.conv.weight
head/out/kernel                         fc.weight
"""

import re
from collections.abc import Set

_CBAM = {
  ("channel", "fc1"): "ChannelGate.mlp.1",
  ("channel", "fc2"): "ChannelGate.mlp.3",
  ("spatial", "conv"): "SpatialGate.spatial.conv",
  ("spatial", "norm"): "SpatialGate.spatial.bn",
}
_KINDS = {"conv": "conv", "norm": "bn"}
_SK = {"fc1": "fc_reduce", "norm": "bn", "fc2": "fc_select"}


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours; `mixed` are the modules whose 3x3 is a mixer."""
  if module == "head":
    return {"out": "fc"}[inner[0]]
  if module == "stem":
    return _inner(inner, False)
  stage, block = re.fullmatch(r"stage(\d)_block(\d+)", module).groups()
  return f"layer{int(stage) - 1}.{int(block) - 1}.{_inner(inner, module in mixed)}"


def _inner(inner: list[str], mixed: bool) -> str:
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
