"""DINOv2 ViT-B/14 on BreakHis, benign or malignant: its backbone frozen, a linear head.

Paper: arXiv 2308.13150, a baseline of DALAResNet50; its own score could not be found.
Recipe, data and variants are those of breakhis_dala.py, the network apart.

  python launch.py --config=configs/breakhis_dinov2.py
  python launch.py --config=configs/breakhis_dinov2.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # no number of this row is known
  c.model = config_dict.ConfigDict()
  c.model.name = "dinov2_vitb14"
  c.model.attention = "none"
  c.model.head = "linear"
  c.model.freeze = "backbone"  # assumption: not stated
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vit_base_patch14_dinov2.lvd142m"  # assumption: which
  c.init.new = "head"
  if variant == "quick":
    c.model.freeze, c.augment.size, c.epochs = "none", 56, 8
    c.optimizer.clip = 1.0
  return c
