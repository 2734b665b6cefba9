"""PyTorch's side of the comparisons: timm's models with randomised weights."""

import numpy as np
import torch

# Without these schemas torchvision cannot be imported beside a CPU-only torch.
_stubs = torch.library.Library("torchvision", "DEF")
for _operator in ("nms", "qnms"):
  _stubs.define(
    f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
  )

import timm  # noqa: E402
from timm.models import resnet  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(2)


def build(name: str, num_classes: int, stride_in_1x1: bool = False) -> nn.Module:
  """timm's `resnet50` or `seresnet50`, or `resnet_tiny` assembled of timm's blocks."""
  if name == "resnet_tiny":
    model = resnet.ResNet(
      resnet.Bottleneck, (1, 1, 1, 1), num_classes, channels=(8, 16, 32, 64)
    )
    # timm's stem has 64 channels whatever the widths.
    model.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
    model.bn1 = nn.BatchNorm2d(8)
    model.layer1[0].conv1 = nn.Conv2d(8, 8, 1, bias=False)
    model.layer1[0].downsample[0] = nn.Conv2d(8, 32, 1, bias=False)
  else:
    model = timm.create_model(name, num_classes=num_classes)
  if stride_in_1x1:
    for stage in (model.layer2, model.layer3, model.layer4):
      stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
  return model


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
  """Of everything in the state dict that is a weight or a running statistic."""
  return {
    name: tuple(value.shape)
    for name, value in module.state_dict().items()
    if not name.endswith("num_batches_tracked")
  }


def load(module: nn.Module, arrays: dict[str, np.ndarray]) -> None:
  tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
  _, unexpected = module.load_state_dict(tensors, strict=False)
  assert not unexpected


def logits(module: nn.Module, images: np.ndarray, train: bool) -> np.ndarray:
  """images [B, H, W, 3] -> [B, K]; the running statistics move where train is set."""
  module.train(train)
  with torch.inference_mode():
    return module(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
