"""ViT, Swin and DINOv2 live against Hugging Face's transformers.

Its models are written apart from timm's and torchvision's.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.models.pretrained import from_torch, torch_shapes

pytestmark = [pytest.mark.oracle, pytest.mark.full]

PATCHES = [(r"^patch_embed\.", "embeddings.patch_embeddings.")]
PATCHES += [(r"patch_embeddings\.proj\.", "patch_embeddings.projection.")]
PATCHES += [(r"^norm\.", "layernorm."), (r"\.attn\.proj\.", ".attention.o_proj.")]
TOKENS = [("^cls_token$", "embeddings.cls_token")]
TOKENS += [("^pos_embed$", "embeddings.position_embeddings")]
NORMS = [(r"\.norm1\.", ".layernorm_before."), (r"\.norm2\.", ".layernorm_after.")]
NAMES = {  # from timm's
  "vit_b16": [*PATCHES, *TOKENS, (r"^blocks\.", "layers."), *NORMS],
  "dinov2_vitb14": [
    *PATCHES,
    *TOKENS,
    (r"^blocks\.", "encoder.layer."),
    (r"\.ls(\d)\.gamma", r".layer_scale\1.lambda1"),
  ],
  "swin_t": [
    (r"^patch_embed\.norm\.", "embeddings.norm."),
    *PATCHES,
    (r"^layers\.", "encoder.layers."),
    (r"\.attn\.relative", ".attention.relative_position_bias.relative"),
    *NORMS,
  ],
}


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


def spelled(name: str, weights: dict) -> dict:
  """timm's arrays under the names that transformers gives them, without the head."""
  found = {}
  for key, array in weights.items():
    if key.startswith("head."):
      continue
    for theirs, theirs_too in NAMES[name]:
      key = re.sub(theirs, theirs_too, key)
    if merge := re.match(r"encoder\.layers\.(\d)\.downsample", key):  # at a stage's end
      stage = f"encoder.layers.{int(merge[1]) - 1}.downsample"
      key = stage + key[merge.end() :]
    if ".attn.qkv." in key:
      for letter, part in zip("qkv", np.split(array, 3), strict=True):
        found[key.replace(".attn.qkv.", f".attention.{letter}_proj.")] = part
    else:
      found[key] = array
  return found


def build(name: str):
  """Theirs, with none of the options that ours has not; skips where it is absent."""
  import torch_models  # noqa: F401  (torchvision's schemas, before it is imported)

  hub = pytest.importorskip("transformers", reason="needs Hugging Face's transformers")
  if name == "vit_b16":
    config = hub.ViTConfig(layer_norm_eps=1e-6, attn_implementation="eager")
    return hub.ViTModel(config, add_pooling_layer=False)
  if name == "dinov2_vitb14":
    return hub.Dinov2Model(hub.Dinov2Config(image_size=518))
  return hub.SwinModel(hub.SwinConfig())


@pytest.mark.parametrize(
  ("name", "size"),
  [("vit_b16", 224), ("vit_b16", 64), ("swin_t", 224), ("dinov2_vitb14", 518)],
)
def test_features_and_map(name, size):
  import torch

  module = build(name).eval()
  model = models.create(name, num_classes=2)
  images = randomised.images(1 if size > 224 else 2, size)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.asarray(images[:1]), train=False)
  )
  weights = randomised.state(torch_shapes(model, shapes))
  variables = from_torch(model, weights, shapes)
  state = {key: torch.from_numpy(a) for key, a in spelled(name, weights).items()}
  missing, unexpected = module.load_state_dict(state, strict=False)
  assert not unexpected
  assert not [key for key in missing if not key.endswith(("mask_token", "_index"))]

  ends = jax.jit(lambda v: model.apply(v, images, train=False)[1])(variables)
  kwargs = {"interpolate_pos_encoding": True} if name == "vit_b16" else {}
  with torch.inference_mode():
    theirs = module(torch.from_numpy(images).permute(0, 3, 1, 2), **kwargs)
  tokens = theirs.last_hidden_state.numpy()
  features = tokens.mean(1) if name == "swin_t" else tokens[:, 0]
  places = tokens if name == "swin_t" else tokens[:, 1:]
  assert difference(ends["features"], features) < 1e-4
  assert difference(ends["map"].reshape(places.shape), places) < 1e-4
