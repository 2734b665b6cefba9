"""What every fused operation is held to: its plain form, and that form's rounding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np


def draw(*shapes, seed=0):
  rng = np.random.default_rng(seed)
  return [jnp.asarray(rng.normal(size=shape)) for shape in shapes]


def values_and_gradients(f, args, seed=1):
  """Flat list: the results of f, then the gradients of a random sum of them."""
  got, pullback = jax.vjp(f, *args)
  rng = np.random.default_rng(seed)
  d = jax.tree.map(lambda t: jnp.asarray(rng.normal(size=t.shape), t.dtype), got)
  return jax.tree.leaves((got, pullback(d)))


def assert_same(f, g, *args, atol=1e-12):
  """Values and gradients of two functions of the same arrays."""
  got, want = values_and_gradients(f, args), values_and_gradients(g, args)
  for a, b in zip(got, want, strict=True):
    assert a.shape == b.shape
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def activations(*shape, seed=0):
  """What a layer finds in a network: smooth maps, convolved, normalised, rectified.

  Channels differ in size, half of the values are zero; [B, H, W, C], float64.
  """
  rng = np.random.default_rng(seed)
  batch, height, width, channels = shape
  x = rng.normal(size=(batch, height + 8, width + 8, 3))
  for axis in (1, 2):  # a box filter of 5, twice
    for _ in range(2):
      x = sum(np.take(x, range(k, x.shape[axis] - 4 + k), axis) for k in range(5)) / 5
  x = x @ rng.normal(size=(3, channels)) + 0.1 * rng.normal(size=shape)
  x = (x - x.mean((0, 1, 2))) / x.std((0, 1, 2))
  return jnp.asarray(
    np.maximum(x * rng.lognormal(0, 0.5, channels) + 0.3 * rng.normal(size=channels), 0)
  )


def assert_rounds_no_worse(fused, plain, large, small, ratio=1.2):
  """In bfloat16 the gradients of `fused` are as near to float64's as those of `plain`.

  Args:
    fused, plain: functions of (*large, *small).
    large, small: for each of several draws, the arrays that are bfloat16 and those
      that are float32 in the network. Errors are relative; their root mean squares
      over the draws are compared, since a few changed signs decide a single one.
    ratio: how much larger the error of each result and gradient may be.
  """
  squares = 0
  for wide, narrow in zip(small, large, strict=True):
    arguments = [t.astype(jnp.bfloat16) for t in narrow]
    arguments += [t.astype(jnp.float32) for t in wide]
    want = values_and_gradients(plain, [t.astype(jnp.float64) for t in arguments])
    errors = [
      [
        float(jnp.linalg.norm((a - b).ravel()) / jnp.linalg.norm(b.ravel()))
        for a, b in zip(
          jax.jit(partial(values_and_gradients, f))(arguments), want, strict=True
        )
      ]
      for f in (fused, plain)
    ]
    squares = squares + np.square(errors)
  ours, theirs = np.sqrt(squares / len(large))
  assert (ours <= ratio * theirs + 1e-4).all(), (ours / theirs).round(2)
