"""ResNet50 with SE on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row SE:
accuracy 98.23 +- 0.3 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_se.py
  python launch.py --config=configs/sipakmed_se.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = ("", "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/SE"
  c.model.attention = (
    "se|se|se|none"  # assumption: stages 2 to 4, as in the whole network
  )
  c.model.stage_end = "none"
  c.model.head = "linear"
  return c
