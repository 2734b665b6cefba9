"""Which map is explained, and where its places lie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.explain import layers

SMALL = {
  "resnet": ("resnet_tiny", {"block": "basic"}),
  "vgg": ("vgg16", {"stage_sizes": (1,) * 5, "widths": (4,) * 5, "head": "linear"}),
  "densenet": ("densenet121", {"stage_sizes": (1,) * 4, "growth": 4, "width": 4}),
  "swin": ("swin_t", {"stage_sizes": (1,) * 4, "width": 8, "num_heads": (1,) * 4}),
  "vit": ("vit_b16", {"width": 8, "depth": 11, "num_heads": 2}),
}


def make(family):
  name, kwargs = SMALL[family]
  return models.create(name, num_classes=3, **kwargs)


@pytest.mark.parametrize(
  ("family", "name", "path", "shape"),
  [
    ("resnet", "map", ("stage5_block1",), (4, 4, 64)),
    ("vgg", "stage5", ("stage5",), (8, 8, 4)),
    ("densenet", "map", ("norm",), (4, 4, 8)),
    ("swin", "map", ("norm",), (4, 4, 64)),
    ("vit", "block11", ("block11", "norm1"), (65, 8)),
  ],
)
def test_the_last_map_is_found(family, name, path, shape):
  found = layers.find(make(family), 128)
  assert (found.name, found.path, found.shape) == (name, path, shape)
  assert (found.height, found.width) == ((8, 8) if family == "vit" else shape[:2])


@pytest.mark.parametrize(
  ("family", "size", "name", "places"),
  [
    ("resnet", 64, "stage4", 4),
    ("resnet", 32, "stage3", 4),
    ("densenet", 64, "map", 2),  # which offers no other
    ("vit", 32, "block11", 2),
  ],
)
def test_of_a_small_input_the_last_map_with_enough_places(family, size, name, places):
  found = layers.find(make(family), size)
  assert (found.name, found.height, found.width) == (name, places, places)


def test_a_map_is_the_output_of_what_stands_last():
  dnl = models.create("resnet_tiny", num_classes=3, stage_end="none|none|dnl|none")
  assert layers.find(dnl, 64, "stage4").path == ("stage4_end",)
  assert layers.find(dnl, 64, "stage3").path == ("stage3_block1",)


@pytest.mark.parametrize("family", ["resnet", "vit"])
def test_an_unknown_layer_gets_one_sentence(family):
  wrong = {"resnet": "stage6", "vit": "block12"}[family]
  with pytest.raises(InputError, match="explain_layer=.*did you mean"):
    layers.find(make(family), 64, wrong)


@pytest.mark.parametrize(
  ("family", "stage"), [("resnet", 4), ("vgg", 4), ("densenet", 4), ("swin", 3)]
)
def test_a_place_lies_where_it_sees(family, stage):
  """The rows of pixels that a place depends on are centred on what `grid` says.

  Weights are positive, so that a brighter row is seen and nothing cancels. Attention
  sees a whole window: of a Swin the rest is asked.
  """
  size, wide = 160, 32
  model = make(family)
  shape = jax.ShapeDtypeStruct((1, size, wide, 3), jnp.float32)
  shapes = jax.eval_shape(
    lambda x: model.init(jax.random.key(0), x, train=False), shape
  )

  def positive(path, leaf):
    blind = family == "swin" and "proj" in jax.tree_util.keystr(path)
    values = np.random.default_rng(leaf.size).uniform(0.1, 0.2, leaf.shape)
    return jnp.asarray(values * (not blind), jnp.float32)

  variables = jax.tree_util.tree_map_with_path(positive, shapes)
  images = np.ones((size + 1, size, wide, 3), np.float32)
  images[np.arange(size), np.arange(size)] = 3.0  # image r has a bright row r

  @jax.jit
  def end(variables, images):
    return model.apply(variables, images, train=False)[1][f"stage{stage}"]

  found = np.asarray(end(variables, images), np.float64)
  at = found.shape[1] // 2
  value = found[:, at, 0]
  rows = np.flatnonzero(np.abs(value[:-1] / value[-1] - 1).max(-1) > 1e-6)
  assert 0 < rows[0] and rows[-1] < size - 1  # the border has cut nothing off
  grid = layers.grid(model, f"stage{stage}")
  assert (rows[0] + rows[-1]) / 2 == grid.first + grid.stride * at
