"""Five networks on colorectal tissue, and how much of a ResNet50 to freeze: Table 2.

Paper: fine-tuned ResNet-50 on NCT-CRC-HE-100K, Table 2, accuracy on the 100,000 and on
CRC-VAL-HE-7K: Fine-tuned ResNet50 99.9 and 97.7, Multitask ResNet18 98.6 and 95.0,
ResNet18 98.5 and 94.4, ResNet50 98.8 and 94.2, VGG19 98.8 and 94.3 %. The first column
is the training images of the first row and a held-out part for the others.

  python launch.py --config=configs/ablate_crc.py --mode=ablate
  python launch.py --config=configs/ablate_crc.py:quick --mode=ablate   in minutes

Three columns: training images, a hold-out of the 100,000 (which chooses), CRC-VAL. The
freeze depth is that of the fine-tuned ResNet50. :quick: 32 pixels, one epoch, nothing
downloaded, so that what is frozen are random filters; VGG19 has norms and a small head.

Ours: not yet measured on real images.
"""

from configs import crc_resnet50_transfer as base

VARIANTS = ("", "quick")
NETWORKS = {
  "Fine-tuned ResNet50": "crc_resnet50_transfer",
  "Multitask ResNet18": "crc_resnet18_multitask",
  "ResNet18": "crc_resnet18",
  "ResNet50": "crc_resnet50",
  "VGG19": "crc_vgg19",
}
FREEZE = {
  "all but the head": "backbone",
  "to stage 3": "stem|stage2|stage3",
  "to stage 2": "stem|stage2",
  "nothing": "none",
}
QUICK = {"epochs": 1, "augment.size": 32}


def get_config(variant: str = ""):
  return base.get_config(variant)


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  quick = variant == "quick"
  variants = {k: {"config": f"configs/{v}.py"} for k, v in NETWORKS.items()}
  for name, parts in FREEZE.items():
    variants[f"frozen: {name}"] = {"model.freeze": parts, "published": ""}
  if quick:
    variants = {k: v | QUICK for k, v in variants.items()}
    variants["Fine-tuned ResNet50"]["model.freeze"] = "stem|stage2|stage3|stage4"
  return {
    "title": "Five networks on colorectal tissue, and the freeze depth",
    "paper": "colorectal",
    "layout": "crc",
    "baseline": "Fine-tuned ResNet50",
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": (0,),
    "seeds": (0,) if quick else (0, 1, 2),
  }
