"""What holds for every gate: a new row of the table is tested without being named."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import GATES
from histojax.errors import InputError

CHANNELS = 32
# Trained numbers at 32 channels, from the formula in each block's docstring.
COUNTS = {
  "se": 2 * 32 * 32 // 16 + 32 // 16 + 32,
}
# The factor when every parameter is zero.
AT_ZERO = {
  "se": 0.5,
}

every_gate = pytest.mark.parametrize("name", GATES)


@functools.cache
def make(name):
  """The gate, its parameters away from every special value, and a map."""
  gate = GATES[name]()
  x = jax.random.normal(jax.random.key(0), (3, 4, 5, CHANNELS))
  params = jax.jit(gate.init)(jax.random.key(1), x)
  leaves, tree = jax.tree.flatten(params)
  keys = jax.random.split(jax.random.key(2), len(leaves))
  moved = [
    p + 0.1 * np.asarray(jax.random.normal(k, p.shape))
    for p, k in zip(leaves, keys, strict=True)
  ]
  return gate, jax.tree.unflatten(tree, moved), x


def test_no_gate_is_forgotten():
  assert set(COUNTS) == set(AT_ZERO) == set(GATES), (
    "every row of GATES needs a row in COUNTS and in AT_ZERO"
  )


@every_gate
def test_parameter_count(name):
  _, params, _ = make(name)
  assert sum(p.size for p in jax.tree.leaves(params)) == COUNTS[name]


@every_gate
def test_factor_broadcasts_to_the_map_and_stays_in_zero_one(name):
  gate, params, x = make(name)
  g = gate.apply(params, 100 * x)
  assert g.ndim == 4 and (x * g).shape == x.shape
  assert g.dtype == jnp.float32
  assert float(g.min()) >= 0 and float(g.max()) <= 1


@every_gate
def test_images_do_not_see_each_other(name):
  gate, params, x = make(name)
  order = jnp.array([2, 0, 1])
  np.testing.assert_allclose(
    gate.apply(params, x[order]), gate.apply(params, x)[order], rtol=1e-5
  )


@every_gate
def test_zero_weights_give_the_closed_form(name):
  gate, params, x = make(name)
  g = gate.apply(jax.tree.map(jnp.zeros_like, params), x)
  np.testing.assert_array_equal(g, np.full(g.shape, AT_ZERO[name], np.float32))


@every_gate
def test_every_parameter_gets_a_gradient(name):
  gate, params, x = make(name)
  weights = jax.random.normal(jax.random.key(3), x.shape)
  gradients = jax.grad(lambda p: (weights * x * gate.apply(p, x)).sum())(params)
  for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
    assert float(jnp.abs(gradient).max()) > 0, path


@every_gate
def test_jit_equals_eager(name):
  gate, params, x = make(name)
  np.testing.assert_allclose(
    jax.jit(gate.apply)(params, x), gate.apply(params, x), rtol=1e-5
  )


@every_gate
def test_bfloat16_is_near_float32(name):
  gate, params, x = make(name)
  narrow = gate.apply(params, x.astype(jnp.bfloat16))
  # The sums are in float32: only the rounding of x itself (2**-9) is left.
  np.testing.assert_allclose(narrow, gate.apply(params, x), atol=0.01)


@every_gate
def test_a_gate_that_says_so_sees_only_the_spatial_mean(name):
  gate, params, x = make(name)
  if not getattr(gate, "spatial_mean_only", False):
    pytest.skip("looks at the whole map")
  np.testing.assert_allclose(
    gate.apply(params, x),
    gate.apply(params, x.mean((1, 2), keepdims=True)),
    rtol=1e-5,
  )


def test_se_refuses_a_ratio_below_one():
  with pytest.raises(InputError, match="at least 1"):
    GATES["se"](ratio=0).init(jax.random.key(0), jnp.ones((1, 1, 1, 8)))
