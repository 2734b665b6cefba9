"""The fused layer equals convolution, norm, gate, residual and ReLU one by one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import GATES
from histojax.attention.series import Series
from histojax.models.layers import EPS, MOMENTUM, ConvNorm
from histojax.ops.convolution import conv_plain


class WholeMap(nn.Module):
  """A gate for which the spatial mean is not enough."""

  @nn.compact
  def __call__(self, x, *, train):
    weight = self.param("weight", nn.initializers.ones, (x.shape[-1],))
    return nn.sigmoid((x * weight).mean(-1, keepdims=True))  # [B, H, W, 1]


class Layer(nn.Module):
  """One ConvNorm inside a module, with or without its companions."""

  gate: str
  residual: bool
  act: object = nn.relu

  @nn.compact
  def __call__(self, x, *, train):
    gate = Series(((self.gate, {}),), train, name="attention") if self.gate else None
    residual = x[..., :1] if self.residual else None
    if residual is not None:
      residual = jnp.broadcast_to(residual, (*x.shape[:3], 32))
    layer = ConvNorm(32, 3, 1, name="1", dtype=x.dtype)
    return layer(x, train=train, residual=residual, gate=gate, act=self.act)


def plain(variables, x, layer, train):
  """(output, running statistics) from the definitions."""
  params, stats = variables["params"], variables["batch_stats"]["norm1"]
  y = conv_plain(x, params["conv1"]["kernel"])
  mean, var = (y.mean((0, 1, 2)), y.var((0, 1, 2))) if train else stats.values()
  y = (y - mean) / jnp.sqrt(var + EPS) * params["norm1"]["scale"]
  y = y + params["norm1"]["bias"]
  if layer.gate:
    weights = params["attention"].get(layer.gate, {})
    y = y * GATES[layer.gate]().apply({"params": weights}, y, train=train)
  if layer.residual:
    y = y + x[..., :1]
  running = {"mean": mean, "var": var}
  running = {k: MOMENTUM * stats[k] + (1 - MOMENTUM) * running[k] for k in stats}
  return nn.relu(y), running if train else stats


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(
  ("gate", "residual"), [("", False), ("se", True), ("whole", True), ("whole", False)]
)
def test_equals_the_plain_layer(gate, residual, train, monkeypatch):
  monkeypatch.setitem(GATES, "whole", WholeMap)
  rng = np.random.default_rng(0)
  layer = Layer(gate, residual)
  with jax.enable_x64(True):
    x = jnp.asarray(rng.normal(size=(2, 5, 4, 3)))
    shapes = jax.eval_shape(lambda: layer.init(jax.random.key(0), x, train=False))
    variables = jax.tree.map(
      lambda leaf: jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape)), shapes
    )
    d = jnp.asarray(rng.normal(size=(2, 5, 4, 32)))

    def fused(params, x):
      variables_ = {**variables, "params": params}
      y, updates = layer.apply(variables_, x, train=train, mutable=["batch_stats"])
      return (y * d).sum(), (y, updates["batch_stats"]["norm1"])

    def definition(params, x):
      y, running = plain({**variables, "params": params}, x, layer, train)
      return (y * d).sum(), (y, running)

    got, want = (
      jax.jit(jax.value_and_grad(f, (0, 1), has_aux=True))(variables["params"], x)
      for f in (fused, definition)
    )
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_another_activation_or_none():
  x = jax.random.normal(jax.random.key(0), (2, 3, 3, 3))
  outputs = {}
  for act in (None, nn.relu, nn.silu):
    layer = Layer("", False, act)
    variables = layer.init(jax.random.key(1), x, train=False)
    outputs[act] = layer.apply(variables, x, train=False)
  for act in (nn.relu, nn.silu):
    np.testing.assert_allclose(outputs[act], act(outputs[None]), atol=1e-6)


def test_starts_as_he_and_at_identity():
  variables = Layer("", False).init(
    jax.random.key(0), jnp.ones((1, 2, 2, 64)), train=False
  )
  params, stats = variables["params"], variables["batch_stats"]["norm1"]
  kernel = params["conv1"]["kernel"]  # [3, 3, 64, 32]: fan out 9 * 32
  np.testing.assert_allclose(kernel.std(), (2 / (9 * 32)) ** 0.5, rtol=0.02)
  np.testing.assert_allclose(kernel.mean(), 0, atol=0.002)
  assert (params["norm1"]["scale"] == 1).all() and (params["norm1"]["bias"] == 0).all()
  assert (stats["mean"] == 0).all() and (stats["var"] == 1).all()
