"""ViT-B/16 on BreakHis, benign or malignant.

Paper: arXiv 2308.13150, a baseline of DALAResNet50; its own score could not be found.
Recipe, data and variants are those of breakhis_dala.py, the network apart.

  python launch.py --config=configs/breakhis_vit.py
  python launch.py --config=configs/breakhis_vit.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # no number of this row is known
  c.model = config_dict.ConfigDict()
  c.model.name = "vit_b16"  # assumption: the paper says only ViT
  c.model.attention = "none"
  c.model.head = "linear"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vit_base_patch16_224.augreg_in1k"  # assumption: which
  c.init.new = "head"
  if variant == "quick":
    c.epochs, c.optimizer.clip = 6, 1.0
  return c
