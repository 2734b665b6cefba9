"""Gates one after the other."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import GATES, mixer_and_gates
from histojax.attention.series import Series, labelled
from histojax.errors import InputError
from histojax.ops.gating import Branch
from histojax.spec import parse

TERMS = (("se", {"ratio": 4}), ("se", {"ratio": 2}))


def make():
  x = jax.random.normal(jax.random.key(0), (2, 3, 3, 8))
  series = Series(TERMS, train=False)
  return series, series.init(jax.random.key(1), x), x


def test_the_second_sees_what_the_first_made():
  series, variables, x = make()
  assert set(variables) == {"params"}
  first, second = (
    lambda x, name=name, ratio=ratio: GATES["se"](ratio=ratio).apply(
      {"params": variables["params"][name]}, x, train=False
    )
    for name, ratio in (("se", 4), ("se2", 2))
  )
  want = first(x) * second(x * first(x))
  np.testing.assert_allclose(series.apply(variables, x), want, rtol=1e-5)


def test_recording_the_factors_changes_nothing():
  series, variables, x = make()
  g, recorded = series.apply(variables, x, mutable=["gates"])
  np.testing.assert_array_equal(g, series.apply(variables, x))
  factors = recorded["gates"]
  assert set(factors) == {"se_gate", "se2_gate"}
  np.testing.assert_allclose(factors["se_gate"] * factors["se2_gate"], g, rtol=1e-6)


def test_sees_only_the_mean_where_all_its_gates_do(monkeypatch):
  class Whole(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
      return nn.sigmoid(x)

  monkeypatch.setitem(GATES, "whole", Whole)
  assert Series((("se", {}),), False).spatial_mean_only
  assert not Series((("se", {}), ("whole", {})), False).spatial_mean_only
  x = jnp.ones((1, 2, 2, 16))
  both = Series((("se", {}), ("whole", {})), False)
  assert both.apply(both.init(jax.random.key(0), x), x).shape == x.shape


WHOLE = ["sam", "se+sam(gate=none)+se", "sam+cbam", "eca+sam+sam"]


@pytest.mark.parametrize("spec", WHOLE)
def test_what_is_known_changes_nothing(spec):
  """The factors and all gradients are those of gates applied one by one."""
  (terms,) = parse(spec, known=GATES, what="attention")
  with jax.enable_x64(True):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 3, 4, 16)))
    bias = jnp.asarray(rng.normal(size=16))
    series = Series(terms, train=False)
    shapes = jax.eval_shape(lambda: series.init(jax.random.key(1), x))
    variables = jax.tree.map(
      lambda leaf: jnp.asarray(rng.uniform(0.1, 0.9, leaf.shape)), shapes
    )
    d = jnp.asarray(rng.normal(size=x.shape))

    def fused(params, x, bias, known):
      u = x + bias
      seen = Branch(x, bias, u.mean((1, 2), keepdims=True)) if known else u
      factors = series.apply({**variables, "params": params}, seen, method="factors")
      return (u * math.prod(factors) * d).sum()

    def one_by_one(params, x, bias):
      u = x + bias
      for position, (name, kwargs) in enumerate(terms):
        label = labelled(terms, position)
        own = {"params": params[label]}
        if label in variables.get("batch_stats", {}):
          own["batch_stats"] = variables["batch_stats"][label]
        g = GATES[name](**kwargs).apply(own, u, train=False)
        u = u * (math.prod(g) if isinstance(g, tuple) else g)
      return (u * d).sum()

    @jax.jit
    def three(*given):
      fs = one_by_one, partial(fused, known=False), partial(fused, known=True)
      return [jax.value_and_grad(f, (0, 1, 2))(*given) for f in fs]

    want, *both = map(jax.tree.leaves, three(variables["params"], x, bias))
  for got in both:
    for a, b in zip(got, want, strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_a_mixer_comes_first_and_once():
  sk, se = ("sk", {}), ("se", {})
  assert mixer_and_gates((sk, se)) == (sk, (se,))
  assert mixer_and_gates((se,)) == (None, (se,))
  assert mixer_and_gates(()) == (None, ())
  for stage in ((se, sk), (sk, sk)):
    with pytest.raises(InputError, match="comes first"):
      mixer_and_gates(stage)
