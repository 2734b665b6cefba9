"""Heads against their formulas, on end points of our own making."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.heads import HEADS


def apply(name, ends, **kwargs):
  """(logits, end points, parameters away from zero) of a head."""
  head = HEADS[name](num_classes=3, **kwargs)
  shapes = jax.eval_shape(lambda: head.init(jax.random.key(0), ends, train=False))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(lambda t: jnp.asarray(rng.normal(size=t.shape), "f"), shapes)
  logits, more = head.apply(variables, ends, train=False)
  return logits, more, variables["params"]


def features(rows=4, width=6):
  return jnp.asarray(np.random.default_rng(1).normal(size=(rows, width)), jnp.float32)


def dense(x, layer):
  return x @ layer["kernel"] + layer["bias"]


def test_dual_is_leaky_then_rectified():
  x = features()
  logits, ends, p = apply("dual", {"features": x}, hidden=(7, 5), slope=0.2)
  z = dense(x, p["fc1"])
  z = dense(jnp.where(z > 0, z, 0.2 * z), p["fc2"])
  np.testing.assert_allclose(ends["hidden"], jnp.maximum(z, 0), rtol=1e-5)
  want = dense(jnp.maximum(z, 0), p["out"])
  np.testing.assert_allclose(logits, want, rtol=1e-4, atol=1e-5)


def test_dual_of_one_layer_is_leaky():
  x = features()
  logits, ends, p = apply("dual", {"features": x}, hidden=(7,))
  z = dense(x, p["fc1"])
  assert set(p) == {"fc1", "out"} and float(ends["hidden"].min()) < 0
  want = dense(jnp.where(z > 0, z, 0.01 * z), p["out"])
  np.testing.assert_allclose(logits, want, rtol=1e-4, atol=1e-5)


def test_fused_reads_the_means_side_by_side():
  rng = np.random.default_rng(2)
  maps = {
    f"stage{n}": jnp.asarray(rng.normal(size=(2, 6 - n, 3, n))) for n in (2, 3, 5)
  }
  ends = {name: m.astype(jnp.bfloat16) for name, m in maps.items()}
  logits, more, p = apply("fused", ends, stages=(3, 5))
  assert p["out"]["kernel"].shape == (8, 3) and logits.dtype == jnp.float32
  means = [ends[f"stage{n}"].astype("f").mean((1, 2)) for n in (3, 5)]
  np.testing.assert_allclose(more["hidden"], jnp.concatenate(means, 1), rtol=1e-5)
  want = dense(jnp.concatenate(means, 1), p["out"])
  np.testing.assert_allclose(logits, want, rtol=1e-4, atol=1e-5)


def test_fused_of_three_stages_has_the_published_size():
  head = HEADS["fused"](num_classes=5)
  ends = {f"stage{n}": jnp.ones((1, 1, 1, 64 * 2**n)) for n in (3, 4, 5)}
  params = head.init(jax.random.key(0), ends, train=False)["params"]
  assert models.parameter_count(params) == 17_925


def test_multitask_has_three_outputs():
  x = features(rows=5).at[4].set(0)  # nothing to divide by, but for the bias
  logits, ends, p = apply("multitask", {"features": x}, embedding=8, bits=4)
  np.testing.assert_allclose(logits, dense(x, p["out"]), rtol=1e-4, atol=1e-5)
  z = dense(x, p["embedding"])
  z = z / jnp.linalg.norm(z, axis=1, keepdims=True)
  np.testing.assert_allclose(ends["embedding"], z, rtol=1e-5, atol=1e-6)
  np.testing.assert_allclose(ends["hash"], jnp.tanh(dense(z, p["hash"])), atol=1e-5)


def test_an_embedding_of_nothing_has_a_finite_gradient():
  head, x = HEADS["multitask"](num_classes=3, embedding=8, bits=4), jnp.zeros((2, 6))
  variables = head.init(jax.random.key(0), {"features": x}, train=False)

  def loss(x):
    _, ends = head.apply(variables, {"features": x}, train=False)
    return ends["embedding"].sum() + ends["hash"].sum()

  assert bool(jnp.isfinite(jax.grad(loss)(x)).all())


@pytest.mark.parametrize(
  ("name", "head", "says"),
  [
    ("resnet_tiny", "fused(stages=(1, 5))", r"no map of stage \[1\]; it has stage2, s"),
    ("resnet_tiny", "fused(stages=(3, 6))", r"no map of stage \[6\]"),
    ("vgg16", "fused(stages=(0,))", r"it has stage1, stage2"),
    ("resnet_tiny", "fused(stages=('3',))", "no map of stage"),
    ("resnet_tiny", "fused(stages=())", "no map of stage none"),
    ("resnet_tiny", "dual(hidden=(3, 2, 1))", "one or two such numbers"),
    ("resnet_tiny", "dual(hidden=(0,))", "at least 1"),
    ("resnet_tiny", "dual(hidden=7)", "takes a value like"),
    ("resnet_tiny", "multitask(bits=0)", "bits must be at least 1"),
    ("resnet_tiny", "mlp(hidden=0)", "hidden must be at least 1"),
  ],
)
def test_bad_arguments_get_one_sentence(name, head, says):
  with pytest.raises(InputError, match=says):
    models.create(name, num_classes=3, head=head)
