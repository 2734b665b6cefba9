"""Each config's network as a case: its classes, its counterpart's name."""

import cases
from test_configs import CLASSES, load

TORCH = {  # our name -> the counterpart's, see torch_models.build
  "resnet18": "blocks:resnet18",
  "resnet50": "blocks:resnet50",
  "resnext50": "skresnext50_32x4d",
  "vgg16": "vgg16",
  "vgg19": "vgg19",
  "vgg16_inception": "vgg16_inception",
  "densenet121": "densenet121",
  "vit_b16": "vit_b_16",
  "swin_t": "swin_t",
  "dinov2_vitb14": "vit_base_patch14_dinov2",
}
LIBRARY = {  # whose code the counterpart is, beside the blocks written from the papers
  "blocks:resnet18": "timm",
  "blocks:resnet50": "timm",
  "resnet50_cbam": "timm",
  "skresnext50_32x4d": "timm",
  "vit_base_patch14_dinov2": "timm",
}


def case(name: str) -> cases.Case:
  """Of configs/<name>.py; what draws at random in training is off.

  VGG's two hidden dense layers have 64 numbers instead of 4,096, on both sides. All at
  224 px, and SK with more images, whose norm sees nothing else: in training a norm over
  few numbers passes rounding on enlarged.
  """
  config = load(name)
  kwargs = config.model.to_dict()
  model, attention = kwargs.pop("name"), kwargs.pop("attention")
  for key in ("dtype", "freeze", "norm"):
    kwargs.pop(key, None)
  torch_name = TORCH[model]
  if attention.startswith("cbam"):
    torch_name = "resnet50_cbam"
  if model == "swin_t":
    kwargs["drop_path"] = 0.0
  head = kwargs.pop("head", "linear")
  if head.startswith("mlp("):
    torch_name = "vgg16_mlp"
  if head.startswith("fc("):
    head = "fc(hidden=64, dropout=0.0)"
  head = head.replace("dropout=0.5", "dropout=0.0").replace(", slope=0.01", "")
  if head != "linear" or model.startswith("vgg"):
    kwargs["head"] = head
  return cases.Case(
    name, model, torch_name, attention, kwargs, len(CLASSES[config.data.name]),
    batch=8 if attention.startswith("sk") else 2, size=224, stored=False,
  )  # fmt: skip
