"""ResNet50 with SE and SAM on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row SE+SAM:
accuracy 98.72 +- 0.3 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_se_sam.py
  python launch.py --config=configs/sipakmed_se_sam.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = base.VARIANTS


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/SE+SAM"
  c.model.attention = "se+sam|se+sam|se+sam|none"
  c.model.stage_end = "none"
  c.model.head = "linear"  # assumption: the ablation rows are without fusion
  if variant == "literal":
    c.model.attention = c.model.attention.replace("sam", "sam(gate=none)")
  return c
