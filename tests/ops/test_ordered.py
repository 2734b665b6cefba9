"""The integers have the order of the floats, and give them back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.ops.ordered import from_ordered, to_ordered


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_order_and_back(dtype):
  rng = np.random.default_rng(0)
  drawn = rng.normal(size=500) * 10.0 ** rng.integers(-30, 30, 500)
  with jax.enable_x64(True):
    x = jnp.asarray([*drawn, -np.inf, np.inf, -0.0, 0.0, 1, -1], dtype)
    bits = to_ordered(x)
    assert bits.dtype == f"uint{8 * x.dtype.itemsize}"
    np.testing.assert_array_equal(from_ordered(bits, dtype), x)
    order = np.argsort(np.asarray(bits))
    assert (np.diff(np.asarray(x, np.float64)[order]) >= 0)[1:-1].all()
