"""VGG16 with an Inception block on BreakHis, benign or malignant.

Paper: arXiv 2308.13150, a baseline of DALAResNet50; its own score could not be found.
Recipe, data and variants are those of breakhis_dala.py, the network apart. No
public definition of VGG16Inception was found.

  python launch.py --config=configs/breakhis_vgg16_inception.py
  python launch.py --config=configs/breakhis_vgg16_inception.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # no number of this row is known
  c.model = config_dict.ConfigDict()
  c.model.name = "vgg16_inception"  # assumption: GoogLeNet's 4b on VGG16's pool5
  c.model.attention = "none"
  c.model.head = "linear"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vgg16.tv_in1k"  # assumption: which
  c.init.new = "inception|head"
  if variant == "quick":
    c.epochs, c.optimizer.learning_rate = 6, 1e-4
  return c
