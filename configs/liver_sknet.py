"""SKNet on liver-cancer differentiation (poor, moderate, well), 36 rotations.

Paper: BMC Medical Informatics and Decision Making 2022; 22:176, Table 5 row SKNet,
doi 10.1186/s12911-022-01919-1: accuracy 95.15 % of 3,132 rotated copies of 87 private
images (slides stand on both sides of its split).

  python launch.py --config=configs/liver_sknet.py            the paper's recipe, split
  python launch.py --config=configs/liver_sknet.py:grouped    a split that cannot leak
  python launch.py --config=configs/liver_sknet.py:quick      minutes on two CPU cores

Recipe, data and variants are those of liver_senet.py, the network apart.

Ours, :quick, SYNTHETIC images: balanced accuracy 0.90, 13 minutes on two busy cores.
The published recipe has not been run to its end.

The paper's images are private: without --config.data.source=<your slides> this trains
on synthetic_liver, procedural H&E of the same cohort structure (74 slides x 6 fields),
and says so everywhere.
"""

from configs import liver_senet as base

VARIANTS = base.VARIANTS


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.published = "liver/SKNet"
  c.model.name = "resnext50"  # assumption: SKNet-50, a ResNeXt50 whose 3x3 'sk' takes
  c.model.attention = "sk(branches=2, groups=32, ratio=16, smallest=32)"
  return c
