"""What the canvas of 36 rotations is worth: expanded, the same, or inscribed.

The liver paper (doi 10.1186/s12911-022-01919-1, eq. 1) turns its images on a canvas
that grows: at 40 degrees half of it is fill, and the tissue is smaller after resizing,
so the angle can be read off every copy. It prints 95.27 % for SENet and no alternative.

  python launch.py --config=configs/ablate_canvas.py --mode=ablate
  python launch.py --config=configs/ablate_canvas.py:quick --mode=ablate   in minutes

The recipe is that of liver_senet.py:grouped, five folds of slides, every image at all
36 angles. :quick has resnet_tiny (four bottlenecks, an eighth of the width) in the
place of SE-ResNet50's layers, two folds, 32 pixels, 12 angles, one epoch of them all.

Ours: not yet measured on real images.
"""

from configs import liver_senet as base

VARIANTS = ("", "quick")
CANVASES = ("expand", "same", "inscribed")


def get_config(variant: str = ""):
  c = base.get_config(variant or "grouped")
  c.published = ""  # no row of any table
  c.augment.canvas = "expand"
  if variant == "quick":
    c.model.name = "resnet_tiny"
    c.epochs, c.evaluate_every, c.split.folds = 1, 1, 2
    c.augment.size, c.augment.rotations = 32, 12
    c.augment.train_rotations = "all"
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  return {
    "title": "The canvas of the rotations",
    "layout": "plain",
    "baseline": "expand",
    "metric": "balanced_accuracy",
    "variants": {name: {"augment.canvas": name} for name in CANVASES},
    "folds": (0, 1) if variant else (0, 1, 2, 3, 4),
    "seeds": (0,),
  }
