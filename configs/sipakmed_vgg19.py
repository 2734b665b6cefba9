"""VGG19 on cervical cells of five classes.

Paper: CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row Plissiti:
accuracy 95.35 +- 0.42 % over 5 folds of SIPaKMeD's 4,049 cells. Recipe, data and
variants are those of sipakmed_multi_attention.py, the network apart.

  python launch.py --config=configs/sipakmed_vgg19.py
  python launch.py --config=configs/sipakmed_vgg19.py:quick

Ours: not yet measured on real images.
"""

from ml_collections import config_dict

from configs import sipakmed_multi_attention as base

VARIANTS = ("", "grouped", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = base.get_config(variant)
  c.published = "cervix/Plissiti"
  c.model = config_dict.ConfigDict()
  c.model.name = "vgg19"  # assumption: as Plissiti et al., ICIP 2018
  c.model.attention = "none"
  c.model.head = "fc(hidden=4096, dropout=0.5)"
  c.model.freeze = "none"
  c.model.dtype = "auto"
  if variant != "quick":
    c.init.weights = "hf://timm/vgg19.tv_in1k"  # assumption: which
  c.init.new = "head"
  c.optimizer.learning_rate = 0.001  # assumption: without norms
  if variant == "quick":
    c.augment.size, c.epochs, c.split.folds = 48, 6, 2
    c.model.norm = "batch"  # from scratch and in minutes it learns nothing without
    c.model.head = "fc(hidden=256, dropout=0.5)"
    c.optimizer.learning_rate = 0.01
  return c
