"""The max-pool with a byte of memory equals XLA's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.ops.max_pool import (
  max_pool,
  max_pool_2x2,
  max_pool_2x2_plain,
  max_pool_plain,
)


@pytest.mark.parametrize(("height", "width"), [(1, 2), (7, 6), (8, 5)])
def test_equals_the_plain_form(height, width):
  rng = np.random.default_rng(0)
  with jax.enable_x64(True):
    x = jnp.asarray(rng.normal(size=(2, height, width, 3)))
    got, pullback = jax.vjp(jax.jit(max_pool), x)
    want, pullback_plain = jax.vjp(max_pool_plain, x)
    np.testing.assert_array_equal(got, want)
    d = jnp.asarray(rng.normal(size=want.shape))
    np.testing.assert_allclose(pullback(d)[0], pullback_plain(d)[0], rtol=0, atol=1e-14)


def test_ties_go_to_the_first_and_nothing_is_lost():
  x = jnp.zeros((1, 6, 6, 1))
  d = jnp.arange(1.0, 10).reshape(1, 3, 3, 1)
  (dx,) = jax.vjp(jax.jit(max_pool), x)[1](d)
  assert dx.sum() == d.sum()
  # Window (1, 1) covers rows and columns 1 to 3; its first is (1, 1).
  assert dx[0, 1, 1, 0] == d[0, 1, 1, 0]


def test_a_nan_is_not_hidden():
  x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1, 0].set(jnp.nan)
  assert jnp.isnan(max_pool(x)).all()


def test_keeps_bfloat16():
  x = jnp.ones((1, 4, 4, 2), jnp.bfloat16)
  y, pullback = jax.vjp(jax.jit(max_pool), x)
  assert y.dtype == jnp.bfloat16 and pullback(y)[0].dtype == jnp.bfloat16


@pytest.mark.parametrize(("height", "width"), [(2, 2), (7, 6), (8, 5)])
def test_2x2_equals_the_plain_form(height, width):
  rng = np.random.default_rng(0)
  with jax.enable_x64(True):
    x = jnp.asarray(rng.normal(size=(2, height, width, 3)))
    got, pullback = jax.vjp(jax.jit(max_pool_2x2), x)
    want, pullback_plain = jax.vjp(max_pool_2x2_plain, x)
    np.testing.assert_array_equal(got, want)
    d = jnp.asarray(rng.normal(size=want.shape))
    np.testing.assert_array_equal(pullback(d)[0], pullback_plain(d)[0])


def test_2x2_ties_go_to_the_first_and_bfloat16_stays():
  x = jnp.zeros((1, 4, 4, 1), jnp.bfloat16)
  y, pullback = jax.vjp(jax.jit(max_pool_2x2), x)
  (dx,) = pullback(jnp.arange(1.0, 5, dtype=jnp.bfloat16).reshape(y.shape))
  assert dx.dtype == y.dtype == jnp.bfloat16
  want = np.zeros((4, 4))
  want[::2, ::2] = [[1, 2], [3, 4]]
  np.testing.assert_array_equal(dx[0, :, :, 0], want)


def test_2x2_never_scatters():
  gradient = jax.jit(jax.grad(lambda x: max_pool_2x2(x).sum()))
  text = gradient.lower(jnp.ones((1, 8, 8, 2))).as_text()
  assert "select_and_scatter" not in text and "reduce_window" not in text
