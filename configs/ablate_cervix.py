"""Attention blocks alone and together on cervical cells: Table I and Figure 6.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420. Accuracy over five folds
of SIPaKMeD's 4,049 cells: Plissiti 95.35 +- 0.42, ResNet50 96.17 +- 0.6, SE 98.23 +-
0.3, SAM 97.17 +- 0.2, DNL 97.90 +- 0.3, SE+SAM 98.72 +- 0.3, Ours 99.38 +- 0.2 %.

  python launch.py --config=configs/ablate_cervix.py --mode=ablate          of cells
  python launch.py --config=configs/ablate_cervix.py:grouped --mode=ablate  of clusters
  python launch.py --config=configs/ablate_cervix.py:quick --mode=ablate    in minutes

Cells of one picture are of one class: folds of cells put them on both sides, folds of
clusters do not. :quick is grouped: two folds, 48 pixels, eight epochs, from scratch, a
validation part; Plissiti's VGG19 has norms and dense layers of 256 units there.

Ours: not yet measured on SIPaKMeD. :quick, balanced accuracy over two folds (Plissiti,
ResNet50, SE, SAM, DNL, SE+SAM, Ours): SYNTHETIC cells 0.50, 0.63, 0.57, 0.59, 0.55,
0.65, 0.79; 458 real cells of Herlev, seven classes, 0.27, 0.17, 0.16, 0.18, 0.15, 0.18,
0.28, where a colour histogram reaches 0.48: no network from scratch learns it so soon.
"""

from configs import sipakmed_resnet50 as base

VARIANTS = base.VARIANTS
NETWORKS = {
  "Plissiti": "sipakmed_vgg19",
  "ResNet50": "sipakmed_resnet50",
  "SE": "sipakmed_se",
  "SAM": "sipakmed_sam",
  "DNL": "sipakmed_dnl",
  "SE+SAM": "sipakmed_se_sam",
  "Ours": "sipakmed_multi_attention",
}
QUICK = {
  "epochs": 8, "augment.size": 48, "split.folds": 2,
  "split.validation_fraction": 0.15, "select_on": "validation",
}  # fmt: skip


def get_config(variant: str = ""):
  c = base.get_config(variant)
  c.split.fold = 0  # the study asks for every fold
  return c


def study(variant: str = "") -> dict:
  """Variants, folds and seeds of the study, and the layout of its result."""
  quick = variant == "quick"
  small = QUICK if quick else {}
  variants = {k: {"config": f"configs/{v}.py"} | small for k, v in NETWORKS.items()}
  return {
    "title": "Attention blocks on cervical cells",
    "paper": "cervix",
    "layout": "cervix",
    "baseline": "ResNet50",
    "metric": "accuracy" if not variant else "balanced_accuracy",
    "variants": variants,
    "folds": (0, 1) if quick else (0, 1, 2, 3, 4),
    "seeds": (0,),
  }
