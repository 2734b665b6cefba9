"""ResNet50 with SAM on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row SAM:
accuracy 97.17 +- 0.2 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_sam.py
  python launch.py --config=configs/sipakmed_sam.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = base.VARIANTS


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/SAM"
  c.model.attention = "sam|sam|sam|none"  # assumption: with a sigmoid
  c.model.stage_end = "none"
  c.model.head = "linear"
  if variant == "literal":
    c.model.attention = c.model.attention.replace("sam", "sam(gate=none)")
  return c
