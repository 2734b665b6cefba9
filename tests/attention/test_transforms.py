"""What holds for every transform: a new row of the table is tested unnamed."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import TRANSFORMS
from histojax.errors import InputError

CHANNELS = 32
# (name, arguments) -> trained numbers at C = 32, from the formulas in the docstrings.
COUNTS = {
  ("dnl", ()): 2 * 32**2 + 2 * 32 + 1,
  ("dnl", (("scale", False), ("gamma", True))): 2 * 32**2 + 2 * 32 + 2,
  ("dnl", (("temperature", 0.05), ("out", True))): 2 * 32**2 + 7 * 32 // 2 + 1,
  ("lam", ()): 32**2 // 8 + 32 // 16 + 32,
  ("lam", (("gate", "eca"),)): 3,
}
# At the width of ResNet50's last stage, as the sources count.
PUBLISHED = dict(
  zip(COUNTS, (8_392_705, 8_392_706, 8_395_777, 526_464, 7), strict=True)
)
# What the block makes of x when every parameter is zero.
AT_ZERO = {"dnl": lambda x: x, "lam": lambda x: x / 2}
# Their gradient is zero, and the output does not depend on them.
WITHOUT_EFFECT = {"dnl": ("query/bias", "key/bias", "mask/bias"), "lam": ()}
MAPS = {"dnl": {"dnl_pairwise", "dnl_unary"}, "lam": {"lam_gate"}}

every_block = pytest.mark.parametrize(
  ("name", "arguments"), COUNTS, ids=lambda v: v if isinstance(v, str) else str(dict(v))
)


@functools.cache
def make(name, arguments, channels=CHANNELS):
  """apply(variables, x, **kwargs), variables away from special values, and a map."""
  block = TRANSFORMS[name](**dict(arguments))
  x = jax.random.normal(jax.random.key(0), (3, 4, 5, channels))
  shapes = jax.eval_shape(lambda: block.init(jax.random.key(1), x, train=False))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda leaf: jnp.asarray(0.3 * rng.normal(size=leaf.shape), jnp.float32), shapes
  )
  return functools.partial(block.apply, train=False), variables, x


def test_no_transform_is_forgotten():
  named = {name for name, _ in COUNTS}
  assert named == set(AT_ZERO) == set(WITHOUT_EFFECT) == set(MAPS) == set(TRANSFORMS), (
    "every row of TRANSFORMS needs a row in each table of this file"
  )


@every_block
def test_parameter_count(name, arguments):
  for channels, counts in ((CHANNELS, COUNTS), (2048, PUBLISHED)):
    block = TRANSFORMS[name](**dict(arguments))
    x = jax.ShapeDtypeStruct((1, 2, 2, channels), jnp.float32)
    init = functools.partial(block.init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), x)["params"]
    assert sum(p.size for p in jax.tree.leaves(params)) == counts[name, arguments]


@every_block
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_shape_and_dtype_are_kept(name, arguments, dtype):
  apply, variables, x = make(name, arguments)
  y = jax.eval_shape(apply, variables, x.astype(dtype))
  assert y.shape == x.shape and y.dtype == dtype


@every_block
def test_images_do_not_see_each_other(name, arguments):
  apply, variables, x = make(name, arguments)
  order = jnp.array([2, 0, 1])
  got, want = apply(variables, x[order]), apply(variables, x)[order]
  np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@every_block
def test_zero_weights_give_the_closed_form(name, arguments):
  apply, variables, x = make(name, arguments)
  y = apply(jax.tree.map(jnp.zeros_like, variables), x)
  np.testing.assert_array_equal(y, AT_ZERO[name](x))


@every_block
def test_every_parameter_gets_a_gradient(name, arguments):
  apply, variables, x = make(name, arguments)
  weights = jax.random.normal(jax.random.key(3), x.shape)

  def loss(params):
    return (weights * apply({"params": params}, x)).sum()

  gradients = jax.grad(loss)(variables["params"])
  seen = jax.tree_util.tree_leaves_with_path(gradients)
  largest = max(float(jnp.abs(g).max()) for _, g in seen)
  for path, gradient in seen:
    still = jax.tree_util.keystr(path, simple=True, separator="/")
    none = still in WITHOUT_EFFECT[name]
    assert (float(jnp.abs(gradient).max()) > 1e-5 * largest) != none, still


@every_block
def test_jit_equals_eager(name, arguments):
  apply, variables, x = make(name, arguments)
  got, want = jax.jit(apply)(variables, x), apply(variables, x)
  np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@every_block
def test_bfloat16_is_near_float32(name, arguments):
  apply, variables, x = make(name, arguments)
  narrow, wide = apply(variables, x.astype(jnp.bfloat16)), apply(variables, x)
  # Sums, means and softmax are in float32: x, the weights and the result are rounded
  # (2**-9 each), and a temperature of 0.05 multiplies the logits' error by 20.
  limit = 0.1 if ("temperature", 0.05) in arguments else 0.02
  assert float(jnp.abs(narrow - wide).max() / jnp.abs(wide).max()) < limit


@every_block
def test_maps_are_recorded_without_changing_the_output(name, arguments):
  apply, variables, x = make(name, arguments)
  y, recorded = apply(variables, x, mutable=["gates"])
  np.testing.assert_array_equal(y, apply(variables, x))
  assert set(recorded["gates"]) == MAPS[name]
  for leaf in jax.tree.leaves(recorded["gates"]):
    assert leaf.dtype == jnp.float32
    assert float(leaf.min()) >= 0 and float(leaf.max()) <= 1


def test_the_two_maps_of_dnl_are_distributions_over_the_places():
  apply, variables, x = make("dnl", ())
  _, recorded = apply(variables, x, mutable=["gates"])
  pairwise, unary = (recorded["gates"][f"dnl_{key}"] for key in ("pairwise", "unary"))
  assert pairwise.shape == (3, 20, 20) and unary.shape == (3, 4, 5, 1)
  np.testing.assert_allclose(pairwise.sum(-1), 1, rtol=1e-5)
  np.testing.assert_allclose(unary.sum((1, 2, 3)), 1, rtol=1e-5)


def test_dnl_sees_no_order_among_the_places():
  apply, variables, x = make("dnl", ())
  flipped = apply(variables, x[:, ::-1, ::-1])[:, ::-1, ::-1]
  np.testing.assert_allclose(flipped, apply(variables, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sources", [{"gamma": True}, {"out": True}])
def test_dnl_starts_without_what_starts_at_zero(sources):
  x = make("dnl", ())[2]
  block = TRANSFORMS["dnl"](**sources)
  variables = block.init(jax.random.key(0), x, train=False)
  if "out" in sources:
    np.testing.assert_array_equal(block.apply(variables, x, train=False), x)
  else:
    assert variables["params"]["gamma"].shape == (1,)
    assert not variables["params"]["gamma"].any()


@pytest.mark.parametrize(
  ("name", "kwargs", "says"),
  [
    ("dnl", {"temperature": 0.0}, "temperature above 0"),
    ("lam", {"gate": "see"}, "did you mean 'se'"),
  ],
)
def test_bad_arguments_get_one_sentence(name, kwargs, says):
  block, x = TRANSFORMS[name](**kwargs), jnp.ones((1, 2, 2, 16))
  with pytest.raises(InputError, match=says):
    block.init(jax.random.key(0), x, train=False)
