"""Swin-T on BreakHis, benign or malignant.

Paper: arXiv 2308.13150, a baseline of DALAResNet50; its own score could not be found.
Recipe, data and variants are those of breakhis_dala.py, the network apart.

  python launch.py --config=configs/breakhis_swin.py
  python launch.py --config=configs/breakhis_swin.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # no number of this row is known
  c.model = config_dict.ConfigDict()
  c.model.name = "swin_t"  # assumption: the paper says only Swin-Transformer
  c.model.attention = "none"
  c.model.head = "linear"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = (
      "hf://timm/swin_tiny_patch4_window7_224.ms_in1k"  # assumption: which
    )
  c.init.new = "head"
  return c
