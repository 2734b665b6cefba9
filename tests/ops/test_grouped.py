"""Bundled dense convolutions equal one grouped convolution."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.ops.convolution import conv, conv_plain
from histojax.ops.grouped import block_diagonal, bundled
from histojax.ops.platform import lowered_for


@pytest.mark.parametrize(
  ("groups", "per_group", "stride", "dilation", "side"),
  [
    (32, 4, 1, 1, 6),  # several groups in each of eight bundles
    (3, 5, 2, 1, 7),  # groups that cannot be bundled evenly
    (4, 2, 1, 2, 3),  # one bundle, on a map that takes the way through patches
    (8, 32, 1, 2, 5),  # one group in each bundle
    (64, 4, 2, 1, 6),  # SENet-154's: eight groups in each bundle
  ],
)
def test_values_and_gradients(groups, per_group, stride, dilation, side):
  rng = np.random.default_rng(0)
  channels, features = groups * per_group, 2 * groups
  with jax.enable_x64(True):
    x = jnp.asarray(rng.normal(size=(2, side, side + 1, channels)))
    kernel = jnp.asarray(rng.normal(size=(3, 3, per_group, features)))
    how = dict(groups=groups, dilation=dilation)
    want, plain = jax.vjp(lambda *a: conv_plain(*a, stride, **how), x, kernel)
    got, pullback = jax.vjp(lambda *a: conv(*a, stride, **how), x, kernel)
    np.testing.assert_allclose(got, want, atol=1e-12)
    d = jnp.asarray(rng.normal(size=want.shape))
    for a, b in zip(pullback(d), plain(d), strict=True):
      np.testing.assert_allclose(a, b, atol=1e-12)


def test_a_dilated_convolution_on_every_size_of_map():
  rng = np.random.default_rng(0)
  kernel = rng.normal(size=(3, 3, 4, 5)).astype("f")
  for side in (1, 2, 3, 4, 9):
    x = rng.normal(size=(2, side, side, 4)).astype("f")
    got, want = (f(x, kernel, 2, dilation=3) for f in (conv, conv_plain))
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_the_kernel_is_zero_between_groups():
  kernel = block_diagonal(jnp.ones((1, 1, 2, 6)), 3)[0, 0]
  np.testing.assert_array_equal(kernel, np.kron(np.eye(3), np.ones((2, 2))))


def test_at_most_eight_bundles_of_at_least_sixteen_channels():
  seen = []

  def dense(x, kernel):
    seen.append(kernel.shape[2:])
    return conv_plain(x, kernel)

  for channels in (32, 128, 512):
    x, kernel = jnp.ones((1, 4, 4, channels)), jnp.ones((3, 3, channels // 32, 64))
    bundled(x, kernel, 32, dense)
  assert seen == [(16, 32)] * 2 + [(16, 8)] * 8 + [(64, 8)] * 8


def test_other_platforms_get_one_xla_convolution():
  x, kernel = jnp.ones((1, 8, 8, 32)), jnp.ones((3, 3, 1, 32))

  def lowered(platform):
    with lowered_for(platform):
      traced = jax.make_jaxpr(lambda x, k: conv(x, k, groups=32))(x, kernel)
    return str(traced).count("conv_general_dilated")

  assert lowered("gpu") == 1 and lowered("cpu") == 2


@pytest.mark.parametrize(("groups", "side"), [(32, 16), (64, 8)])
def test_the_gradient_is_not_the_hundredfold_slow_one(groups, side):
  x, kernel = jnp.ones((4, side, side, 4 * groups)), jnp.ones((3, 3, 4, 4 * groups))

  def seconds(f):
    step = jax.jit(jax.grad(lambda k: f(x, k, groups=groups).sum()))
    jax.block_until_ready(step(kernel))
    start = time.perf_counter()
    jax.block_until_ready(step(kernel))
    return time.perf_counter() - start

  # 300 and more where it was measured
  assert seconds(conv_plain) > 5 * min(seconds(conv) for _ in range(3))
