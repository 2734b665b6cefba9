"""VGGs under torchvision's names: `features` counts norms, ReLUs and pools, too.

stage3/conv2/bias                       features.12.bias (of VGG16 without norms)
stage3/norm2/scale                      features.18.weight (of VGG16-BN)
head/fc1/kernel, head/out/kernel        classifier.0.weight, classifier.6.weight
inception/conv2_reduce/kernel           inception.branch2.0.conv.weight (a GoogLeNet's)
"""

import re
from collections.abc import Set

_HEAD = {"fc1": "0", "fc2": "3", "out": "6"}
_KINDS = {"conv": "conv", "norm": "bn"}
_BRANCHES = {
  "1": "branch1",
  "2_reduce": "branch2.0",
  "2": "branch2.1",
  "3_reduce": "branch3.0",
  "3": "branch3.1",
  "4": "branch4.1",  # behind the pool
}


def layer(model, module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours; its number is that of the layers before it."""
  (name,) = inner
  if module == "head":
    return f"classifier.{_HEAD[name]}"
  if module == "inception":
    kind, branch = re.fullmatch(r"(conv|norm)(.+)", name).groups()
    return f"inception.{_BRANCHES[branch]}.{_KINDS[kind]}"
  stage = int(re.fullmatch(r"stage(\d)", module)[1])
  kind, number = re.fullmatch(r"(conv|norm)(\d)", name).groups()
  each = 3 if model.normed else 2  # convolution, norm, ReLU
  pools, before = stage - 1, sum(model.stage_sizes[: stage - 1]) + int(number) - 1
  return f"features.{each * before + pools + (kind == 'norm')}"
