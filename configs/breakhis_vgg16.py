"""VGG16 on BreakHis, benign or malignant.

Paper: arXiv 2308.13150, a baseline of DALAResNet50; its own score could not be found.
Recipe, data and variants are those of breakhis_dala.py, the network apart.

  python launch.py --config=configs/breakhis_vgg16.py
  python launch.py --config=configs/breakhis_vgg16.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # no number of this row is known
  c.model = config_dict.ConfigDict()
  c.model.name = "vgg16"
  c.model.attention = "none"
  c.model.head = "fc(hidden=4096, dropout=0.5)"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vgg16.tv_in1k"  # assumption: which
  c.init.new = "head"
  if variant == "quick":
    c.epochs, c.augment.size, c.optimizer.learning_rate = 8, 48, 3e-4
    c.model.norm = "batch"  # from scratch and in minutes it learns nothing without
    c.model.head = "fc(hidden=256, dropout=0.5)"
  return c
