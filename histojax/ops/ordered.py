"""Floats as unsigned integers of the same width and in the same order.

XLA computes bfloat16 reductions in float32 and writes them so; integers it leaves as
they are, and one integer can carry a value and its place.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


def to_ordered(x: jax.Array) -> jax.Array:
  """Unsigned integers with a < b wherever x_a < x_b; -0.0 comes before 0.0."""
  width = 8 * x.dtype.itemsize
  bits = lax.bitcast_convert_type(x, f"uint{width}")
  sign = jnp.asarray(1 << (width - 1), bits.dtype)
  return jnp.where(bits & sign, ~bits, bits | sign)


def from_ordered(bits: jax.Array, dtype: DTypeLike) -> jax.Array:
  """The floats of `dtype` that `to_ordered` turned into `bits`."""
  sign = jnp.asarray(1 << (8 * bits.dtype.itemsize - 1), bits.dtype)
  return lax.bitcast_convert_type(jnp.where(bits & sign, bits ^ sign, ~bits), dtype)
