"""Five networks on liver-cancer differentiation: Tables 5 and 6, Figures 3 and 4.

Paper: BMC Medical Informatics and Decision Making 2022; 22:176, doi
10.1186/s12911-022-01919-1. Accuracy of 3,132 rotated copies of 87 private images, one
run each: VGG16 76.95, ResNet50 94.22, ResNet50_CBAM 94.73, SENet 95.27, SKNet 95.15 %.

  python launch.py --config=configs/ablate_liver.py --mode=ablate          as published
  python launch.py --config=configs/ablate_liver.py:grouped --mode=ablate  cannot leak
  python launch.py --config=configs/ablate_liver.py:quick --mode=ablate    in minutes

'' trains each network of three seeds on the paper's split (slides stand on both sides),
:grouped on five folds of slides. :quick has the five networks at 48 pixels, a few
epochs and two folds of slides; VGG16 has norms and dense layers of 256 units there.

Ours: not yet measured on real images.
"""

from configs import liver_resnet50 as base

VARIANTS = base.VARIANTS
NETWORKS = {
  "VGG16": "liver_vgg16",
  "ResNet50": "liver_resnet50",
  "ResNet50_CBAM": "liver_cbam",
  "SENet": "liver_senet",
  "SKNet": "liver_sknet",
}
QUICK = {
  "epochs": 4, "evaluate_every": 1, "augment.size": 48, "augment.rotations": 4,
  "split.folds": 2, "checkpoint.keep": 1,
}  # fmt: skip


def get_config(variant: str = ""):
  return base.get_config(variant)


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  quick = variant == "quick"
  small = QUICK if quick else {}
  variants = {k: {"config": f"configs/{v}.py"} | small for k, v in NETWORKS.items()}
  return {
    "title": "Five networks on liver-cancer differentiation",
    "paper": "liver",
    "layout": "liver",
    "baseline": "ResNet50",
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": {"": (0,), "quick": (0, 1)}.get(variant, (0, 1, 2, 3, 4)),
    "seeds": (0,) if variant else (0, 1, 2),
  }
