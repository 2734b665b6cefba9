"""What the modelled table calls plain is the same network, with nothing fused."""

from unittest import mock

import h200_modelled
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models


def outcome():
  """The loss and its gradients in training mode."""
  arguments = {"attention": "cbam", "dtype": "float32", "num_classes": 3}
  model = models.create(name="resnet18", **arguments)
  images = jax.random.normal(jax.random.key(0), (2, 64, 64, 3))

  @jax.jit
  def found(key):
    variables = model.init(key, images, train=False)

    def loss(params):
      held = {"params": params, "batch_stats": variables["batch_stats"]}
      out = model.apply(held, images, train=True, mutable=["batch_stats"])
      return jnp.square(out[0][0]).sum()

    # a norm that starts at 0 gives zeros, where the two forms of a ReLU may differ
    params = jax.tree.map(lambda leaf: leaf + 0.05, variables["params"])
    return jax.value_and_grad(loss)(params)

  return jax.tree.leaves(found(jax.random.key(1)))


@pytest.mark.full
def test_the_plain_form_is_the_same_network():
  fused = outcome()
  h200_modelled.plainly()
  try:
    plain = outcome()
  finally:
    mock.patch.stopall()
  assert any((a != b).any() for a, b in zip(fused, plain, strict=True))
  for a, b in zip(fused, plain, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())
