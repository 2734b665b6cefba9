"""DALAResNet50 on BreakHis: lightweight attention, dual activation; benign, malignant.

Paper: arXiv 2308.13150 (IEEE Access 2024): accuracy 98.5 / 98.7 / 97.9 / 94.3 % at
40X / 100X / 200X / 400X. Split, recipe and the attention's inside are not public.

  python launch.py --config=configs/breakhis_dala.py          40X, images split 70:30
  python launch.py --config=configs/breakhis_dala.py:100x     or :200x, :400x
  python launch.py --config=configs/breakhis_dala.py:grouped  5 folds that cannot leak
  python launch.py --config=configs/breakhis_dala.py:quick    minutes on two cores

  :stage5  an SE gate in each block of stage 5 instead of one behind it
  :eca     ECA instead of SE as the gate
  :short   head 512 -> 2 only

Ours: not yet measured on real images.

Download BreaKHis_v1.tar.gz (4 GB; web.inf.ufpr.br/vri/databases) and add
--config.data.source=<file or folder>; without it the images are SYNTHETIC.
ImageNet weights come from the hub (hf://), or from a file of yours.
"""

from ml_collections import config_dict

MAGNIFICATIONS = ("100x", "200x", "400x")
VARIANTS = ("", *MAGNIFICATIONS, "grouped", "quick", "stage5", "eca", "short")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = config_dict.ConfigDict()
  c.seed = 0  # initial parameters and the order of images; the split has its own
  c.epochs = 50  # assumption: not stated
  c.batch_size = 32  # assumption: not stated
  c.select_on = "last"  # last epoch, or the best on: validation, test
  c.evaluate_every = 1  # epochs
  c.evaluate_batch_size = 128
  c.log_every = 10  # steps
  c.published = "breakhis_dala/40X"
  c.loss = "cross_entropy"  # assumption: not stated
  c.sampling = "uniform"  # or balanced: every class as often

  c.data = config_dict.ConfigDict()
  c.data.name = "breakhis"
  c.data.source = ""  # BreaKHis_v1 or its .tar.gz; '' draws synthetic tissue
  c.data.test_source = ""
  c.data.magnification = "40"  # or 100, 200, 400, all: one network each, as the paper
  c.data.task = "binary"  # or subtype, of eight
  c.data.group_by = "accession"  # assumption: slides of one case; or slide
  c.data.fold_list = ""  # the official dsfold1.txt ..., where you have them
  c.data.on_error = "refuse"  # or skip: leaves out what cannot be read, and counts it
  c.data.device_memory_gib = 2.0  # larger sets are streamed

  c.split = config_dict.ConfigDict()
  c.split.protocol = "random"  # assumption: by image; 70:30 is the only round ratio
  c.split.test_fraction = 0.3  # assumption: that fits all four accuracies
  c.split.seed = 0
  c.split.on_leak = "warn"  # or refuse, where copies or groups cross the split
  c.split.folds, c.split.fold = 5, 0
  c.split.validation_fraction = 0.0

  c.augment = config_dict.ConfigDict()
  c.augment.size = 224  # assumption: input size not stated
  c.augment.rotations = 4  # assumption: quarter turns; augmentation not stated
  c.augment.train_rotations = "random"  # one of them, drawn anew in each epoch
  c.augment.test_rotations = 1  # the test images stand upright
  c.augment.canvas = "stretch"  # assumption: 700 x 460 resized as it is
  c.augment.fill = (255, 255, 255)
  c.augment.flip = "both"  # assumption: not stated
  c.augment.normalise = "weights"  # assumption: by the mean and std they come with
  c.augment.mean = (0.485, 0.456, 0.406)  # with normalise = fixed: ImageNet's
  c.augment.std = (0.229, 0.224, 0.225)

  c.model = config_dict.ConfigDict()
  c.model.name = "resnet50"
  c.model.attention = "none"
  c.model.stage_end = "none|none|none|lam"  # assumption: one SE gate behind stage 5
  c.model.head = "dual(hidden=(512, 256), slope=0.01)"  # assumption: widths not stated
  c.model.stride_in_1x1 = False
  c.model.freeze = "none"
  c.model.norm = "batch"
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU

  c.init = config_dict.ConfigDict()
  c.init.weights = "hf://timm/resnet50.tv_in1k"  # assumption: which; '' is random
  c.init.new = "attention|head"  # what these weights do not have

  c.optimizer = config_dict.ConfigDict()
  c.optimizer.name = "adam"  # assumption: not stated
  c.optimizer.learning_rate = 1e-4  # assumption: not stated
  c.optimizer.momentum = 0.9
  c.optimizer.weight_decay = 0.0  # assumption: not stated
  c.optimizer.schedule = "cosine"  # assumption: not stated
  c.optimizer.warmup = -1.0  # epochs; -1: 5 % of a cosine, none before the others
  c.optimizer.clip = 0.0  # largest norm of the gradient; 0: any
  c.optimizer.ema = 0.0  # or 0.999: judged are averaged weights

  c.checkpoint = config_dict.ConfigDict()
  c.checkpoint.keep = 1
  c.checkpoint.every_minutes = 10.0

  if variant in MAGNIFICATIONS:
    c.data.magnification = variant[:-1]
    c.published = f"breakhis_dala/{variant.upper()}"
  if variant == "stage5":
    c.model.attention, c.model.stage_end = "none|none|none|se", "none"
  if variant == "eca":
    c.model.stage_end = "none|none|none|lam(gate=eca)"
  if variant == "short":
    c.model.head = "dual(hidden=(512,), slope=0.01)"
  if variant == "grouped":
    c.split.protocol, c.split.fold = "kfold", -1
  if variant == "quick":
    quick(c)
  return c


def quick(c: config_dict.ConfigDict) -> None:
  """Small, from scratch, on a split that cannot leak."""
  c.epochs, c.batch_size = 8, 16
  c.augment.size = 64
  c.augment.normalise = "image"  # stains differ from slide to slide
  c.split.protocol = "grouped"
  c.init.weights = ""
  c.optimizer.learning_rate = 3e-4
