"""Nine networks at four magnifications of BreakHis, benign or malignant.

Paper: DALAResNet50, arXiv 2308.13150 (IEEE Access 2024): accuracy of DALAResNet50 98.5
/ 98.7 / 97.9 / 94.3 % at 40X / 100X / 200X / 400X. It is compared with eight networks,
of which no number could be obtained.

  python launch.py --config=configs/ablate_dala.py --mode=ablate          images, 70:30
  python launch.py --config=configs/ablate_dala.py:grouped --mode=ablate  cannot leak
  python launch.py --config=configs/ablate_dala.py:quick --mode=ablate    36 small runs

Accuracy, precision, recall, F1 and G-mean of each, and their means over magnifications.
:grouped has five folds of accession numbers. :quick is grouped: one fold, one epoch,
from scratch, 48 to 64 pixels; VGG16 has norms and dense layers of 256 units there.

Ours: not yet measured on real images.
"""

from configs import breakhis_resnet50 as base

VARIANTS = ("", "grouped", "quick")
MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
NETWORKS = {
  "DALAResNet50": "breakhis_dala",
  "SEResNet50": "breakhis_se_resnet50",
  "DenseNet121": "breakhis_densenet121",
  "VGG16": "breakhis_vgg16",
  "VGG16Inception": "breakhis_vgg16_inception",
  "ViT": "breakhis_vit",
  "Swin-Transformer": "breakhis_swin",
  "Dinov2_Vitb14": "breakhis_dinov2",
  "ResNet50": "breakhis_resnet50",
}
QUICK = {
  "epochs": 1, "split.validation_fraction": 0.15, "select_on": "validation",
}  # fmt: skip


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.split.fold = 0  # the study asks for every fold
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  quick = variant == "quick"
  variants = {}
  for name, network in NETWORKS.items():
    for magnification in MAGNIFICATIONS:
      asked = {"config": f"configs/{network}.py"}
      asked |= {"data.magnification": magnification[:-1]}
      if name == "DALAResNet50":
        asked["published"] = f"breakhis_dala/{magnification}"
      if quick:
        asked |= QUICK
      variants[f"{name}, {magnification}"] = asked
  return {
    "title": "Nine networks at four magnifications",
    "paper": "breakhis_dala",
    "layout": "dala",
    "baseline": "ResNet50",  # of the same magnification
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": (0, 1, 2, 3, 4) if variant == "grouped" else (0,),
    "seeds": (0,) if variant else (0, 1, 2),
  }
