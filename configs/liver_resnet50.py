"""ResNet50 on liver-cancer differentiation (poor, moderate, well), 36 rotations.

Paper: BMC Medical Informatics and Decision Making 2022; 22:176, Table 5 row ResNet50,
doi 10.1186/s12911-022-01919-1: accuracy 94.22 % of 3,132 rotated copies of 87 private
images (slides stand on both sides of its split).

  python launch.py --config=configs/liver_resnet50.py          the paper's recipe, split
  python launch.py --config=configs/liver_resnet50.py:grouped  a split that cannot leak
  python launch.py --config=configs/liver_resnet50.py:quick    minutes on two CPU cores

Recipe, data and variants are those of liver_senet.py, the network apart.

Ours, :quick, SYNTHETIC images: balanced accuracy 0.92, 6.4 minutes on two busy cores.
The published recipe has not been run to its end.

The paper's images are private: without --config.data.source=<your slides> this trains
on synthetic_liver, procedural H&E of the same cohort structure (74 slides x 6 fields),
and says so everywhere.
"""

from configs import liver_senet as base

VARIANTS = base.VARIANTS


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.published = "liver/ResNet50"
  c.model.name = "resnet50"
  c.model.attention = "none"  # or: se, cbam, or per stage: none|none|se|se
  return c
