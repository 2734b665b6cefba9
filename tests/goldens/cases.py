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
  stride_in_1x1: bool = False
  num_classes: int = 3
  batch: int = 4
  size: int = 64

  def arguments(self) -> dict:
    """For `models.create`."""
    return {
      "name": self.model,
      "num_classes": self.num_classes,
      "attention": self.attention,
      "stride_in_1x1": self.stride_in_1x1,
    }


MODELS = (
  Case("resnet50", "resnet50", "resnet50"),
  Case("resnet50_v1", "resnet50", "resnet50", stride_in_1x1=True),
  Case("seresnet50", "resnet50", "seresnet50", attention="se(ratio=16)"),
  Case("seresnet50_v1", "resnet50", "seresnet50", "se(ratio=16)", True),
  Case("resnet_tiny", "resnet_tiny", "resnet_tiny", batch=3, size=50),
)

GATE_CHANNELS = 32


def gate_input() -> np.ndarray:
  """[3, 5, 6, C] float32."""
  shape = (3, 5, 6, GATE_CHANNELS)
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)
