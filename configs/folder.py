"""Your own images: SE-ResNet50 on a folder `<class>/...` or a CSV (path,label,group).

  python launch.py --config=configs/folder.py:quick --config.data.source=/path/images
  python launch.py --config=configs/folder.py --config.data.source=/path/manifest.csv

A zip or tar of such a folder will do as well. The column `group` (patient, slide) keeps
images of one patient on one side.
A column `split` (train, validation, test), or a second folder given as
--config.data.test_source, is used with --config.split.protocol=predefined.
"""

from ml_collections import config_dict

VARIANTS = ("", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = config_dict.ConfigDict()
  c.seed = 0  # initial parameters and the order of images; the split has its own
  c.epochs = 100
  c.batch_size = 32
  c.select_on = "validation"  # or: last, test (flagged in the report)
  c.evaluate_every = 5  # epochs
  c.evaluate_batch_size = 128
  c.log_every = 10  # steps
  c.published = ""
  c.loss = "cross_entropy"  # or focal(gamma=2.0), cross_entropy(weights=balanced)
  c.sampling = "uniform"  # or balanced: every class as often

  c.data = config_dict.ConfigDict()
  c.data.name = "folder"  # or: nct_crc, liver
  c.data.source = ""
  c.data.test_source = ""
  c.data.on_error = "refuse"  # or skip: leaves out what cannot be read, and counts it
  c.data.device_memory_gib = 2.0  # larger sets are streamed

  c.split = config_dict.ConfigDict()
  c.split.protocol = "grouped"  # or: predefined, paper (image-level)
  c.split.seed = 0
  c.split.on_leak = "warn"  # or refuse, where copies or groups cross the split
  c.split.folds, c.split.fold = 5, 0  # fold `fold` of `folds` tests
  c.split.validation_fraction = 0.15  # of the training groups

  c.augment = config_dict.ConfigDict()
  c.augment.size = 224  # pixels of the network's input
  c.augment.rotations = 36  # every 10 degrees, 0 included
  c.augment.train_rotations = "random"  # or: all, none
  c.augment.canvas = "same"  # or: expand, inscribed
  c.augment.fill = (255, 255, 255)  # colour outside the rotated image
  c.augment.flip = "both"
  c.augment.normalise = "fixed"  # mean and std; or `weights`' own, each `image`'s own
  c.augment.mean = (0.5, 0.5, 0.5)
  c.augment.std = (0.25, 0.25, 0.25)

  c.model = config_dict.ConfigDict()
  c.model.name = "resnet50"
  c.model.attention = (
    "se(ratio=16)"  # or: none, or cbam, none, per stage: none|none|se|se
  )
  c.model.stage_end = "none"  # or, behind a stage: none|none|none|dnl
  c.model.head = "linear"  # or mlp, dual, fused, ...
  c.model.stride_in_1x1 = False
  c.model.freeze = "none"  # or parts that are not trained: stem|stage2, backbone
  c.model.norm = "batch"  # or frozen: running statistics, scale and bias trained
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU

  c.init = config_dict.ConfigDict()
  c.init.weights = ""  # random; or a .safetensors, .pth, .bin file, hf://owner/name
  c.init.new = "head"  # what the weights need not have; attention|head adds blocks

  c.optimizer = config_dict.ConfigDict()
  c.optimizer.name = "sgd"  # or adam, adamw
  c.optimizer.learning_rate = 0.03
  c.optimizer.momentum = 0.9
  c.optimizer.weight_decay = 1e-4
  c.optimizer.schedule = "cosine"
  c.optimizer.warmup = -1.0  # epochs; -1: 5 % of a cosine, none before the others
  c.optimizer.clip = 0.0  # largest norm of the gradient; 0: any
  c.optimizer.ema = 0.0  # or 0.999: judged are averaged weights

  c.checkpoint = config_dict.ConfigDict()
  c.checkpoint.keep = 1
  c.checkpoint.every_minutes = 10.0

  if variant == "quick":
    c.epochs, c.augment.size = 20, 64
  return c
