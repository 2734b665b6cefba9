"""ResNet50 with DNL on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row DNL:
accuracy 97.90 +- 0.3 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_dnl.py
  python launch.py --config=configs/sipakmed_dnl.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = ("", "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/DNL"
  c.model.attention = "none"
  c.model.stage_end = "none|none|none|dnl"
  c.model.head = "linear"
  return c
