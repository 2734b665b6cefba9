"""A fault of the compiler that would change results without a word."""

import jax
import jax.numpy as jnp
import numpy as np


def test_matvec_and_reduction_are_the_same_eager_and_jitted():
  """jaxlib 0.10.2 loses rows on CPU here (jax-ml/jax#39103): the pin is on 0.10.1.

  If this fails after a new version was installed, that version computes wrong numbers.
  """
  rows = 32_769
  matrices = jnp.ones((rows, 4, 8), jnp.float32)
  vectors = jnp.ones((rows, 8), jnp.float32)

  def total(matrices, vectors):
    products = jax.vmap(lambda m, v: m @ v)(matrices, vectors)
    return jnp.sum(products * products)

  want = rows * 4 * 64
  assert float(total(matrices, vectors)) == want
  assert float(jax.jit(total)(matrices, vectors)) == want
  for argument in (0, 1):
    gradient = jax.grad(total, argument)
    np.testing.assert_array_equal(
      gradient(matrices, vectors), jax.jit(gradient)(matrices, vectors)
    )
