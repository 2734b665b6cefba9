"""DenseNets under torchvision's and timm's names, which are the same.

stem/conv1/kernel                       features.conv0.weight
stage2_layer1/norm0/scale               features.denseblock1.denselayer1.norm1.weight
stage2_layer1/norm1, .../conv2          ...denselayer1.norm2, ...denselayer1.conv2
stage3_transition/conv1/kernel          features.transition2.conv.weight
norm/scale, head/out/kernel             features.norm5.weight, classifier.weight
"""

import re
from collections.abc import Set

_STEM = {"conv1": "conv0", "norm1": "norm0"}
_LAYER = {"norm0": "norm1", "conv1": "conv1", "norm1": "norm2", "conv2": "conv2"}
_TRANSITION = {"norm0": "norm", "conv1": "conv"}


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours."""
  if module == "norm":
    return "features.norm5"
  (name,) = inner
  if module == "head":
    return {"out": "classifier"}[name]
  if module == "stem":
    return f"features.{_STEM[name]}"
  stage, number = re.fullmatch(r"stage(\d)_(?:layer(\d+)|transition)", module).groups()
  block = int(stage) - 1
  if number is None:
    return f"features.transition{block}.{_TRANSITION[name]}"
  return f"features.denseblock{block}.denselayer{number}.{_LAYER[name]}"
