"""VGG19 on colorectal tissue of nine classes.

Paper: Table 2 of the colorectal paper, row VGG19, quoted from others: accuracy 98.8
% on a part of the 100,000, 94.3 % on CRC-VAL-HE-7K. Data and variants are those of
crc_resnet50_transfer.py; the recipe of this row is not stated.
Recipe: Kather et al., PLOS Medicine 2019 (SGD, 3e-4, batch 360, 8 epochs; recalled).

  python launch.py --config=configs/crc_vgg19.py
  python launch.py --config=configs/crc_vgg19.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import crc_resnet50_transfer as base

VARIANTS = ("", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "colorectal/VGG19"
  c.epochs, c.batch_size = 8, 360  # assumption: as recalled
  c.augment.flip = "both"  # assumption: as recalled
  c.optimizer.name = "sgd"
  c.optimizer.learning_rate = 3e-4  # assumption: as recalled
  c.model = config_dict.ConfigDict()
  c.model.name = "vgg19"
  c.model.attention = "none"
  c.model.head = "fc(hidden=4096, dropout=0.5)"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vgg19.tv_in1k"  # assumption: which
  if variant == "quick":
    c.batch_size, c.augment.size = 32, 48
    c.model.norm = "batch"  # from scratch and in minutes it learns nothing without
    c.model.head = "fc(hidden=256, dropout=0.5)"
    c.optimizer.learning_rate = 0.01
  return c
