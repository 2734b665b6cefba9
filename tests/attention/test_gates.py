"""What holds for every gate: a new row of the table is tested without being named."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import GATES
from histojax.attention.efficient_channel import neighbours
from histojax.errors import InputError

CHANNELS = 32
# Trained numbers at 32 channels, from the formula in each block's docstring.
COUNTS = {
  "se": 2 * 32 * 32 // 16 + 32 // 16 + 32,
  "cbam": 2 * 32 * 32 // 16 + 32 // 16 + 32 + 2 * 7 * 7 + 2,
  "eca": 3,
  "sam": 2,
}
# The factor when every parameter is zero.
AT_ZERO = {
  "se": 0.5,
  "cbam": 0.25,
  "eca": 0.5,
  "sam": 0.5,
}

every_gate = pytest.mark.parametrize("name", GATES)


def factor(g):
  """A gate of channels and of places returns its two factors."""
  return g[0] * g[1] if isinstance(g, tuple) else g


@functools.cache
def make(name):
  """apply(variables, x), variables away from every special value, and a map."""
  gate = GATES[name]()
  x = jax.random.normal(jax.random.key(0), (3, 4, 5, CHANNELS))
  variables = jax.jit(functools.partial(gate.init, train=False))(jax.random.key(1), x)
  leaves, tree = jax.tree.flatten(variables)
  keys = jax.random.split(jax.random.key(2), len(leaves))
  moved = [
    p + 0.1 * np.asarray(jax.random.normal(k, p.shape))
    for p, k in zip(leaves, keys, strict=True)
  ]

  def apply(variables, x):
    return factor(gate.apply(variables, x, train=False))

  return apply, jax.tree.unflatten(tree, moved), x


def test_no_gate_is_forgotten():
  assert set(COUNTS) == set(AT_ZERO) == set(GATES), (
    "every row of GATES needs a row in COUNTS and in AT_ZERO"
  )


@every_gate
def test_parameter_count(name):
  _, variables, _ = make(name)
  assert sum(p.size for p in jax.tree.leaves(variables["params"])) == COUNTS[name]


@every_gate
def test_factor_broadcasts_to_the_map_and_stays_in_zero_one(name):
  apply, variables, x = make(name)
  g = apply(variables, 100 * x)
  assert g.ndim == 4 and (x * g).shape == x.shape
  assert g.dtype == jnp.float32
  assert float(g.min()) >= 0 and float(g.max()) <= 1


@every_gate
def test_images_do_not_see_each_other(name):
  apply, variables, x = make(name)
  order = jnp.array([2, 0, 1])
  np.testing.assert_allclose(
    apply(variables, x[order]), apply(variables, x)[order], rtol=1e-5
  )


@every_gate
def test_zero_weights_give_the_closed_form(name):
  apply, variables, x = make(name)
  g = apply(jax.tree.map(jnp.zeros_like, variables), x)
  np.testing.assert_array_equal(g, np.full(g.shape, AT_ZERO[name], np.float32))


@every_gate
def test_every_parameter_gets_a_gradient(name):
  apply, variables, x = make(name)
  weights = jax.random.normal(jax.random.key(3), x.shape)

  def loss(params):
    return (weights * x * apply({**variables, "params": params}, x)).sum()

  gradients = jax.grad(loss)(variables["params"])
  for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
    assert float(jnp.abs(gradient).max()) > 0, path


@every_gate
def test_jit_equals_eager(name):
  apply, variables, x = make(name)
  np.testing.assert_allclose(
    jax.jit(apply)(variables, x), apply(variables, x), rtol=1e-5
  )


@every_gate
def test_bfloat16_is_near_float32(name):
  apply, variables, x = make(name)
  narrow = apply(variables, x.astype(jnp.bfloat16))
  # The sums are in float32: only the rounding of x itself (2**-9) is left.
  np.testing.assert_allclose(narrow, apply(variables, x), atol=0.01)


@every_gate
def test_a_gate_that_says_so_sees_only_the_spatial_mean(name):
  apply, variables, x = make(name)
  if not getattr(GATES[name], "spatial_mean_only", False):
    pytest.skip("looks at the whole map")
  np.testing.assert_allclose(
    apply(variables, x),
    apply(variables, x.mean((1, 2), keepdims=True)),
    rtol=1e-5,
  )


@every_gate
def test_a_gate_that_says_so_sees_only_the_mean_over_channels(name):
  apply, variables, x = make(name)
  told = getattr(GATES[name], "channel_mean_only", False)
  mean = x.mean(-1, keepdims=True)
  got = apply(variables, jnp.broadcast_to(mean, x.shape))
  assert np.allclose(got, apply(variables, x), rtol=1e-5) == told
  if told:
    np.testing.assert_allclose(apply(variables, mean), got, rtol=1e-5)


@pytest.mark.parametrize(
  ("name", "kwargs", "says"),
  [
    ("se", {"ratio": 0}, "at least 1"),
    ("cbam", {"ratio": 0}, "at least 1"),
    ("cbam", {"kernel": 4}, "kernel odd"),
    ("sam", {"gate": "sigmod"}, "did you mean 'sigmoid'"),
  ],
)
def test_bad_arguments_get_one_sentence(name, kwargs, says):
  with pytest.raises(InputError, match=says):
    GATES[name](**kwargs).init(jax.random.key(0), jnp.ones((1, 1, 1, 8)), train=False)


def test_cbam_starts_at_one_half_in_space_and_learns_its_norm():
  gate, x = GATES["cbam"](), make("cbam")[2]
  variables = gate.init(jax.random.key(1), x, train=True)
  _, updated = gate.apply(variables, x, train=True, mutable=["batch_stats"])
  before, after = (v["batch_stats"]["spatial"]["norm"] for v in (variables, updated))
  g, _ = gate.apply({**variables, **updated}, x, train=True, mutable=["batch_stats"])
  g = factor(g)
  np.testing.assert_allclose(g, jnp.broadcast_to(g[:, :1, :1], g.shape), rtol=1e-6)
  assert float(g.max()) < 0.5
  # PyTorch's momentum 0.01: a hundredth of the way to the batch's statistics.
  still, moving = before["var"][0], after["var"][0]
  assert 0.99 < float(moving / still) < 1.2 and moving != still
  assert variables["params"]["spatial"]["norm"]["scale"] == 0


def test_the_literal_spatial_gate_is_not_bounded_and_starts_as_identity():
  x, gate = 100 * make("sam")[2], GATES["sam"](gate="none")
  variables = gate.init(jax.random.key(0), x, train=False)
  np.testing.assert_array_equal(gate.apply(variables, x, train=False), 1)
  m, b = jnp.full((1, 1), 2.0), jnp.full(1, 3.0)
  variables = {"params": {"conv": {"kernel": m, "bias": b}}}
  got = gate.apply(variables, x, train=False)
  np.testing.assert_allclose(got, 2 * x.mean(-1, keepdims=True) + 3, rtol=1e-4)
  assert float(got.min()) < 0 and float(got.max()) > 1


def test_the_spatial_gate_starts_at_the_sigmoid_of_the_mean():
  x, gate = make("sam")[2], GATES["sam"]()
  variables = gate.init(jax.random.key(0), x, train=False)
  want = jax.nn.sigmoid(x.mean(-1, keepdims=True))
  np.testing.assert_allclose(gate.apply(variables, x, train=False), want, rtol=1e-5)


def test_each_channel_is_told_by_its_neighbours():
  sizes = {32: 3, 64: 3, 128: 5, 256: 5, 512: 5, 1024: 5, 2048: 7}
  assert {channels: neighbours(channels) for channels in sizes} == sizes
  apply, variables, x = make("eca")
  one = jnp.zeros_like(x).at[..., 10].set(1.0)
  g = apply(variables, one)[0, 0, 0]
  assert [i for i in range(CHANNELS) if g[i] != 0.5] == [9, 10, 11]
