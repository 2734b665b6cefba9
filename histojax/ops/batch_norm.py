"""Batch normalisation, gate, residual and ReLU in the fewest passes over the data.

Training-mode normalisation of a convolution's output y [B, H, W, C] (Ioffe and Szegedy
2015, arXiv 1502.03167), a gate g that scales it, a residual r and a ReLU are

    m = mean(y);  v = mean(y^2) - m^2;  a = scale / sqrt(v + eps);  c = bias - m a
    z = relu((y a + c) g + r) = relu(y (a g) + (c g) + r)

so only two things touch the large array: `moments` reads it, `scale_shift` reads it and
writes z. What lies between works on C or B x C numbers and is left to autodiff, whose
result is BatchNorm's backward: dy = dz (a g) + (terms constant per channel or image)
+ y (the same). A gate that sees its input only through the mean over H, W gets that
mean as a mean(y) + c, and then costs nothing of the order of y, forward or backward.

`shift` is what remains where a is known before y: relu(y + c + r).
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike

from histojax.ops.platform import platform


def widen(y: jax.Array) -> jax.Array:
  """y in float32, or wider if it is: where sums happen."""
  return y.astype(jnp.promote_types(y.dtype, jnp.float32))


def moments(y: jax.Array, *, per_image: bool = False) -> tuple[jax.Array, jax.Array]:
  """y [B, H, W, C] -> mean and mean of squares, float32 [C].

  The mean is [B, 1, 1, C], over H and W alone, where it is wanted `per_image`.
  """
  y = widen(y)
  count = y.size // y.shape[-1]
  if not per_image:
    total, squares = sums((y, y * y))
    return total / count, squares / count
  total, squares = sums((y, y * y), per_image=True)
  return total * (y.shape[0] / count), squares.sum((0, 1, 2)) / count


def moments_plain(
  y: jax.Array, *, per_image: bool = False
) -> tuple[jax.Array, jax.Array]:
  """`moments` as plain means."""
  y = widen(y)
  mean = y.mean((1, 2), keepdims=True) if per_image else y.mean((0, 1, 2))
  return mean, jnp.square(y).mean((0, 1, 2))


def scale_and_shift(
  mean: jax.Array, variance: jax.Array, scale: jax.Array, bias: jax.Array, eps: float
) -> tuple[jax.Array, jax.Array]:
  """All [C]: the a, c with which y a + c is the normalised y."""
  a = scale * lax.rsqrt(variance + eps)
  return a, bias - mean * a


def scale_shift(
  y: jax.Array,
  a: jax.Array,
  c: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
  mean: bool = False,
) -> jax.Array | tuple[jax.Array, jax.Array]:
  """relu(y a + c + residual), computed in float32 and returned in `dtype`.

  y and residual [B, H, W, C]; a and c float32 [C], or [B, 1, 1, C] with a gate in them.
  The backward pass keeps y in `dtype` and, for the sign of the ReLU, the result where a
  residual is in it. Give `moments` and this the same `widen(y)`: their cotangents are
  then added in float32, and rounded once.

  With `mean` also the result's mean over H and W, float32 [B, 1, 1, C]: whoever reads
  that has added nothing to the passes.
  """
  a, c = (t.reshape(-1, 1, 1, t.shape[-1]) for t in (a, c))
  z, z_mean = _scale_shift(widen(y), a, c, residual, relu, jnp.dtype(dtype), mean)
  return (z, z_mean) if mean else z


def scale_shift_plain(
  y: jax.Array,
  a: jax.Array,
  c: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
  mean: bool = False,
) -> jax.Array | tuple[jax.Array, jax.Array]:
  """`scale_shift` as one line of arithmetic."""
  z = widen(y) * a + c
  z = z if residual is None else z + residual
  z = (jnp.maximum(z, 0) if relu else z).astype(dtype)
  return (z, widen(z).mean((1, 2), keepdims=True)) if mean else z


@partial(jax.custom_vjp, nondiff_argnums=(4, 5, 6))
def _scale_shift(y, a, c, residual, relu, dtype, mean):
  z = _result(y, a, c, residual, relu, dtype)
  if not mean:
    return z, None
  (total,) = sums((widen(z),), per_image=True)
  return z, total / (z.shape[1] * z.shape[2])


def _result(y, a, c, residual, relu, dtype):
  if residual is None or not relu:
    return scale_shift_plain(y, a, c, residual, relu=relu, dtype=dtype)
  z = relu_of_sum(y * a + c, residual.astype(y.dtype)).astype(dtype)
  return z if platform() == "cpu" else lax.optimization_barrier(z)


def _forward(y, a, c, residual, relu, dtype, mean):
  z, z_mean = _scale_shift(y, a, c, residual, relu, dtype, mean)
  # On a GPU bytes are time, and y a + c, made of what is kept anyway, has z's sign.
  keep = relu and (residual is not None or platform() == "cpu")
  saved = y.astype(dtype), a, c, z if keep else None, empty(residual)
  return (z, z_mean), saved


def _backward(relu, dtype, mean, saved, cotangents):
  y, a, c, z, like = saved
  dz, d_mean = cotangents
  d_mean = d_mean / (y.shape[1] * y.shape[2]) if mean else 0
  per_image = a.shape[0] > 1 or c.shape[0] > 1
  if relu and z is None:
    # Masked by y, in each of two passes over (dz, y). XLA would write the mask to
    # memory if it saw the same one twice, or in the forward pass: hence the barriers,
    # and two spellings of y a + c > 0.
    dz, again = lax.optimization_barrier((dz, y))
    wide, t = dz.astype(a.dtype) + d_mean, again.astype(a.dtype)
    one = jnp.where(t * a + c > 0, wide, 0)
    other = jnp.where(t * a > -c, wide, 0)
    dc, da = sums((one, other * t), per_image=per_image)
    dc, da, dz = lax.optimization_barrier((dc, da, dz))
    wide = dz.astype(a.dtype) + d_mean
    wide = jnp.where(y.astype(a.dtype) * a > -c, wide, 0)
  else:
    dz = dz.astype(a.dtype) + d_mean if mean else dz
    wide = dz.astype(a.dtype)
    dz = jnp.where(z > 0, dz, 0) if relu else dz
    if per_image and platform() != "cpu":
      # One pass reads dz, z, y and writes both dz and dz a, if it need not see that
      # they have the mask in common.
      wide = jnp.where(z != 0, wide, 0) if relu else wide
    else:
      # Written once, then read by the sums, by dy and by the residual's branch;
      # without the barrier every reader masks again.
      dz = lax.optimization_barrier(dz)
      wide = dz.astype(a.dtype)
    dc, da = sums((wide, wide * y.astype(a.dtype)), per_image=per_image)
  if per_image:
    da = da if a.shape[0] > 1 else da.sum(0)
    dc = dc if c.shape[0] > 1 else dc.sum(0)
  residual = None if like is None else dz.astype(like.dtype)
  return wide * a, da.reshape(a.shape), dc.reshape(c.shape), residual


_scale_shift.defvjp(_forward, _backward)


def shift(
  y: jax.Array,
  c: jax.Array,
  residual: jax.Array | None = None,
  *,
  relu: bool,
  dtype: DTypeLike,
) -> jax.Array:
  """relu(y + c + residual) in `dtype`; y and residual [B, H, W, C], c float32 [C].

  In the dtype of y, so that it is the last act of y's convolution, not a pass of its
  own. The backward pass keeps the result alone.
  """
  return _shift(y, c, residual, relu, jnp.dtype(dtype))


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _shift(y, c, residual, relu, dtype):
  z = y + c.astype(y.dtype)
  if residual is None:
    z = jnp.maximum(z, 0) if relu else z
  else:
    residual = residual.astype(z.dtype)
    z = relu_of_sum(z, residual) if relu else z + residual
  # XLA reads `z > 0` as a question about the sum, would keep that as well, and apply
  # the ReLU wherever z is read.
  return lax.optimization_barrier(z.astype(dtype)) if relu else z.astype(dtype)


def _shift_forward(y, c, residual, relu, dtype):
  z = _shift(y, c, residual, relu, dtype)
  return z, (z if relu else None, c, empty(y), empty(residual))


def _shift_backward(relu, dtype, saved, dz):
  z, c, of_y, like = saved
  dz = jnp.where(z > 0, dz, 0) if relu else dz
  if platform() == "cpu":
    dz = lax.optimization_barrier(dz)
  (dc,) = sums((dz.astype(c.dtype),))
  return dz.astype(of_y.dtype), dc, None if like is None else dz.astype(like.dtype)


_shift.defvjp(_shift_forward, _shift_backward)


def relu_of_sum(t: jax.Array, residual: jax.Array) -> jax.Array:
  """relu(t + residual), as what follows it in XLA likes it best."""
  if platform() != "cpu":
    return jnp.maximum(t + residual, 0)
  # max(t, -r) + r is relu(t + r), to the bit. XLA:CPU fuses anew whatever ends in an
  # operation of one large array, so a ReLU at the end makes it compute each residual
  # block's output again, from the stage's first block on, wherever it is read.
  return jnp.maximum(t, -residual) + residual


def empty(array: jax.Array | None) -> jax.Array | None:
  """Tells the backward pass the dtype of an array that it need not keep."""
  return None if array is None else jnp.zeros((0,), array.dtype)


def sums(arrays: tuple[jax.Array, ...], *, per_image: bool = False) -> list[jax.Array]:
  """[B, H, W, C] each -> [C] each, or summed over H and W alone, [B, 1, 1, C]."""
  if platform() != "cpu":
    if not per_image:
      return [t.sum((0, 1, 2)) for t in arrays]
    # Without the barrier XLA folds a later sum over B into one of these, which are then
    # two reductions of unlike shapes: two passes.
    sums = [t.sum((1, 2), keepdims=True) for t in arrays]
    return lax.optimization_barrier(sums)
  # XLA:CPU is up to ten times slower at a sum of a product over several axes than at
  # the same sum over one axis, materialised, and then over the rest.
  rows = lax.optimization_barrier([t.sum(1, keepdims=True) for t in arrays])
  sums = [t.sum(2, keepdims=True) for t in rows]
  return sums if per_image else [t.sum((0, 1, 2)) for t in sums]
