"""Grad-CAM (Selvaraju et al., ICCV 2017, arXiv 1610.02391, equations 1 and 2)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from histojax.explain.layers import Layer


def grad_cam(features: jax.Array, gradient: jax.Array) -> jax.Array:
  """relu(sum_k a_k A_k), a_k = mean_hw(dy / dA_k).

  A and dy / dA [B, h, w, C] -> [B, h, w] float32, whatever they are in.
  """
  features, gradient = (
    t.astype(jnp.promote_types(t, jnp.float32)) for t in (features, gradient)
  )
  weights = gradient.mean((1, 2))  # [B, C]
  return nn.relu(jnp.einsum("bhwc,bc->bhw", features, weights, precision="highest"))


def apply(model, layer: Layer, variables, images, classes, recorded=()):
  """Runs `model` as in inference, and back from the logits of `classes` int [B, n].

  The classes' logits are y, before the softmax. Each image's depends on its own map
  alone, as norms use their running statistics, so one pass serves the batch.

  Args:
    model: without frozen parts, which would stop the gradient.
    recorded: names of collections that its blocks record maps in.

  Returns:
    logits [B, K], Grad-CAM [B, n, h, w] float32, and what was recorded.
  """
  wide = jnp.promote_types(images.dtype, jnp.float32)

  def forward(delta):
    seen = []

    def add(call, args, kwargs, context):
      y = call(*args, **kwargs)
      if context.method_name == "__call__" and context.module.path == layer.path:
        seen.append(y)
        y = (y + delta).astype(y.dtype)
      return y

    with nn.intercept_methods(add):
      (logits, _), kept = model.apply(
        variables, images, train=False, mutable=list(recorded)
      )
    (features,) = seen
    return logits, (features, kept)

  delta = jnp.zeros((len(images), *layer.shape), wide)
  logits, back, (features, kept) = jax.vjp(forward, delta, has_aux=True)
  maps = []
  for column in classes.T:
    (gradient,) = back(jax.nn.one_hot(column, logits.shape[1], dtype=logits.dtype))
    maps.append(grad_cam(as_map(features, layer), as_map(gradient, layer)))
  return logits, jnp.stack(maps, axis=1), kept


def as_map(x: jax.Array, layer: Layer) -> jax.Array:
  """[B, h, w, C] of a layer's output; a transformer's [CLS] is left out."""
  if not layer.tokens:
    return x
  return x[:, 1:].reshape(len(x), layer.height, layer.width, -1)
