"""Which attention block helps a ResNet50, and where: seven blocks in five places.

SE, CBAM, SAM, SK, DNL, LAM and SE+SAM, each in (DNL and LAM: behind) stage 2, 3, 4 or 5
alone and in all of them, against none: a question that all five papers ask and none
answers by stages. The liver paper prints CBAM, SENet and SKNet in all stages (94.73,
95.27, 95.15 %, ResNet50 94.22 %), the cervix paper SE, SAM and both in stages 2 to 4.

  python launch.py --config=configs/ablate_attention.py --mode=ablate          slides
  python launch.py --config=configs/ablate_attention.py:quick --mode=ablate    36 small

The recipe is that of liver_resnet50.py:grouped, so slides never cross a split: five
folds. :quick has resnet_tiny (four bottlenecks, an eighth of the width) in the place of
ResNet50, one fold, 32 pixels, two epochs.

Ours: not yet measured on real images.
"""

from configs import liver_resnet50 as base

VARIANTS = ("", "quick")
GATES = {
  "SE": "se", "CBAM": "cbam", "SAM": "sam", "SK": "sk", "SE+SAM": "se+sam",
}  # fmt: skip
BEHIND = {"DNL": "dnl", "LAM": "lam"}
PLACES = {
  "stage 2": "{}|none|none|none",
  "stage 3": "none|{}|none|none",
  "stage 4": "none|none|{}|none",
  "stage 5": "none|none|none|{}",
  "all": "{}",
}


def get_config(variant: str = ""):
  c = base.get_config(variant or "grouped")
  c.published = ""  # no row of any table
  if variant == "quick":
    c.model.name = "resnet_tiny"
    c.epochs, c.evaluate_every = 2, 1
    c.augment.size, c.augment.rotations = 32, 4
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  gates = GATES | (
    {"SK": "sk(groups=8, smallest=8)"} if variant else {}
  )  # it is narrow
  variants = {"no attention": {}}
  for key, blocks in {"model.attention": gates, "model.stage_end": BEHIND}.items():
    for name, block in blocks.items():
      for place, spec in PLACES.items():
        variants[f"{name}, {place}"] = {key: spec.format(block)}
  return {
    "title": "Attention blocks by stage",
    "layout": "placement",
    "baseline": "no attention",
    "metric": "balanced_accuracy",
    "variants": variants,
    "folds": (0,) if variant else (0, 1, 2, 3, 4),
    "seeds": (0,),
  }
