"""PyTorch's side of the comparisons: timm's and torchvision's models, and a CBAM."""

import itertools

import numpy as np
import torch

# Without these schemas torchvision cannot be imported beside a CPU-only torch.
_stubs = torch.library.Library("torchvision", "DEF")
for _operator in ("nms", "qnms"):
  _stubs.define(
    f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
  )

import timm  # noqa: E402
import torch_families  # noqa: E402
import torch_residual  # noqa: E402
import torchvision  # noqa: E402
from timm.models import resnet  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(2)


def build(case) -> nn.Module:
  """The counterpart of a case of cases.py."""
  name, num_classes = case.torch_name, case.num_classes
  if name in torch_families.BUILD:
    return torch_families.BUILD[name](case)
  if name.startswith("blocks:"):
    return torch_residual.build(case)
  if name.startswith("vgg"):
    return _vgg(name, num_classes, hidden=64)
  if name.startswith("resnet_tiny"):
    model = _resnet_tiny(num_classes)
  else:
    sizes = case.kwargs.get("stage_sizes")
    layers = {"layers": list(sizes)} if sizes else {}
    name = name.removesuffix("_cbam")
    model = timm.create_model(name, num_classes=num_classes, **layers)
  stages = (model.layer1, model.layer2, model.layer3, model.layer4)
  if case.kwargs.get("stride_in_1x1"):
    for stage in stages[1:]:
      stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
  if case.torch_name.endswith("_cbam"):
    for block in itertools.chain(*stages):
      block.cbam = CBAM(block.bn3.num_features)
      block.se = block.cbam.forward  # timm calls it between bn3 and the addition
  return model


def _resnet_tiny(num_classes: int) -> nn.Module:
  model = resnet.ResNet(
    resnet.Bottleneck, (1, 1, 1, 1), num_classes, channels=(8, 16, 32, 64)
  )
  # timm's stem has 64 channels whatever the widths.
  model.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
  model.bn1 = nn.BatchNorm2d(8)
  model.layer1[0].conv1 = nn.Conv2d(8, 8, 1, bias=False)
  model.layer1[0].downsample[0] = nn.Conv2d(8, 32, 1, bias=False)
  return model


def _vgg(name: str, num_classes: int, hidden: int) -> nn.Module:
  model = torchvision.models.get_model(name, num_classes=num_classes, dropout=0.0)
  model.classifier[0] = nn.Linear(512 * 7 * 7, hidden)
  model.classifier[3] = nn.Linear(hidden, hidden)
  model.classifier[6] = nn.Linear(hidden, num_classes)
  return model


class CBAM(nn.Module):
  """Woo et al., ECCV 2018, written from the paper's equations 2 and 3.

  What the paper leaves open is as in the authors' code: the maximum stands before the
  mean, and a norm of momentum 0.01 follows the 7x7 convolution. So are the names.
  """

  def __init__(self, channels: int, ratio: int = 16):
    super().__init__()
    hidden = channels // ratio
    layers = (
      nn.Flatten(),
      nn.Linear(channels, hidden),
      nn.ReLU(),
      nn.Linear(hidden, channels),
    )
    self.ChannelGate = nn.ModuleDict({"mlp": nn.Sequential(*layers)})
    spatial = nn.ModuleDict(
      {
        "conv": nn.Conv2d(2, 1, 7, padding=3, bias=False),
        "bn": nn.BatchNorm2d(1, momentum=0.01),
      }
    )
    self.SpatialGate = nn.ModuleDict({"spatial": spatial})

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    mlp, spatial = self.ChannelGate["mlp"], self.SpatialGate["spatial"]
    pooled = x.mean((2, 3)), x.amax((2, 3))
    x = x * sum(map(mlp, pooled)).sigmoid()[:, :, None, None]
    pooled = torch.stack([x.amax(1), x.mean(1)], dim=1)
    return x * spatial["bn"](spatial["conv"](pooled)).sigmoid()


def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
  """Of everything in the state dict that is a weight or a running statistic."""
  known = getattr(module, "timm_name", lambda name: name)
  return {
    known(name): tuple(value.shape)
    for name, value in module.state_dict().items()
    if known(name) and not name.endswith("num_batches_tracked")
  }


def load(module: nn.Module, arrays: dict[str, np.ndarray]) -> None:
  tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
  if known := getattr(module, "timm_name", None):
    own = {known(name): name for name in module.state_dict()}
    tensors = {own[name]: tensor for name, tensor in tensors.items()}
  _, unexpected = module.load_state_dict(tensors, strict=False)
  assert not unexpected


def samples(module: nn.Module, images: np.ndarray) -> dict[str, int]:
  """{name of a norm's running variance: how many values of a channel it is over}."""
  found, hooks = {}, []
  for name, norm in module.named_modules():
    if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d):

      def count(norm, inputs, _, name=name):
        found[f"{name}.running_var"] = inputs[0].numel() // norm.num_features

      hooks.append(norm.register_forward_hook(count))
  logits(module, images, train=False)
  for hook in hooks:
    hook.remove()
  return found


def logits(module: nn.Module, images: np.ndarray, train: bool) -> np.ndarray:
  """images [B, H, W, 3] -> [B, K]; the running statistics move where train is set."""
  module.train(train)
  with torch.inference_mode():
    return module(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
