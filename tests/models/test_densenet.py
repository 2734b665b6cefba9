"""DenseNet: end points, gates per dense block, statistics, freezing, errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError

QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time
SMALL = {"stage_sizes": (1, 2, 1, 1), "growth": 4, "width": 8}


@functools.cache
def small(attention="none|none|se(ratio=4)|cbam(ratio=4)", **kwargs):
  model = models.create(
    "densenet121", num_classes=3, attention=attention, **SMALL | kwargs
  )
  x = jnp.asarray(np.random.default_rng(1).normal(size=(4, 75, 64, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda leaf: jnp.asarray(
      rng.uniform(0.5, 1.5, leaf.shape)
      if leaf.ndim == 1
      else rng.normal(size=leaf.shape) / leaf.shape[-1] ** 0.5,
      leaf.dtype,
    ),
    shapes,
  )
  return model, variables, x


@functools.partial(jax.jit, static_argnums=(0, 3), compiler_options=QUICK)
def run(model, variables, x, train):
  """-> ((logits, end points), statistics and gates)."""
  return model.apply(variables, x, train=train, mutable=["batch_stats", "gates"])


def test_end_points():
  model, variables, x = small()
  logits, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert logits.shape == (4, 3) and logits.dtype == jnp.float32
  assert {name: end.shape for name, end in ends.items()} == {
    "stage2": (4, 19, 16, 12),
    "stage3": (4, 9, 8, 14),
    "stage4": (4, 4, 4, 11),
    "stage5": (4, 2, 2, 9),
    "map": (4, 2, 2, 9),
    "features": (4, 9),
  }


def test_layers_are_named_in_the_source():
  params = small()[1]["params"]
  layers = {"stage2_layer1", "stage3_layer1", "stage3_layer2", "stage4_layer1"}
  transitions = {f"stage{i}_transition" for i in (2, 3, 4)}
  gates = {"stage4_attention", "stage5_attention"}
  own = {"stem", "stage5_layer1", "norm", "head"}
  assert set(params) == own | layers | transitions | gates
  assert set(params["stage3_layer2"]) == {"norm0", "conv1", "norm1", "conv2"}
  assert params["stage3_layer2"]["norm0"]["scale"].shape == (10,)


def test_gates_are_recorded_behind_their_blocks():
  model, variables, x = small()
  _, found = run(model, variables, x, False)
  assert set(found["gates"]) == {"stage4_attention", "stage5_attention"}
  assert found["gates"]["stage4_attention"]["se_gate"].shape == (4, 1, 1, 11)


def test_statistics_are_those_of_what_the_norm_sees():
  """Moments of each map are taken once and handed on; with gates, anew."""
  model, variables, x = small()
  (_, ends), found = run(model, variables, x, True)
  for norm, end in (
    (("stage3_transition", "norm0"), "stage3"),
    (("stage4_transition", "norm0"), "stage4"),
    (("norm",), "stage5"),
  ):
    old, new = variables["batch_stats"], found["batch_stats"]
    for key in norm:
      old, new = old[key], new[key]
    for name, of_batch in (
      ("mean", ends[end].mean((0, 1, 2))),
      ("var", ends[end].var((0, 1, 2))),
    ):
      want = 0.9 * old[name] + 0.1 * of_batch
      np.testing.assert_allclose(new[name], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
  ("kwargs", "still"),
  [
    ({"norm": "frozen"}, {"stem", "stage2", "stage3", "stage4", "stage5", "norm"}),
    ({"freeze": "stem|stage2|stage3"}, {"stem", "stage2", "stage3"}),
  ],
)
def test_frozen_norms_and_parts(kwargs, still):
  model, variables, x = small()
  _, found = run(model.clone(**kwargs), variables, x, True)
  for name, norms in found["batch_stats"].items():
    old = jax.tree.leaves(variables["batch_stats"][name])
    same = [(a == b).all() for a, b in zip(jax.tree.leaves(norms), old, strict=True)]
    assert all(same) if name.split("_")[0] in still else not any(same), name


@pytest.mark.full
def test_every_trained_parameter_gets_a_gradient():
  model, variables, x = small()
  model = model.clone(freeze="stem|stage2")

  @functools.partial(jax.jit, compiler_options=QUICK)
  @jax.grad
  def gradient(params):
    (logits, _), _ = model.apply(
      {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
    )
    return jax.nn.log_softmax(logits)[:, 0].mean()

  found = gradient(variables["params"])
  for path, leaf in jax.tree_util.tree_leaves_with_path(found):
    trained = path[0].key.split("_")[0] not in ("stem", "stage2")
    assert (float(jnp.abs(leaf).max()) > 0) == trained, path


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    ({"attention": "sk"}, "no bottleneck"),
    ({"attention": "se|se"}, "has 2 stages"),
    ({"freeze": "stage2"}, "'stem.stage2'"),
    ({"norm": "none"}, "norm='none'"),
    ({"head": "fc|linear"}, "give one of"),
  ],
)
def test_bad_arguments_get_one_sentence(arguments, says):
  with pytest.raises(InputError, match=says):
    models.create("densenet121", num_classes=3, **arguments)
