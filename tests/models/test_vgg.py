"""VGG: end points, head, norms, dropout; VGG16Inception."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.heads import cells

KEY = jax.random.key(0)
QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time
SMALL = {"widths": (4, 4, 8, 8, 8)}


@functools.cache
def small(head="fc(hidden=16)", name="vgg16", **kwargs):
  model = models.create(name, num_classes=3, head=head, **SMALL, **kwargs)
  rng = np.random.default_rng(0)
  x = jnp.asarray(rng.normal(size=(2, 40, 33, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))

  def drawn(leaf):  # biases are positive, so that no layer's ReLUs are all dead
    fan_in = np.prod(leaf.shape[:-1], dtype=int)
    noise = rng.normal(size=leaf.shape) / fan_in**0.5
    return jnp.asarray(noise if leaf.ndim > 1 else 0.3 + 0.1 * noise, jnp.float32)

  return model, jax.tree.map(drawn, shapes), x


@pytest.mark.parametrize("head", ["fc(hidden=16)", "linear"])
def test_end_points(head):
  model, variables, x = small(head=head)
  logits, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert logits.shape == (2, 3) and logits.dtype == jnp.float32
  hidden = {"hidden": (2, 16)} if head.startswith("fc") else {}
  assert {name: end.shape for name, end in ends.items()} == hidden | {
    "stage1": (2, 40, 33, 4),
    "stage2": (2, 20, 16, 4),
    "stage3": (2, 10, 8, 8),
    "stage4": (2, 5, 4, 8),
    "stage5": (2, 2, 2, 8),
    "map": (2, 1, 1, 8),
    "features": (2, 8),
  }


def test_layers_are_named_in_the_source():
  _, variables, _ = small()
  stages = {f"stage{i}" for i in range(1, 6)}
  assert set(variables["params"]) == stages | {"head"}
  assert set(variables["params"]["head"]) == {"fc1", "fc2", "out"}
  assert set(variables["params"]["stage3"]) == {"conv1", "conv2", "conv3"}


def test_the_map_is_covered_by_seven_cells():
  x = jnp.arange(2 * 10 * 3.0).reshape(2, 10, 3, 1)
  got = cells(x)
  assert got.shape == (2, 7, 7, 1)
  # PyTorch: rows floor(10 i / 7) to ceil(10 (i + 1) / 7)
  bounds = [(0, 2), (1, 3), (2, 5), (4, 6), (5, 8), (7, 9), (8, 10)]
  for i, (low, high) in enumerate(bounds):
    np.testing.assert_allclose(got[:, i, 0], x[:, low:high, 0].mean(1), rtol=1e-6)
  same = jnp.ones((1, 7, 7, 2))
  assert cells(same) is same


def test_dropout_draws_in_training_only_and_by_its_key():
  model, variables, x = small()

  @functools.partial(jax.jit, static_argnames="train")
  def logits(key, train):
    return model.apply(variables, x, train=train, rngs={"dropout": key})[0]

  one, two = jax.random.key(1), jax.random.key(2)
  np.testing.assert_array_equal(logits(one, True), logits(one, True))
  assert (logits(one, True) != logits(two, True)).any()
  np.testing.assert_array_equal(logits(one, False), logits(two, False))


def test_dropout_drops_its_share_and_scales_the_rest():
  model, variables, x = small(head="fc(hidden=16, dropout=0.25)")

  @functools.partial(jax.jit, static_argnames="train")
  def features(key, train):
    _, ends = model.apply(variables, x, train=train, rngs={"dropout": key})
    return ends["hidden"]

  fc2 = {"kernel": jnp.zeros((16, 16)), "bias": jnp.full(16, 0.3)}
  params = variables["params"]
  variables = {"params": params | {"head": params["head"] | {"fc2": fc2}}}
  keys = jax.random.split(jax.random.key(0), 60)
  drawn = jnp.stack([features(key, True) for key in keys])
  np.testing.assert_allclose((drawn == 0).mean(), 0.25, atol=0.04)
  np.testing.assert_allclose(drawn[drawn > 0], 0.3 / 0.75, rtol=1e-6)
  np.testing.assert_allclose(features(keys[0], False), 0.3, rtol=1e-6)


@pytest.mark.full
def test_every_parameter_gets_a_gradient_and_nothing_scatters():
  model, variables, x = small(
    attention="none|none|none|se(ratio=1)|cbam(ratio=1)",
    head="fc(hidden=16, dropout=0.0)",
  )
  variables["batch_stats"] = jax.tree.map(jnp.ones_like, variables["batch_stats"])

  @jax.jit
  @jax.grad
  def gradient(params):
    logits, _ = model.apply(
      {**variables, "params": params}, x, train=True,
      mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)},
    )[0]  # fmt: skip
    return jax.nn.log_softmax(logits)[:, 0].mean()

  lowered = gradient.lower(variables["params"]).as_text()
  assert "select_and_scatter" not in lowered
  for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
    assert float(jnp.abs(leaf).max()) > 0, path


@functools.partial(jax.jit, static_argnums=(0, 3), compiler_options=QUICK)
def run(model, variables, x, train):
  """-> ((logits, end points), the statistics after it)."""
  return model.apply(
    variables, x, train=train, mutable=["batch_stats"], rngs={"dropout": KEY}
  )


def test_norms_follow_every_convolution():
  _, plain, _ = small(head="linear")
  _, variables, _ = small(head="linear", name="vgg16_bn")
  stage = variables["params"]["stage3"]
  assert set(stage) == {f"{kind}{i}" for kind in ("conv", "norm") for i in (1, 2, 3)}
  assert set(stage["conv1"]) == {"kernel", "bias"}
  count = [models.parameter_count(v["params"]) for v in (plain, variables)]
  assert count[1] - count[0] == 2 * (4 * 4 + 9 * 8)


def test_a_norm_takes_the_bias_out_of_the_features_and_into_its_mean():
  model, variables, x = small(head="linear", name="vgg16_bn")
  conv = variables["params"]["stage2"]["conv2"]
  moved = conv | {"bias": conv["bias"] + 2}
  stage = variables["params"]["stage2"] | {"conv2": moved}
  other = {**variables, "params": variables["params"] | {"stage2": stage}}
  (one, _), before = run(model, variables, x, True)
  (two, _), after = run(model, other, x, True)
  np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
  means = [v["batch_stats"]["stage2"]["norm2"]["mean"] for v in (before, after)]
  np.testing.assert_allclose(means[1] - means[0], 0.1 * 2, rtol=1e-4)
  (one, _), _ = run(model, variables, x, False)
  (two, _), _ = run(model, other, x, False)
  assert float(jnp.abs(one - two).max()) > 1e-4


def test_frozen_norms_and_stages_keep_their_statistics():
  model, variables, x = small(head="linear", name="vgg16_bn")
  variables["batch_stats"] = jax.tree.map(jnp.ones_like, variables["batch_stats"])
  for kwargs, moving in (
    ({}, {f"stage{i}" for i in range(1, 6)}),
    ({"norm": "frozen"}, set()),
    ({"freeze": "stage1|stage2"}, {"stage3", "stage4", "stage5"}),
  ):
    _, after = run(model.clone(**kwargs), variables, x, True)
    found = {
      stage
      for stage, norms in after["batch_stats"].items()
      if any((leaf != 1).any() for leaf in jax.tree.leaves(norms))
    }
    assert found == moving, kwargs


BRANCHES = {"branches": (5, 2, 3, 2, 4, 6)}


def test_inception_end_points_and_parts():
  model, variables, x = small(
    head="linear(dropout=0.5)", name="vgg16_inception", **BRANCHES
  )
  assert model.parts[-2:] == ("inception", "head")
  _, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert ends["stage5"].shape == (2, 2, 2, 8)
  assert ends["map"].shape == (2, 1, 1, 5 + 3 + 4 + 6) and ends["features"].ndim == 2
  names = ("1", "2_reduce", "2", "3_reduce", "3", "4")
  layers = {f"{kind}{name}" for kind in ("conv", "norm") for name in names}
  assert set(variables["params"]["inception"]) == layers
  sides = [
    variables["params"]["inception"][f"conv{i}"]["kernel"].shape[0] for i in "23"
  ]
  assert sides == [3, 5]


def test_inception_drops_before_its_dense_layer():
  head = "linear(dropout=0.5)"
  model, variables, x = small(head=head, name="vgg16_inception", **BRANCHES)
  model = model.clone(norm="frozen")  # so that nothing else tells training apart
  (still, _), before = run(model, variables, x, False)
  (dropped, _), after = run(model, variables, x, True)
  assert float(jnp.abs(dropped - still).max()) > 1e-3
  for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(before), strict=True):
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    ({"head": "linaer"}, "did you mean 'linear'"),
    ({"head": "fc(dropout=1.0)"}, "0 <= dropout < 1"),
    ({"head": "fc(num_classes=3)"}, "is not set here"),
    ({"head": "fc|linear"}, "give one of"),
    ({"attention": "sk+se"}, "no bottleneck"),
    ({"attention": "none|none|se|se"}, "has 4 stages"),
    ({"freeze": "stage2"}, "stage1|stage2"),
    ({"norm": "frozn"}, "did you mean 'frozen'"),
    ({"head": "linear(dropout=1.5)"}, "0 <= dropout < 1"),
  ],
)
def test_bad_arguments_get_one_sentence(arguments, says):
  with pytest.raises(InputError, match=says):
    models.create("vgg16", num_classes=3, **arguments)
