"""VGG16 on liver-cancer differentiation (poor, moderate, well), 36 rotations.

Paper: BMC Medical Informatics and Decision Making 2022; 22:176, Table 5 row VGG16,
doi 10.1186/s12911-022-01919-1: accuracy 76.95 % of 3,132 rotated copies of 87 private
images (slides stand on both sides of its split).

  python launch.py --config=configs/liver_vgg16.py            the paper's recipe, split
  python launch.py --config=configs/liver_vgg16.py:grouped    a split that cannot leak
  python launch.py --config=configs/liver_vgg16.py:quick      minutes on two CPU cores

Recipe, data and variants are those of liver_senet.py, the network apart.

Ours, :quick, SYNTHETIC images: balanced accuracy 0.97, 6.5 minutes on two busy cores.
The published recipe has not been run to its end.

The paper's images are private: without --config.data.source=<your slides> this trains
on synthetic_liver, procedural H&E of the same cohort structure (74 slides x 6 fields),
and says so everywhere.
"""

from ml_collections import config_dict

from configs import liver_senet as base

VARIANTS = base.VARIANTS


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.published = "liver/VGG16"
  c.model = config_dict.ConfigDict()
  c.model.name = "vgg16"
  c.model.attention = "none"  # or: se, cbam, or per stage, of five
  c.model.head = "fc(hidden=4096, dropout=0.5)"  # assumption: VGG's own; or linear
  c.model.freeze = "none"  # or parts that are not trained: stage1|stage2, backbone
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU
  if variant == "quick":
    c.epochs, c.evaluate_every = 12, 3
    c.model.norm = "batch"  # from scratch and in minutes it learns nothing without
    c.model.head = "fc(hidden=256, dropout=0.5)"
  return c
