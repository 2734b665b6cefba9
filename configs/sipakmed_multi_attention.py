"""SE + SAM in stages 2 to 4, DNL behind stage 5, fused stages, on cervical cells.

Paper: "Cervical Cell Image Classification Based On Multiple Attention Fusion",
CISP-BMEI 2021, doi 10.1109/CISP-BMEI53629.2021.9624420, Table I row Ours: accuracy
99.38 +- 0.2 % over 5 folds of SIPaKMeD's 4,049 cells.

  python launch.py --config=configs/sipakmed_multi_attention.py          folds of cells
  python launch.py --config=configs/sipakmed_multi_attention.py:grouped  of clusters
  python launch.py --config=configs/sipakmed_multi_attention.py:literal  as printed
  python launch.py --config=configs/sipakmed_multi_attention.py:quick    in minutes

Cells cut out of one cluster image share stain, background and label; the paper's folds
of cells put them on both sides, :grouped does not.

Ours: not yet measured on real images.

Download im_*.7z (www.cs.uoi.gr/~marina/sipakmed.html), unpack, and add
--config.data.source=<folder>; without it the images are SYNTHETIC.
"""

from ml_collections import config_dict

VARIANTS = ("", "grouped", "literal", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = config_dict.ConfigDict()
  c.seed = 0  # initial parameters and the order of images; the split has its own
  c.epochs = 80
  c.batch_size = 48
  c.select_on = "last"  # last epoch, or the best on: validation, test
  c.evaluate_every = 1  # epochs
  c.evaluate_batch_size = 128
  c.log_every = 10  # steps
  c.published = "cervix/Ours"
  c.loss = "cross_entropy"
  c.sampling = "uniform"  # or balanced: every class as often

  c.data = config_dict.ConfigDict()
  c.data.name = "sipakmed"
  c.data.source = ""  # the folder of im_Dyskeratotic, ...; '' draws synthetic cells
  c.data.test_source = ""
  c.data.on_error = "refuse"  # or skip: leaves out what cannot be read, and counts it
  c.data.device_memory_gib = 2.0  # larger sets are streamed

  c.split = config_dict.ConfigDict()
  c.split.protocol = "kfold"
  c.split.grouped = False  # assumption: folds of cells; no grouping is mentioned
  c.split.seed = 0
  c.split.on_leak = "warn"  # or refuse, where copies or groups cross the split
  c.split.folds, c.split.fold = 5, -1  # all of them
  c.split.validation_fraction = 0.0

  c.augment = config_dict.ConfigDict()
  c.augment.size = 80
  c.augment.rotations = 1
  c.augment.train_rotations = "none"
  c.augment.canvas = "stretch"  # assumption: resized as they are
  c.augment.fill = (255, 255, 255)
  c.augment.flip = "all"  # each training cell in its four flips in every epoch
  c.augment.normalise = "weights"  # assumption: by the mean and std they come with
  c.augment.mean = (0.485, 0.456, 0.406)  # with normalise = fixed: ImageNet's
  c.augment.std = (0.229, 0.224, 0.225)

  c.model = config_dict.ConfigDict()
  c.model.name = "resnet50"
  c.model.attention = "se+sam|se+sam|se+sam|none"  # assumption: before the addition
  c.model.stage_end = "none|none|none|dnl"  # assumption: behind the last block
  c.model.head = "fused(stages=(3, 4, 5))"
  c.model.stride_in_1x1 = False  # assumption: v1.5
  c.model.freeze = "none"
  c.model.norm = "batch"
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU

  c.init = config_dict.ConfigDict()
  c.init.weights = "hf://timm/resnet50.tv_in1k"  # assumption: pre-training not stated
  c.init.new = "attention|head"  # what these weights do not have

  c.optimizer = config_dict.ConfigDict()
  c.optimizer.name = "sgd"
  c.optimizer.learning_rate = 0.01  # assumption: not stated
  c.optimizer.momentum = 0.9  # assumption: not stated
  c.optimizer.weight_decay = 5e-4  # assumption: not stated
  c.optimizer.schedule = "step(at=(40, 60), factor=0.1)"  # assumption: not stated
  c.optimizer.warmup = -1.0  # epochs; -1: 5 % of a cosine, none before the others
  c.optimizer.clip = 0.0  # largest norm of the gradient; 0: any
  c.optimizer.ema = 0.0  # or 0.999: judged are averaged weights

  c.checkpoint = config_dict.ConfigDict()
  c.checkpoint.keep = 1
  c.checkpoint.every_minutes = 10.0

  if variant == "literal":
    c.model.attention = c.model.attention.replace("sam", "sam(gate=none)")
  if variant in ("grouped", "quick"):
    c.split.grouped = True
  if variant == "quick":
    c.epochs, c.batch_size, c.split.folds = 4, 32, 3
    c.augment.size, c.augment.flip = 64, "both"
    c.augment.normalise = "image"
    c.init.weights = ""
    c.optimizer.schedule = "cosine"
  return c
