"""Every lowering of the convolution equals XLA's own, forward and backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.ops.convolution import conv, conv_plain
from histojax.ops.platform import lowered_for, platform


@pytest.mark.parametrize(
  ("size", "stride", "height"),
  [(1, 1, 5), (1, 2, 5), (3, 1, 1), (3, 1, 2), (3, 2, 5), (3, 1, 5), (7, 2, 4)],
)
def test_equals_the_plain_form(size, stride, height):
  rng = np.random.default_rng(0)
  with jax.enable_x64(True):
    x = jnp.asarray(rng.normal(size=(2, height, height + 1, 3)))
    kernel = jnp.asarray(rng.normal(size=(size, size, 3, 4)))
    d = jnp.asarray(
      rng.normal(size=(2, (height - 1) // stride + 1, height // stride + 1, 4))
    )

    @jax.jit
    def both(x, kernel, d):
      results = []
      for function in (conv, conv_plain):
        y, pullback = jax.vjp(lambda x, k: function(x, k, stride), x, kernel)  # noqa: B023
        results.append((y, *pullback(d)))
      return results

    for a, b in zip(*both(x, kernel, d), strict=True):
      np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_keeps_bfloat16():
  x = jnp.ones((1, 2, 2, 3), jnp.bfloat16)
  for size in (1, 3):
    kernel = jnp.ones((size, size, 3, 4), jnp.bfloat16)
    assert conv(x, kernel).dtype == jnp.bfloat16


def test_other_platforms_get_one_xla_convolution():
  x, kernel = jnp.ones((1, 2, 2, 3)), jnp.ones((3, 3, 3, 4))
  assert platform() == jax.default_backend()
  with lowered_for("gpu"):
    assert platform() == "gpu"
    text = str(jax.make_jaxpr(lambda x, k: conv(x, k))(x, kernel))
  assert platform() == jax.default_backend()
  assert "conv_general_dilated" in text and "dot_general" not in text
