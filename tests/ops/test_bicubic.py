"""Bicubic interpolation of one axis."""

import numpy as np
import pytest

from histojax.ops.bicubic import bicubic

SAMPLES = np.array([1.0, -2.0, 4.0, 0.0, 3.0])


@pytest.mark.parametrize(
  ("new", "scale", "want"),
  [
    (3, 3.1 / 5, [-0.150748, 3.800438, 1.259475]),
    (3, None, [-0.277777, 4.0, 1.833332]),
    (7, None, [1.236153, -1.370262, -0.56997, 4.0, 0.989795, 0.83965, 3.236153]),
  ],
)
def test_pytorch_gives_the_same(new, scale, want):
  """torch.nn.functional.interpolate(mode='bicubic') of 2.13, `scale_factor` given."""
  np.testing.assert_allclose(bicubic(5, new, scale) @ SAMPLES, want, atol=2e-6)


@pytest.mark.parametrize("new", [1, 4, 9, 37])
def test_a_constant_stays_one(new):
  np.testing.assert_allclose(bicubic(9, new).sum(1), 1, rtol=1e-12)


def test_the_same_size_is_the_same_samples():
  np.testing.assert_array_equal(bicubic(9, 9), np.eye(9))
