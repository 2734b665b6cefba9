"""ImageNet ResNet50, early stages frozen, on colorectal tissue of nine classes.

Paper: fine-tuned ResNet-50 on NCT-CRC-HE-100K, Table 2: accuracy 99.9 % on the 100,000
(its training images, by the text) and 97.7 % on CRC-VAL-HE-7K, on which the moment to
stop was chosen too.

  python launch.py --config=configs/crc_resnet50_transfer.py          a hold-out chooses
  python launch.py --config=configs/crc_resnet50_transfer.py:literal  as printed
  python launch.py --config=configs/crc_resnet50_transfer.py:quick    minutes, two cores

Ours: not yet measured on real images. Careful work reports 93 to 97 % on CRC-VAL.

Download NCT-CRC-HE-100K.zip and CRC-VAL-HE-7K.zip (zenodo.org/records/1214456) and add
--config.data.source=<zip or folder> --config.data.test_source=<zip or folder>, or
NCT-CRC-HE-100K-NONORM.zip, without Macenko's colours; a pathmnist_224.npz as the source
will do, too. Without any the images are SYNTHETIC.
"""

from ml_collections import config_dict

VARIANTS = ("", "literal", "quick")


def get_config(variant: str = "") -> config_dict.ConfigDict:
  c = config_dict.ConfigDict()
  c.seed = 0  # initial parameters and the order of images; the split has its own
  c.epochs = 10  # assumption: not stated
  c.batch_size = 10
  c.select_on = "validation"  # a hold-out of the 100,000; never CRC-VAL
  c.evaluate_every = 1  # epochs
  c.evaluate_batch_size = 128
  c.evaluate_parts = "train|validation|test"  # the columns of Table 2, told apart
  c.log_every = 100  # steps
  c.published = "colorectal/Fine-tuned ResNet50"
  c.loss = "cross_entropy"
  c.sampling = "uniform"  # or balanced: every class as often

  c.data = config_dict.ConfigDict()
  c.data.name = "nct_crc"
  c.data.source = ""  # NCT-CRC-HE-100K, or pathmnist_224.npz; '' draws synthetic tissue
  c.data.test_source = ""  # CRC-VAL-HE-7K
  c.data.on_error = "refuse"  # or skip: leaves out what cannot be read, and counts it
  c.data.device_memory_gib = 20.0  # larger sets are streamed

  c.split = config_dict.ConfigDict()
  c.split.protocol = "predefined"
  c.split.seed = 0
  c.split.on_leak = "warn"  # or refuse, where copies or groups cross the split
  c.split.folds, c.split.fold = 5, 0
  c.split.validation_fraction = 0.1  # assumption: patients unknown, so by image

  c.augment = config_dict.ConfigDict()
  c.augment.size = 224
  c.augment.rotations = 1
  c.augment.train_rotations = "none"  # no augmentation
  c.augment.canvas = "same"
  c.augment.fill = (255, 255, 255)
  c.augment.flip = "none"
  c.augment.normalise = "weights"  # assumption: by the mean and std they come with
  c.augment.mean = (0.485, 0.456, 0.406)  # with normalise = fixed: ImageNet's
  c.augment.std = (0.229, 0.224, 0.225)

  c.model = config_dict.ConfigDict()
  c.model.name = "resnet50"
  c.model.attention = "none"
  c.model.head = "linear"
  c.model.stage_end = "none"  # or, behind a stage: none|none|none|dnl
  c.model.stride_in_1x1 = False  # assumption: v1.5, as the weights; Keras' own is v1
  c.model.freeze = "stem|stage2|stage3|stage4"  # assumption: "early layers"
  c.model.norm = "frozen"  # assumption: running statistics in training, too
  c.model.dtype = "auto"  # bfloat16 on a GPU, float32 on a CPU

  c.init = config_dict.ConfigDict()
  c.init.weights = "hf://timm/resnet50.tv_in1k"  # assumption: Keras' own are others
  c.init.new = "head"

  c.optimizer = config_dict.ConfigDict()
  c.optimizer.name = "adam"
  c.optimizer.learning_rate = 0.001
  c.optimizer.momentum = 0.9
  c.optimizer.weight_decay = 0.0
  c.optimizer.schedule = "constant"
  c.optimizer.warmup = -1.0  # epochs; -1: 5 % of a cosine, none before the others
  c.optimizer.clip = 0.0  # largest norm of the gradient; 0: any
  c.optimizer.ema = 0.0  # or 0.999: judged are averaged weights

  c.checkpoint = config_dict.ConfigDict()
  c.checkpoint.keep = 1
  c.checkpoint.every_minutes = 10.0

  if variant == "literal":  # raw pixels 0..255, stopped where CRC-VAL is best
    c.augment.normalise, c.augment.mean = "fixed", (0.0, 0.0, 0.0)
    c.augment.std = (1 / 255, 1 / 255, 1 / 255)
    c.select_on = "test"
  if variant == "quick":
    c.epochs, c.batch_size = 8, 32
    c.augment.size, c.augment.flip = 64, "both"
    c.augment.normalise = "image"
    # nothing can be downloaded in minutes: what is frozen are random filters
    c.init.weights, c.model.freeze, c.model.norm = "", "stem|stage2", "batch"
  return c
