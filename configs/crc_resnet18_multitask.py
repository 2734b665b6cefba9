"""Multitask ResNet18 on colorectal tissue: classes, triplets, hash codes.

Paper: Table 2 of the colorectal paper, row Multitask ResNet18, quoted from others:
accuracy 98.6 % on a part of the 100,000, 95.0 % on CRC-VAL-HE-7K. Data and variants are
those of crc_resnet50_transfer.py; the recipe of this row is not stated.
Network: Peng et al., MICCAI 2019 (bioRxiv 661454); its sizes and weights are not known.

  python launch.py --config=configs/crc_resnet18_multitask.py
  python launch.py --config=configs/crc_resnet18_multitask.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import crc_resnet50_transfer as base

VARIANTS = ("", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "colorectal/Multitask ResNet18"
  c.model.name = "resnet18"
  c.model.head = "multitask(embedding=64, bits=48)"  # assumption: sizes
  c.model.freeze, c.model.norm = "none", "batch"  # all of it is trained
  c.loss = (
    "multitask(triplet=1.0, cauchy=0.1, margin=0.2, gamma=20.0)"  # assumption: all four
  )
  c.evaluate_neighbours = 5  # assumption: k; predicts by k-NN, too, as the paper did
  c.epochs, c.batch_size = 20, 32  # assumption: not stated
  c.optimizer.learning_rate = 1e-4  # assumption: not stated
  c.augment.flip = "both"  # assumption: not stated
  if variant != "quick":
    c.init.weights = "hf://timm/resnet18.tv_in1k"  # assumption: which
  if variant == "quick":
    c.epochs, c.optimizer.learning_rate = 8, 1e-3
  return c
