"""Names that mean the same: prefixes of wrappers, timm's VGG, torchvision's ViT."""

import re
from collections.abc import Mapping

import numpy as np

from histojax.models.pretrained import NOT_USED

Arrays = Mapping[str, np.ndarray]

# what training frameworks put before the name of every array
PREFIXES = ("module.", "model.", "backbone.", "encoder.", "teacher.", "student.")
# timm's and torchvision's names for what stands behind the features
HEADS = ("fc.", "classifier.", "head.", "heads.", "head_drop.", "pre_logits.")
_TIMM_VGG = {
  "pre_logits.fc1.": "classifier.0.",  # 7x7 and 1x1 convolutions there
  "pre_logits.fc2.": "classifier.3.",
  "head.fc.": "classifier.6.",
}
# torchvision's transformers -> timm's
_TORCHVISION = {
  "vit": {
    r"class_token": "cls_token",
    r"conv_proj": "patch_embed.proj",
    r"encoder\.pos_embedding": "pos_embed",
    r"encoder\.ln": "norm",
    r"heads\.head": "head",
    r"encoder\.layers\.encoder_layer_(\d+)\.ln_(\d)": r"blocks.\1.norm\2",
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_": (
      r"blocks.\1.attn.qkv."
    ),
    r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj": (
      r"blocks.\1.attn.proj"
    ),
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)": r"blocks.\1.mlp.fc1",
    r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)": r"blocks.\1.mlp.fc2",
  },
  "swin": {
    r"features\.0\.0": "patch_embed.proj",
    r"features\.0\.2": "patch_embed.norm",
    r"features\.([246])\.(norm|reduction)": lambda m: (
      f"layers.{int(m[1]) // 2}.downsample.{m[2]}"
    ),
    r"features\.([1357])\.(\d+)": lambda m: f"layers.{int(m[1]) // 2}.blocks.{m[2]}",
    r"head(?=\.(weight|bias))": "head.fc",
    r"(layers.*\.mlp\.)0": r"\1fc1",
    r"(layers.*\.mlp\.)3": r"\1fc2",
  },
}
_TELLS = {"vit": "conv_proj.weight", "swin": "features.0.0.weight"}


def understood(family: str, state: Arrays) -> tuple[dict[str, np.ndarray], list[str]]:
  """(the arrays under the names of timm or torchvision, what was done for that)."""
  state = {k: v for k, v in state.items() if not k.endswith(NOT_USED)}
  said = []
  if any(key.startswith("teacher.") for key in state):  # of self-distillation
    ours = {k: v for k, v in state.items() if not k.startswith("student.")}
    if len(ours) < len(state):
      said.append("without the student's arrays")
    state = ours
  while (prefix := _prefix(state)) is not None:
    said.append(f"without the prefix {prefix!r}")
    bare = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    state = {k: v for k, v in state.items() if not k.startswith(prefix)} | bare
  if family == "vgg" and "pre_logits.fc1.weight" in state:
    for theirs, ours in _TIMM_VGG.items():
      state = {
        ours + k.removeprefix(theirs) if k.startswith(theirs) else k: v
        for k, v in state.items()
      }
  if _TELLS.get(family) in state:
    state = {_renamed(k, _TORCHVISION[family]): v for k, v in state.items()}
  return state, said


def _renamed(name: str, table: Mapping) -> str:
  for theirs, ours in table.items():
    name = re.sub(f"^{theirs}", ours, name)
  return name


def _prefix(state: Arrays) -> str | None:
  """One that every array has, but for those of a head."""
  for prefix in PREFIXES:
    inside = [key for key in state if key.startswith(prefix)]
    outside = [key for key in state if not key.startswith(prefix)]
    if inside and all(key.startswith(HEADS) for key in outside):
      return prefix
  return None


def of_head(name: str) -> bool:
  return name.startswith(HEADS)
