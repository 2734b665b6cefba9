"""ResNet50_CBAM on liver-cancer differentiation (poor, moderate, well), 36 rotations.

Paper: BMC Medical Informatics and Decision Making 2022; 22:176, Table 5 row
ResNet50_CBAM, doi 10.1186/s12911-022-01919-1: accuracy 94.73 % of 3,132 rotated copies
of 87 private images (slides stand on both sides of its split).

  python launch.py --config=configs/liver_cbam.py            the paper's recipe, split
  python launch.py --config=configs/liver_cbam.py:grouped    a split that cannot leak
  python launch.py --config=configs/liver_cbam.py:quick      minutes on two CPU cores

Recipe, data and variants are those of liver_senet.py, the network apart.

Ours, :quick, SYNTHETIC images: balanced accuracy 0.87, 9 minutes on two busy cores.
The published recipe has not been run to its end.

The paper's images are private: without --config.data.source=<your slides> this trains
on synthetic_liver, procedural H&E of the same cohort structure (74 slides x 6 fields),
and says so everywhere.
"""

from configs import liver_senet as base

VARIANTS = base.VARIANTS


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.published = "liver/ResNet50_CBAM"
  c.model.name = "resnet50"
  c.model.attention = "cbam(ratio=16, kernel=7)"  # assumption: in every bottleneck
  return c
