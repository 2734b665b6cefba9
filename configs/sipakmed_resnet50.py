"""ResNet50 on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row ResNet50:
accuracy 96.17 +- 0.6 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_resnet50.py
  python launch.py --config=configs/sipakmed_resnet50.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = ("", "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/ResNet50"
  c.model.attention = "none"
  c.model.stage_end = "none"
  c.model.head = "linear"
  return c
