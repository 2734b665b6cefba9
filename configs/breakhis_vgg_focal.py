"""VGG16 with focal loss on BreakHis, benign or malignant.

Paper: "Classification of breast cancer histopathological images based on CNN" (Chinese,
venue not identified): mean accuracy 96.96 % over four magnifications, of which 40X,
100X and 200X reach 97 %. Only its abstract could be read; networks and recipe are ours.

  python launch.py --config=configs/breakhis_vgg_focal.py           40X, focal loss
  python launch.py --config=configs/breakhis_vgg_focal.py:100x      or :200x, :400x
  python launch.py --config=configs/breakhis_vgg_focal.py:grouped   5 folds, no leak
  python launch.py --config=configs/breakhis_vgg_focal.py:quick     minutes on two cores

  losses      :ce, :weighted                              (its Table 3)
  strategies  :plain, :augmented, :transfer, and both: '' (its Figure 4)

Ours: not yet measured on real images.

Download BreaKHis_v1.tar.gz (4 GB; web.inf.ufpr.br/vri/databases) and add
--config.data.source=<file or folder>; without it the images are SYNTHETIC.
"""

from ml_collections import config_dict

from configs import breakhis_dala as base

LOSSES = {"ce": "cross_entropy", "weighted": "cross_entropy(weights=balanced)"}
STRATEGIES = ("plain", "augmented", "transfer")  # without, one of, and '' with both
VARIANTS = ("", *base.MAGNIFICATIONS, "grouped", "quick", *LOSSES, *STRATEGIES)


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant if variant in base.VARIANTS else "")
  c.published = "breakhis_vgg/VGG with focal loss"
  c.epochs = 100  # assumption: not stated
  c.loss = (  # assumption: gamma of Lin et al. 2017; the rarer class weighs more
    "focal(gamma=2.0, alpha={'benign': 0.75, 'malignant': 0.25})"
  )

  c.augment.shift = 0.05  # assumption: "augmentation"; of the side
  c.augment.zoom = 0.1  # assumption: "augmentation"

  c.model = config_dict.ConfigDict()
  c.model.name = "vgg16"
  c.model.attention = "none"
  c.model.head = "mlp(hidden=256, dropout=0.5)"  # assumption: "adjusted structure"
  c.model.freeze = "none"
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU

  c.init.weights = "hf://timm/vgg16.tv_in1k"  # assumption: which; '' is random
  c.init.new = "head"
  c.optimizer.weight_decay = 1e-4  # assumption: not stated

  if variant in base.MAGNIFICATIONS:
    c.published = f"breakhis_vgg/{variant.upper()}"
  if variant in LOSSES:
    c.loss = LOSSES[variant]
  if variant in ("plain", "augmented"):
    c.init.weights, c.augment.normalise = "", "fixed"
  if variant in ("plain", "transfer"):
    c.augment.rotations, c.augment.flip = 1, "none"
    c.augment.train_rotations = "none"
    c.augment.shift = c.augment.zoom = 0.0
  if variant == "quick":
    c.epochs, c.augment.size, c.init.weights = 8, 48, ""
    c.model.norm = "batch"  # from scratch and in minutes it learns nothing without
    c.optimizer.learning_rate = 3e-4
  return c
