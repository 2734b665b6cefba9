"""VGG16: end points, head, dropout."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.heads import cells

SMALL = {"widths": (4, 4, 8, 8, 8)}


@functools.cache
def small(head="fc(hidden=16)", **kwargs):
  model = models.create("vgg16", num_classes=3, head=head, **SMALL, **kwargs)
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


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    ({"head": "linaer"}, "did you mean 'linear'"),
    ({"head": "fc(dropout=1.0)"}, "0 <= dropout < 1"),
    ({"head": "fc(num_classes=3)"}, "is not set here"),
    ({"head": "fc|linear"}, "give one head"),
    ({"attention": "sk+se"}, "no bottleneck"),
    ({"attention": "none|none|se|se"}, "has 4 stages"),
    ({"freeze": "stage2"}, "stage1|stage2"),
    ({"norm": "frozen"}, "no argument 'norm'"),
  ],
)
def test_bad_arguments_get_one_sentence(arguments, says):
  with pytest.raises(InputError, match=says):
    models.create("vgg16", num_classes=3, **arguments)
