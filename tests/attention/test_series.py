"""Gates one after the other."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import GATES, mixer_and_gates
from histojax.attention.series import Series
from histojax.errors import InputError

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


def test_a_mixer_comes_first_and_once():
  sk, se = ("sk", {}), ("se", {})
  assert mixer_and_gates((sk, se)) == (sk, (se,))
  assert mixer_and_gates((se,)) == (None, (se,))
  assert mixer_and_gates(()) == (None, ())
  for stage in ((se, sk), (sk, sk)):
    with pytest.raises(InputError, match="comes first"):
      mixer_and_gates(stage)
