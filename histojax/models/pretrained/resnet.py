"""ResNets under timm's names, CBAM and DNL under their authors'.

stem/conv1/kernel                       conv1.weight
stem/conv_deep2/kernel                  conv1.3.weight
stage3_block2/norm3/scale               layer2.1.bn3.weight
stage3_block1/conv_shortcut/...         layer2.0.downsample.0.weight
stage3_block2/attention/se/fc1          layer2.1.se.fc1
.../attention/cbam/spatial/norm/scale   layer2.1.cbam.SpatialGate.spatial.bn.weight
stage3_block2/attention/sam/conv        layer2.1.sam.conv
.../mixer/conv_branch1/kernel           layer2.1.conv2.paths.0.conv.weight
stage5_end/dnl/query/kernel             layer4_end.dnl.conv_query.weight
stage5_end/lam/se/fc1/kernel            layer4_end.lam.se.fc1.weight
head/out/kernel, head/fc1/kernel        fc.weight, head.fc1.weight
"""

import re
from collections.abc import Set

_CBAM = {
  ("channel", "fc1"): "ChannelGate.mlp.1",
  ("channel", "fc2"): "ChannelGate.mlp.3",
  ("spatial", "conv"): "SpatialGate.spatial.conv",
  ("spatial", "norm"): "SpatialGate.spatial.bn",
}
_DEEP = {"conv_deep1": "conv1.0", "conv_deep2": "conv1.3", "conv_deep3": "conv1.6"}
_DEEP |= {"norm_deep1": "conv1.1", "norm_deep2": "conv1.4", "norm_deep3": "bn1"}
_DNL = {key: f".conv_{key}" for key in ("query", "key", "value", "mask", "out")}
_HEAD = {key: f"head.{key}" for key in ("fc1", "fc2", "embedding", "hash")}
_KINDS = {"conv": "conv", "norm": "bn"}
_SK = {"fc1": "fc_reduce", "norm": "bn", "fc2": "fc_select"}


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours; `mixed` are the modules whose 3x3 is a mixer."""
  if module == "head":
    return (_HEAD | {"out": "fc"})[inner[0]]
  if module == "stem":
    return _DEEP[inner[0]] if inner[0] in _DEEP else _inner(inner, False)
  if end := re.fullmatch(r"stage(\d)_end", module):
    return f"layer{int(end[1]) - 1}_end.{_transform(*inner)}"
  stage, block = re.fullmatch(r"stage(\d)_block(\d+)", module).groups()
  return f"layer{int(stage) - 1}.{int(block) - 1}.{_inner(inner, module in mixed)}"


def _transform(name: str, *inner: str) -> str:
  if name == "dnl":
    return name + _DNL[inner[0]] if inner else name
  return ".".join((name, *inner))


def _inner(inner: list[str], mixed: bool) -> str:
  if inner[:2] == ["attention", "se"]:
    return f"se.{inner[2]}"
  if inner[:2] == ["attention", "cbam"]:
    return f"cbam.{_CBAM[tuple(inner[2:])]}"
  if inner[:2] == ["attention", "eca"]:
    return f"se.{inner[2]}"  # timm's place for whatever attention a block has
  if inner[:2] == ["attention", "sam"]:
    return f"sam.{inner[2]}"
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
