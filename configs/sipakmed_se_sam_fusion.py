"""ResNet50 with SE, SAM and fused stages on cervical cells: a control of our own.

Not a row of the paper: what its Table I lacks to tell fusion from DNL. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_se_sam_fusion.py
  python launch.py --config=configs/sipakmed_se_sam_fusion.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = base.VARIANTS


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = ""  # our own control
  c.model.attention = "se+sam|se+sam|se+sam|none"
  c.model.stage_end = "none"
  c.model.head = "fused(stages=(3, 4, 5))"
  if variant == "literal":
    c.model.attention = c.model.attention.replace("sam", "sam(gate=none)")
  return c
