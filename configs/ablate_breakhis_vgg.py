"""Losses and training strategies of a VGG on BreakHis: Tables 2 to 4 and Figure 4.

Paper: "Classification of breast cancer histopathological images based on CNN" (Chinese,
venue not identified): with focal loss, transfer and augmentation 96.96 %, the mean of
four magnifications; 40X, 100X and 200X reach 97 %. What its tables print for other
losses and strategies could not be read.

  python launch.py --config=configs/ablate_breakhis_vgg.py --mode=ablate          70:30
  python launch.py --config=configs/ablate_breakhis_vgg.py:grouped --mode=ablate  folds
  python launch.py --config=configs/ablate_breakhis_vgg.py:quick --mode=ablate    small

Three losses with both strategies, and focal loss with the strategies in all four
combinations, each at four magnifications. :quick is grouped: one fold, one epoch, 32
pixels, from scratch, so that transfer is none there and both pairs of strategies agree.

Ours: not yet measured on real images.
"""

from configs import breakhis_vgg_focal as base

VARIANTS = ("", "grouped", "quick")
MAGNIFICATIONS = ("40X", "100X", "200X", "400X")
SCRATCH = {"init.weights": "", "augment.normalise": "fixed"}
UPRIGHT = {
  "augment.rotations": 1, "augment.flip": "none", "augment.train_rotations": "none",
  "augment.shift": 0.0, "augment.zoom": 0.0,
}  # fmt: skip
SETTINGS = {
  "focal": {},  # with transfer and augmentation: the paper's own
  "cross entropy": {"loss": base.LOSSES["ce"]},
  "weighted cross entropy": {"loss": base.LOSSES["weighted"]},
  "neither": SCRATCH | UPRIGHT,
  "augmentation": SCRATCH,
  "transfer": UPRIGHT,
}
QUICK = {
  "epochs": 1, "augment.size": 32, "split.validation_fraction": 0.15,
  "select_on": "validation", "init.weights": "", "augment.normalise": "image",
}  # fmt: skip


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.split.fold = 0  # the study asks for every fold
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  variants = {}
  for name, asked in SETTINGS.items():
    for magnification in MAGNIFICATIONS:
      own = asked | {"data.magnification": magnification[:-1]}
      own["published"] = f"breakhis_vgg/{magnification}" if name == "focal" else ""
      variants[f"{name}, {magnification}"] = own | (QUICK if variant == "quick" else {})
  return {
    "title": "Losses and training strategies of a VGG at four magnifications",
    "paper": "breakhis_vgg",
    "layout": "breakhis_vgg",
    "baseline": "cross entropy",  # of the same magnification
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": (0, 1, 2, 3, 4) if variant == "grouped" else (0,),
    "seeds": (0,) if variant else (0, 1, 2),
  }
