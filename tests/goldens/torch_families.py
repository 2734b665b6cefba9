"""PyTorch's VGGs, DenseNets and vision transformers at any width: torchvision, timm.

A module may carry `timm_name`, which says how timm calls one of its arrays (None: not a
weight); `torch_models.shapes` and `load` then speak timm's names.
"""

import re

import torch
import torchvision
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torchvision.models import densenet, swin_transformer, vgg
from torchvision.models.googlenet import Inception
from torchvision.models.vision_transformer import VisionTransformer as TorchvisionViT


def _vgg(case, norm: bool, sizes=(2, 2, 3, 3, 3)) -> nn.Module:
  widths = case.kwargs.get("widths", (64, 128, 256, 512, 512))
  layers = [[w] * n + ["M"] for w, n in zip(widths, sizes, strict=True)]
  module = vgg.VGG(vgg.make_layers(sum(layers, []), norm), case.num_classes, dropout=0)
  module.classifier[0] = nn.Linear(widths[-1] * 7 * 7, 64)
  module.classifier[3] = nn.Linear(64, 64)
  module.classifier[6] = nn.Linear(64, case.num_classes)
  return module


class VGGInception(nn.Module):
  """VGG16's convolutions, GoogLeNet's block 4b with its true 5x5, mean, dense."""

  def __init__(self, case):
    super().__init__()
    self.features = _vgg(case, norm=False).features
    inputs = case.kwargs.get("widths", (512,))[-1]
    widths = case.kwargs.get("branches", (160, 112, 224, 24, 64, 64))
    self.inception = Inception(inputs, *widths)
    self.inception.branch3[1].conv = nn.Conv2d(*widths[3:5], 5, padding=2, bias=False)
    for module in self.inception.modules():
      if isinstance(module, nn.BatchNorm2d):
        module.eps = 1e-5  # assumed: as everywhere but in TensorFlow's GoogLeNet
    out = nn.Linear(widths[0] + widths[2] + widths[4] + widths[5], case.num_classes)
    self.classifier = nn.ModuleDict({"6": out})

  def forward(self, x):
    return self.classifier["6"](self.inception(self.features(x)).mean((2, 3)))


class VGGMlp(nn.Module):
  """VGG16's convolutions, mean, dense, ReLU, dense."""

  def __init__(self, case):
    super().__init__()
    self.features = _vgg(case, norm=False).features
    layers = {"0": nn.Linear(512, 256), "6": nn.Linear(256, case.num_classes)}
    self.classifier = nn.ModuleDict(layers)

  def forward(self, x):
    x = self.classifier["0"](self.features(x).mean((2, 3))).relu()
    return self.classifier["6"](x)


def _densenet(case) -> nn.Module:
  names = {"growth": "growth_rate", "width": "num_init_features"}
  names |= {"stage_sizes": "block_config"}
  kwargs = {names[key]: value for key, value in case.kwargs.items()}
  return densenet.DenseNet(num_classes=case.num_classes, **kwargs)


def _vit(case) -> nn.Module:
  width = case.kwargs.get("width", 768)
  module = TorchvisionViT(
    image_size=case.size,
    patch_size=16,
    num_layers=case.kwargs.get("depth", 12),
    num_heads=case.kwargs.get("num_heads", 12),
    hidden_dim=width,
    mlp_dim=4 * width,
    num_classes=case.num_classes,
  )
  module.timm_name = _vit_name
  return module


def _vit_name(name: str) -> str:
  whole = {"class_token": "cls_token", "encoder.pos_embedding": "pos_embed"}
  name = whole.get(name, name)
  for theirs, timm in (
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_(\d)\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.3\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.head\.", "head."),
  ):
    name = re.sub(theirs, timm, name)
  return name


class DINOv2(VisionTransformer):
  """timm's, its positions interpolated as facebookresearch/dinov2 does."""

  def _pos_embed(self, x):  # [B, h, w, C]
    batch, height, width, channels = x.shape
    positions, side = self.pos_embed, self.patch_embed.grid_size[0]
    if (height, width) != (side, side):
      grid = positions[:, 1:].reshape(1, side, side, channels).permute(0, 3, 1, 2)
      scale = [(new + 0.1) / side for new in (height, width)]
      grid = nn.functional.interpolate(grid, scale_factor=scale, mode="bicubic")
      assert grid.shape[2:] == (height, width)
      grid = grid.permute(0, 2, 3, 1).reshape(1, -1, channels)
      positions = torch.cat([positions[:, :1], grid], dim=1)
    token = self.cls_token.expand(batch, -1, -1)
    return torch.cat([token, x.reshape(batch, -1, channels)], dim=1) + positions


def _dinov2(case) -> nn.Module:
  return DINOv2(
    img_size=14 * case.kwargs.get("grid", 37),
    patch_size=14,
    embed_dim=case.kwargs.get("width", 768),
    depth=case.kwargs.get("depth", 12),
    num_heads=case.kwargs.get("num_heads", 12),
    init_values=1e-5,
    num_classes=case.num_classes,
    dynamic_img_size=True,
  )


def _swin(case) -> nn.Module:
  module = swin_transformer.SwinTransformer(
    patch_size=[4, 4],
    embed_dim=case.kwargs.get("width", 96),
    depths=list(case.kwargs.get("stage_sizes", (2, 2, 6, 2))),
    num_heads=list(case.kwargs.get("num_heads", (3, 6, 12, 24))),
    window_size=[7, 7],
    stochastic_depth_prob=0.0,
    num_classes=case.num_classes,
  )
  module.timm_name = _swin_name
  return module


def _swin_name(name: str) -> str | None:
  if name.endswith("relative_position_index"):
    return None
  name = re.sub(r"^features\.0\.0\.", "patch_embed.proj.", name)
  name = re.sub(r"^features\.0\.2\.", "patch_embed.norm.", name)
  name = re.sub(r"\.mlp\.0\.", ".mlp.fc1.", name)
  name = re.sub(r"\.mlp\.3\.", ".mlp.fc2.", name)
  name = re.sub(r"^head\.", "head.fc.", name)
  if found := re.match(r"features\.(\d)\.", name):
    number = int(found[1])
    stage = f"layers.{number // 2}." + ("blocks." if number % 2 else "downsample.")
    name = stage + name[found.end() :]
  return name


BUILD = {
  "vgg16_bn": lambda case: _vgg(case, norm=True),
  "vgg19": lambda case: _vgg(case, norm=False, sizes=(2, 2, 4, 4, 4)),
  "vgg16_inception": VGGInception,
  "vgg16_mlp": VGGMlp,
  "densenet121": _densenet,
  "vit_b_16": _vit,
  "vit_base_patch14_dinov2": _dinov2,
  "swin_t": _swin,
}
VERSIONS = f"torchvision {torchvision.__version__}, torch {torch.__version__}"
