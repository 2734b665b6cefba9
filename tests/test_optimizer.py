import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from histojax import optimizer
from histojax.errors import InputError


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 1e-2)])
def test_sgd_equals_its_equations(momentum, decay):
  rng = np.random.default_rng(0)
  w = jnp.asarray(rng.normal(size=5), jnp.float32)
  tx = optimizer.sgd(momentum, decay)
  state, expected, velocity = tx.init(w), np.asarray(w, np.float64), np.zeros(5)
  for step in range(4):
    g = rng.normal(size=5).astype(np.float32)
    rate = 0.1 / (step + 1)  # changes from step to step: momentum must not keep it
    updates, state = tx.update(jnp.asarray(g), state, w)
    w = optax.apply_updates(w, jax.tree.map(lambda u, r=rate: r * u, updates))
    velocity = momentum * velocity + g + decay * expected
    expected = expected - rate * velocity
  np.testing.assert_allclose(w, expected, rtol=1e-5, atol=1e-6)


def test_equal_settings_are_one_object():
  assert optimizer.sgd(0.9, 0.0) is optimizer.sgd(0.9, 0.0)


def test_schedules():
  constant = optimizer.rate("constant", 0.001)
  assert {constant(s, 100) for s in range(100)} == {0.001}
  cosine = [optimizer.rate("cosine", 0.5)(s, 200) for s in range(200)]
  assert cosine[0] == 0.05 and cosine[9] == 0.5 and max(cosine) == 0.5
  assert all(a > b for a, b in zip(cosine[10:], cosine[11:], strict=False))
  assert 0 < cosine[-1] < 1e-3
  assert cosine[105] == pytest.approx(0.25, rel=0.01)


def test_mistakes_are_one_sentence():
  with pytest.raises(InputError, match="did you mean 'cosine'"):
    optimizer.rate("cosin", 0.1)
  with pytest.raises(InputError, match="must be positive"):
    optimizer.rate("cosine", 0.0)
