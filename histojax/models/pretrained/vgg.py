"""VGGs under torchvision's names: `features` counts ReLUs and pools, too.

stage3/conv2/bias                       features.12.bias
head/fc1/kernel, head/out/kernel        classifier.0.weight, classifier.6.weight
"""

import re
from collections.abc import Set

_HEAD = {"fc1": "0", "fc2": "3", "out": "6"}


def layer(module: str, inner: list[str], mixed: Set[str]) -> str:
  """The PyTorch layer of ours, of configuration D."""
  (name,) = inner
  if module == "head":
    return f"classifier.{_HEAD[name]}"
  first = (0, 5, 10, 17, 24)[int(re.fullmatch(r"stage(\d)", module)[1]) - 1]
  number = int(re.fullmatch(r"conv(\d)", name)[1])
  return f"features.{first + 2 * number - 2}"
