"""Grad-CAM against what it must be; goldens/test_explained.py has PyTorch's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.explain import gradcam, layers

TINY = {"block": "basic", "width": 4}


def lived_in(shapes, seed=0):
  """Every number away from its start; norms have seen images."""
  rng = np.random.default_rng(seed)

  def draw(path, leaf):
    name = jax.tree_util.keystr(path)
    if "var" in name or "scale" in name:
      return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), jnp.float32)
    spread = 0.1 if leaf.ndim < 2 else (2 / leaf[..., 0].size) ** 0.5
    return jnp.asarray(rng.normal(scale=spread, size=leaf.shape), jnp.float32)

  return jax.tree_util.tree_map_with_path(
    draw, jax.tree.map(lambda s: np.empty(s.shape, np.float32), shapes)
  )


@functools.cache
def tiny(**kwargs):
  model = models.create("resnet_tiny", num_classes=3, **TINY | kwargs)
  x = jnp.asarray(np.random.default_rng(1).normal(size=(3, 64, 64, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
  return model, lived_in(shapes), x


def explained(model, variables, x, classes, name="map"):
  layer = layers.find(model, x.shape[1], name)
  run = jax.jit(functools.partial(gradcam.apply, model, layer))
  return run(variables, x, jnp.asarray(classes))


CLASSES = np.array([[0, 2], [1, 0], [2, 1]])


def test_of_the_mean_of_a_map_it_is_the_class_activation_map():
  """With features = mean(A), dy_c / dA is W_c / (h w) everywhere: relu(A W_c) / (h w).

  (Zhou et al., CVPR 2016, of which Grad-CAM is the generalisation.)
  """
  model, variables, x = tiny()
  logits, cam, _ = explained(model, variables, x, CLASSES)
  (plain, ends) = jax.jit(lambda v: model.apply(v, x, train=False))(variables)
  np.testing.assert_allclose(logits, plain, rtol=1e-5)
  weights = np.asarray(variables["params"]["head"]["out"]["kernel"])[:, CLASSES]
  maps = np.einsum("bhwc,cbn->bnhw", np.asarray(ends["map"]), weights)
  want = np.maximum(maps, 0) / 4
  assert cam.shape == (3, 2, 2, 2) and (want > 0).any() and (want == 0).any()
  np.testing.assert_allclose(cam, want, rtol=1e-4, atol=1e-6 * want.max())


def test_images_do_not_see_each_other():
  """Batch norm by its running statistics: an image's map is its own."""
  model, variables, x = tiny()
  _, whole, _ = explained(model, variables, x, CLASSES, "stage3")
  swapped = jnp.concatenate([x[:1], 5 * x[1:]])
  _, alone, _ = explained(model, variables, swapped, CLASSES, "stage3")
  np.testing.assert_allclose(alone[0], whole[0], rtol=1e-5, atol=1e-8)
  assert np.abs(alone[1] - whole[1]).max() > 1e-3


@pytest.mark.full
def test_in_bfloat16_maps_are_float32_and_near():
  model, variables, x = tiny()
  low = model.clone(dtype="bfloat16")
  logits, want, _ = explained(model, variables, x, CLASSES, "stage4")
  near, cam, _ = explained(low, variables, x.astype("bfloat16"), CLASSES, "stage4")
  plain, _ = jax.jit(lambda v, x: low.apply(v, x, train=False))(
    variables, x.astype("bfloat16")
  )
  np.testing.assert_allclose(near, plain, rtol=0.01)  # looking changes nothing
  assert cam.dtype == near.dtype == jnp.float32
  assert float(jnp.abs(cam - want).max() / want.max()) < 0.1
  assert float(jnp.abs(near - logits).max()) > 0  # it was bfloat16
