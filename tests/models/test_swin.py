"""Swin transformers: end points, windows, skipped branches."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.models.swin import Block, WindowAttention, regions, relative_positions

QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time
SMALL = {"stage_sizes": (2, 1, 1, 1), "width": 8, "num_heads": (1, 2, 2, 2)}


@functools.cache
def small(**kwargs):
  model = models.create("swin_t", num_classes=3, **SMALL | kwargs)
  x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 40, 33, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda leaf: jnp.asarray(
      rng.normal(size=leaf.shape) * (0.3 if leaf.ndim > 1 else 0.1) + (leaf.ndim == 1),
      leaf.dtype,
    ),
    shapes,
  )
  return model, variables, x


def test_end_points_of_any_size():
  model, variables, x = small()
  logits, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert logits.shape == (4, 3) and logits.dtype == jnp.float32
  assert {name: end.shape for name, end in ends.items()} == {
    "stage2": (4, 10, 8, 8),
    "stage3": (4, 5, 4, 16),
    "stage4": (4, 3, 2, 32),
    "stage5": (4, 2, 1, 64),
    "map": (4, 2, 1, 64),
    "features": (4, 64),
  }


def test_layers_are_named_in_the_source():
  params = small()[1]["params"]
  blocks = {"stage2_block1", "stage2_block2"}
  later = {f"stage{i}_{part}" for i in (3, 4, 5) for part in ("merge", "block1")}
  assert set(params) == {"stem", "norm", "head"} | blocks | later
  assert set(params["stage3_merge"]) == {"norm", "reduce"}
  assert set(params["stage2_block2"]["attn"]) == {"table", "qkv", "proj"}
  assert params["stage3_block1"]["attn"]["table"].shape == (2, 169)


def test_relative_positions():
  index = relative_positions()
  assert index.shape == (49, 49)
  assert (np.diag(index) == 6 * 13 + 6).all()
  # query in row 2, column 5; key in row 4, column 1
  assert index[2 * 7 + 5, 4 * 7 + 1] == (2 - 4 + 6) * 13 + (5 - 1 + 6)


def test_a_shifted_window_keeps_apart_what_is_not_adjacent():
  """Places are let together where no more than a window lies between them."""
  rows, columns, shift = 3, 2, 3
  region = regions(rows, columns, shift, shift)
  at = np.stack(np.mgrid[: 7 * rows, : 7 * columns], -1)
  at = np.roll(at, (-shift, -shift), (0, 1))
  at = at.reshape(rows, 7, columns, 7, 2).swapaxes(1, 2).reshape(-1, 49, 2)
  near = (np.abs(at[:, :, None] - at[:, None]) < 7).all(-1)
  np.testing.assert_array_equal(region[:, :, None] == region[:, None], near)
  assert len(np.unique(regions(1, 3, 0, shift)[0])) == 1


@pytest.mark.parametrize("shift", [0, 3])
def test_a_place_sees_its_window_and_no_other(shift):
  layer = WindowAttention(2, shift)
  x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 14, 21, 8)), jnp.float32)
  variables = layer.init(jax.random.key(0), x)

  @jax.jit
  @jax.grad
  def seen(x):  # by the place in row 5, column 13
    return layer.apply(variables, x)[0, 5, 13].sum()

  rows, columns = np.nonzero(np.abs(np.asarray(seen(x))[0]).sum(-1) > 1e-12)
  # not shifted: rows 0-6, columns 7-13; shifted by 3: rows 3-9, columns 10-16
  assert (rows.min(), rows.max()) == (shift, shift + 6)
  assert (columns.min(), columns.max()) == (7 + shift, 13 + shift)
  assert len(rows) == 49


@pytest.mark.full
def test_maps_are_captured_and_every_parameter_gets_a_gradient():
  model, variables, x = small(drop_path=0.0)

  @functools.partial(jax.jit, compiler_options=QUICK)
  def run(params):
    def loss(params):
      (logits, _), maps = model.apply(
        {"params": params}, x, train=True, mutable=["attention_maps"]
      )
      return jax.nn.log_softmax(logits)[:, 0].mean(), (logits, maps)

    return jax.grad(loss, has_aux=True)(params)

  gradient, (logits, maps) = run(variables["params"])
  plain = jax.jit(lambda v: model.apply(v, x, train=False)[0], compiler_options=QUICK)
  np.testing.assert_allclose(logits, plain(variables), rtol=1e-5)
  weights = maps["attention_maps"]["stage2_block1"]["attn"]["softmax"]
  assert weights.shape == (4, 2 * 2, 1, 49, 49)  # windows, heads
  np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
  for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
    assert float(jnp.abs(leaf).max()) > 0, path


def test_images_skip_branches_in_training_only_and_by_their_key():
  """A branch that adds 1 adds 0 or 1 / (1 - share), to whole images."""
  block = Block(num_heads=1, shift=0, drop_path=0.25)
  x = jnp.zeros((200, 1, 2, 8))
  shapes = jax.eval_shape(lambda: block.init(jax.random.key(0), x, train=False))
  params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes["params"])
  params["attn"]["proj"]["bias"] = jnp.ones(8)

  @functools.partial(jax.jit, static_argnums=1)
  def added(key, train):
    return block.apply({"params": params}, x, train=train, rngs={"dropout": key})

  one, two = jax.random.key(1), jax.random.key(2)
  np.testing.assert_array_equal(added(one, False), 1)
  found = np.asarray(added(one, True))
  assert (found == found[:, :1, :1, :1]).all()
  np.testing.assert_allclose(np.unique(found), [0, 1 / 0.75], rtol=1e-6)
  np.testing.assert_allclose((found == 0).mean(), 0.25, atol=0.1)
  assert (found != added(two, True)).any()


def test_the_share_grows_from_block_to_block():
  model, variables, x = small(drop_path=0.2)
  rates = []

  def spy(method, args, kwargs, context):
    if isinstance(context.module, nn.Dropout) and context.module.name != "dropout1":
      rates.append(context.module.rate)
    return method(*args, **kwargs)

  with nn.intercept_methods(spy):
    jax.eval_shape(lambda: model.apply(variables, x, train=False))
  # five blocks of two branches; the first has none to skip
  np.testing.assert_allclose(rates, np.repeat([0.05, 0.1, 0.15, 0.2], 2))
