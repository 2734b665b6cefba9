"""ResNet18 on colorectal tissue of nine classes.

Paper: Table 2 of the colorectal paper, row ResNet18, quoted from others: accuracy 98.5
% on a part of the 100,000, 94.4 % on CRC-VAL-HE-7K. Data and variants are those of
crc_resnet50_transfer.py; the recipe of this row is not stated.

  python launch.py --config=configs/crc_resnet18.py
  python launch.py --config=configs/crc_resnet18.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import crc_resnet50_transfer as base

VARIANTS = ("", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "colorectal/ResNet18"
  c.model.name = "resnet18"
  c.model.head = "linear"
  c.model.freeze, c.model.norm = "none", "batch"  # all of it is trained
  c.epochs, c.batch_size = 20, 32  # assumption: not stated
  c.optimizer.learning_rate = 1e-4  # assumption: not stated
  c.augment.flip = "both"  # assumption: not stated
  if variant != "quick":
    c.init.weights = "hf://timm/resnet18.tv_in1k"  # assumption: which
  if variant == "quick":
    c.epochs, c.optimizer.learning_rate = 8, 1e-3
  return c
