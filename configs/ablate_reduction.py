"""How far SE may squeeze: reduction ratios 2 to 64 against none, in a ResNet50.

Hu et al. 2018 (arXiv 1709.01507, Table 10) vary it on ImageNet and take 16; the liver
paper uses SE without stating it, and prints 95.27 % (SENet) against 94.22 % (ResNet50).

  python launch.py --config=configs/ablate_reduction.py --mode=ablate
  python launch.py --config=configs/ablate_reduction.py:quick --mode=ablate   in minutes

The recipe is that of liver_senet.py:grouped, five folds of slides. :quick has
resnet_tiny (four bottlenecks, an eighth of the width) in the place of ResNet50, two
folds, 32 pixels, three epochs.

Ours: not yet measured on real images.
"""

from configs import liver_senet as base

VARIANTS = ("", "quick")
RATIOS = (2, 4, 8, 16, 32, 64)


def get_config(variant: str = ""):
  c = base.get_config(variant or "grouped")
  c.published = ""  # no row of any table
  if variant == "quick":
    c.model.name = "resnet_tiny"
    c.epochs, c.evaluate_every, c.split.folds = 3, 1, 2
    c.augment.size, c.augment.rotations = 32, 4
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  variants = {"no SE": {"model.attention": "none"}}
  for ratio in RATIOS:
    variants[f"ratio {ratio}"] = {"model.attention": f"se(ratio={ratio})"}
  return {
    "title": "The reduction ratio of SE",
    "layout": "plain",
    "baseline": "no SE",
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": (0, 1) if variant else (0, 1, 2, 3, 4),
    "seeds": (0,),
  }
