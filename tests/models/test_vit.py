"""Vision transformers: end points, positions, maps, freezing, errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError

SMALL = {"patch": 4, "width": 24, "depth": 2, "num_heads": 2, "grid": 3}


def drawn(shapes):
  """Every parameter away from its start, so that none is without effect."""
  rng = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: jnp.asarray(
      rng.normal(size=leaf.shape) * (0.3 if leaf.ndim > 1 else 0.1) + (leaf.ndim == 1),
      leaf.dtype,
    ),
    shapes,
  )


@functools.cache
def small(name="dinov2_vitb14", **kwargs):
  model = models.create(name, num_classes=3, **SMALL | kwargs)
  x = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 20, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
  return model, drawn(shapes), x


@functools.partial(jax.jit, static_argnums=0)
def apply(model, variables, x):
  """-> ((logits, end points), the maps of the blocks)."""
  return model.apply(variables, x, train=False, mutable=["attention_maps"])


def test_end_points():
  model, variables, x = small()
  logits, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert logits.shape == (2, 3) and logits.dtype == jnp.float32
  found = {name: end.shape for name, end in ends.items()}
  assert found == {"map": (2, 2, 5, 24), "features": (2, 24)}


def test_layers_are_named_in_the_source():
  params = small()[1]["params"]
  assert set(params) == {"stem", "block1", "block2", "norm", "head"}
  assert set(params["stem"]) == {"cls_token", "pos_embed", "patch"}
  block = {"norm1", "attn", "norm2", "fc1", "fc2"}
  assert set(params["block1"]) == block | {"scale1", "scale2"}
  assert set(small("vit_b16")[1]["params"]["block2"]) == block
  assert set(params["block1"]["attn"]) == {"qkv", "proj"}


def test_maps_are_captured_without_changing_the_output():
  model, variables, x = small()
  (logits, _), maps = apply(model, variables, x)
  plain, _ = jax.jit(lambda v: model.apply(v, x, train=False))(variables)
  np.testing.assert_array_equal(logits, plain)
  maps = maps["attention_maps"]
  assert set(maps) == {"block1", "block2"}
  weights = maps["block2"]["attn"]["softmax"]
  assert weights.shape == (2, 2, 11, 11)  # [CLS] and 2 x 5 patches
  np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)


def test_positions_of_another_grid_are_interpolated():
  model, variables, x = small()
  square = x[:, :, :8]

  def stem(offset, grid, table, x):
    changed = model.clone(grid_offset=offset, grid=grid)
    params = variables["params"]
    stem = params["stem"] | {"pos_embed": table}
    return apply(changed, {"params": params | {"stem": stem}}, x)[0][0]

  rng = np.random.default_rng(2)
  table = jnp.asarray(rng.normal(size=(1, 10, 24)), jnp.float32)
  exact, moved = stem(0.0, 3, table, square), stem(0.1, 3, table, square)
  assert float(jnp.abs(exact - moved).max()) > 1e-3  # the offset matters
  # One position everywhere stays that, whatever the scale.
  level = jnp.concatenate([table[:, :1], jnp.tile(table[:, 1:2], (1, 9, 1))], axis=1)
  np.testing.assert_allclose(
    stem(0.1, 3, level, square), stem(0.0, 2, level[:, :5], square), atol=1e-5
  )


def test_images_do_not_see_each_other():
  model, variables, x = small()
  (logits, _), _ = apply(model, variables, x)
  (swapped, _), _ = apply(model, variables, x[::-1])
  np.testing.assert_allclose(swapped, logits[::-1], rtol=1e-5)


@pytest.mark.parametrize("freeze", ["none", "stem|block1"])
def test_every_trained_parameter_gets_a_gradient(freeze):
  model, variables, x = small()
  model = model.clone(freeze=freeze)

  # compiles in half the time
  @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
  @jax.grad
  def gradient(params):
    logits, _ = model.apply({"params": params}, x, train=True)
    return jax.nn.log_softmax(logits)[:, 0].mean()

  found = gradient(variables["params"])
  for path, leaf in jax.tree_util.tree_leaves_with_path(found):
    trained = freeze == "none" or path[0].key not in ("stem", "block1")
    assert (float(jnp.abs(leaf).max()) > 0) == trained, path


def test_bfloat16_is_near_float32():
  model, variables, x = small()
  (wanted, _), _ = apply(model, variables, x)
  (got, ends), maps = apply(model.clone(dtype="bfloat16"), variables, x)
  assert got.dtype == jnp.float32 and ends["map"].dtype == jnp.bfloat16
  assert ends["features"].dtype == jnp.float32
  assert maps["attention_maps"]["block1"]["attn"]["softmax"].dtype == jnp.float32
  # two blocks, each layer rounding at 2**-9; 1 % is what was seen
  assert float(jnp.abs(got - wanted).max() / jnp.abs(wanted).max()) < 0.04


def test_patches_that_do_not_fit_get_one_sentence():
  model, variables, x = small()
  with pytest.raises(InputError, match="patches of 4; .* such as 4"):
    model.apply(variables, x[:, :7], train=False)


@pytest.mark.parametrize(
  ("name", "arguments", "says"),
  [
    ("vit_b16", {"attention": "se"}, "no place for attention"),
    ("dinov2_vitb14", {"attention": "none|none"}, "no place for attention"),
    ("vit_b16", {"freeze": "block1"}, "'stem.block1'"),
    ("vit_b16", {"freeze": "stem|block13"}, "did you mean 'block"),
    ("vit_b16", {"num_heads": 7}, "not a multiple of num_heads=7"),
    ("vit_b16", {"norm": "frozen"}, "no argument 'norm'"),
    ("swin_t", {"attention": "se"}, "no place for attention"),
    ("swin_t", {"freeze": "stage2"}, "'stem.stage2'"),
    ("swin_t", {"drop_path": 1.0}, "0 <= drop_path < 1"),
    ("swin_t", {"num_heads": (3, 6, 12, 25)}, "stage5 has 768 channels"),
  ],
)
def test_bad_arguments_get_one_sentence(name, arguments, says):
  with pytest.raises(InputError, match=says):
    models.create(name, num_classes=3, **arguments)
