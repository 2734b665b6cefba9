"""What is compared with PyTorch, named once for the script and the tests."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
  """One model of ours and its counterpart."""

  name: str
  model: str
  torch_name: str
  attention: str = "none"
  kwargs: dict = dataclasses.field(default_factory=dict)  # further ones of `create`
  num_classes: int = 3
  batch: int = 4
  size: int = 64
  stored: bool = True  # else compared live only: too slow for every day

  def arguments(self) -> dict:
    """For `models.create`."""
    named = {"name": self.model, "attention": self.attention}
    return named | {"num_classes": self.num_classes} | self.kwargs


V1 = {"stride_in_1x1": True}
ONE_EACH = {"stage_sizes": (1, 1, 1, 1)}
# torchvision's layers but for the width of the dense ones; nothing is dropped.
VGG = {"head": "fc(hidden=64, dropout=0.0)"}

MODELS = (
  Case("resnet50", "resnet50", "resnet50"),
  Case("resnet50_v1", "resnet50", "resnet50", kwargs=V1),
  Case("seresnet50", "resnet50", "seresnet50", "se(ratio=16)"),
  Case("seresnet50_v1", "resnet50", "seresnet50", "se(ratio=16)", V1),
  Case("resnet50_cbam", "resnet50", "resnet50_cbam", "cbam", stored=False),
  Case("resnext50", "resnext50", "resnext50_32x4d", kwargs=ONE_EACH, stored=False),
  Case("sknet50", "resnext50", "skresnext50_32x4d", "sk", stored=False),
  Case("sk_small", "resnext50", "skresnext50_32x4d", "sk", ONE_EACH),
  Case("resnet_tiny", "resnet_tiny", "resnet_tiny", batch=3, size=50),
  Case("cbam_tiny", "resnet_tiny", "resnet_tiny_cbam", "cbam", batch=3, size=50),
  Case("vgg16", "vgg16", "vgg16", kwargs=VGG, batch=2),
  Case("vgg16_96px", "vgg16", "vgg16", kwargs=VGG, batch=2, size=97, stored=False),
)
STORED = tuple(case for case in MODELS if case.stored)

GATE_CHANNELS = 32


def gate_input() -> np.ndarray:
  """[3, 5, 6, C] float32."""
  shape = (3, 5, 6, GATE_CHANNELS)
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)
