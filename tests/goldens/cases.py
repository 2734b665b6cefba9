"""What is compared with PyTorch, named once for the script and the tests."""

import dataclasses
import re

import numpy as np

# Attention blocks by themselves.
BLOCKS = (
  *("se", "cbam", "eca", "sam", "sam(gate=none)"),
  *("dnl", "dnl(scale=False, gamma=True)", "dnl(temperature=0.05, out=True)"),
  *("lam", "lam(gate=eca)"),
)
KINDS = ("se", "cbam", "eca", "sam", "dnl", "lam")


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

  @property
  def blocks(self) -> tuple[str, ...]:
    """What `randomised.scramble` may scramble by itself; '' is all attention."""
    if self.model.startswith(("vit", "dinov2", "swin")):
      return ("",)
    own = {"senet154": "se", "skresnet50": "sk"}.get(self.model, "")
    words = re.findall(r"\w+", f"{own} {self.attention} {self.kwargs.get('stage_end')}")
    named = {"sk": "mixer"} | {name: name for name in KINDS}
    return tuple(sorted({named[word] for word in words if word in named}))

  @property
  def attends(self) -> bool:
    return bool(self.blocks)

  def arguments(self) -> dict:
    """For `models.create`."""
    named = {"name": self.model, "attention": self.attention}
    return named | {"num_classes": self.num_classes} | self.kwargs


V1 = {"stride_in_1x1": True}
ONE_EACH = {"stage_sizes": (1, 1, 1, 1)}
# torchvision's layers but for the width of the dense ones; nothing is dropped.
VGG = {"head": "fc(hidden=64, dropout=0.0)"}

MULTIPLE = {"stage_end": "none|none|none|dnl", "head": "fused(stages=(3, 4, 5))"}
SERIES = "se+sam|se+sam|se+sam|none"
SMALL_DUAL = {"head": "dual(hidden=(24, 12))"}
DUAL = {"head": "dual(hidden=(512, 256))"}
LIGHT = {"stage_end": "none|none|none|lam"}
# SENet-154's trunk and SE, at timm's hidden widths of 8, 8, 8 and 16
TRUNK = {"inner": 4, "groups": 8, "reduce_first": 2, "deep_stem": True}
TRUNK |= {"shortcut_kernel": 3}
HIDDEN = "se(ratio=4)|se(ratio=8)|se|se"
SK = "sk(groups=1, smallest=8, split=True)"

# The families whose full size is compared in test_full_size.py, small.
THIN = {"widths": (8, 8, 16, 16, 32)}
VIT = {"width": 48, "depth": 2, "num_heads": 3}
SWIN = {"stage_sizes": (2, 2, 1, 1), "width": 16, "num_heads": (1, 2, 4, 4)}
NO_DROPS = {"drop_path": 0.0}
LINEAR = {"head": "linear"}
DENSE = {"stage_sizes": (2, 3, 2, 2), "growth": 8, "width": 16}
INCEPTION = {"head": "linear", "branches": (8, 4, 12, 4, 6, 6)}

MODELS = (
  Case("resnet50", "resnet50", "resnet50"),
  Case("resnet50_v1", "resnet50", "resnet50", kwargs=V1),
  Case("seresnet50", "resnet50", "seresnet50", "se(ratio=16)"),
  Case("seresnet50_v1", "resnet50", "seresnet50", "se(ratio=16)", V1),
  Case("resnet50_cbam", "resnet50", "resnet50_cbam", "cbam", stored=False),
  Case("resnext50", "resnext50", "resnext50_32x4d", kwargs=ONE_EACH, stored=False),
  Case("sknet50", "resnext50", "skresnext50_32x4d", "sk", stored=False),
  Case("skresnet50", "skresnet50", "blocks:skresnet50", stored=False),
  Case("sk_small", "resnext50", "skresnext50_32x4d", "sk", ONE_EACH),
  Case("resnet_tiny", "resnet_tiny", "resnet_tiny", batch=3, size=50),
  Case("cbam_tiny", "resnet_tiny", "resnet_tiny_cbam", "cbam", batch=3, size=50),
  *(
    Case(name, "resnet_tiny", f"blocks:{torch}", spec, kwargs, 3, 3, 80, stored)
    for name, torch, spec, stored, kwargs in (
      ("basic_tiny", "tiny_basic", "se(ratio=4)", True, {"block": "basic"}),
      ("senet_tiny", "tiny_senet", HIDDEN, False, TRUNK),
      ("skresnet_tiny", "tiny_sk", SK, False, {}),
      ("se_sam_dnl_tiny", "tiny", SERIES, True, MULTIPLE),
      ("literal_tiny", "tiny", "sam(gate=none)|none|eca|eca", False, {}),
      ("light_tiny", "tiny", "none", False, LIGHT | SMALL_DUAL),
    )
  ),
  Case("vgg16", "vgg16", "vgg16", kwargs=VGG, batch=2),
  Case("vgg16_96px", "vgg16", "vgg16", kwargs=VGG, batch=2, size=97, stored=False),
  Case("vgg16_bn", "vgg16_bn", "vgg16_bn", kwargs=VGG | THIN),
  Case("vgg19", "vgg19", "vgg19", kwargs=VGG | THIN),
  Case(
    "vgg16_inception", "vgg16_inception", "vgg16_inception", kwargs=THIN | INCEPTION
  ),
  Case("densenet", "densenet121", "densenet121", kwargs=DENSE, size=73),
  Case("vit", "vit_b16", "vit_b_16", kwargs=VIT | {"grid": 4}),
  # 3 x 3 patches of a grid of 5 x 5: scaled by 3.1 / 5
  Case(
    "dinov2",
    "dinov2_vitb14",
    "vit_base_patch14_dinov2",
    kwargs=VIT | {"grid": 5},
    size=42,
  ),
  # maps of 19, 10, 5 and 3: padded to 3, 2, 1 and 1 windows a side
  Case("swin", "swin_t", "swin_t", kwargs=SWIN | NO_DROPS, size=78),
)
# At full size, 1,000 classes, live in float32: against torchvision and timm.
FULL = tuple(
  Case(name, *rest, num_classes=1000, batch=2, size=size, stored=False)
  for size, name, *rest in (
    (224, "resnet18", "resnet18", "blocks:resnet18"),
    (224, "resnet34", "resnet34", "blocks:resnet34"),
    (224, "senet154", "senet154", "blocks:senet154"),
    (80, "multi_attention", "resnet50", "blocks:resnet50", SERIES, MULTIPLE),
    (224, "light_attention", "resnet50", "blocks:resnet50", "none", LIGHT | DUAL),
    (224, "multitask", "resnet18", "blocks:resnet18", "none", {"head": "multitask"}),
    (224, "vgg16_bn", "vgg16_bn", "vgg16_bn", "none", VGG),
    (224, "vgg19", "vgg19", "vgg19", "none", VGG),
    (224, "vgg16_inception", "vgg16_inception", "vgg16_inception", "none", LINEAR),
    (224, "densenet121", "densenet121", "densenet121"),
    (224, "vit_b16", "vit_b16", "vit_b_16"),
    (224, "swin_t", "swin_t", "swin_t", "none", NO_DROPS),
    (224, "dinov2_224", "dinov2_vitb14", "vit_base_patch14_dinov2"),
    (518, "dinov2_518", "dinov2_vitb14", "vit_base_patch14_dinov2"),
  )
)
STORED = tuple(case for case in MODELS if case.stored)

BLOCK_CHANNELS = 32


def block_input() -> np.ndarray:
  """[3, 5, 6, C] float32."""
  shape = (3, 5, 6, BLOCK_CHANNELS)
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)
