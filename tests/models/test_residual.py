"""Residual networks: the papers' systems by count, ends of stages, own attention."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.pretrained import from_torch, torch_names, torch_shapes

SERIES = "se+sam|se+sam|se+sam|none"
DNL, FUSED = {"stage_end": "none|none|none|dnl"}, {"head": "fused(stages=(3, 4, 5))"}
LIGHT, DUAL = {"stage_end": "none|none|none|lam"}, {"head": "dual(hidden=(512, 256))"}
PLAIN = 24_688_962  # ResNet50 with that head and no attention, 2 classes
# (model, attention, classes, further arguments, parameters)
SYSTEMS = (
  ("resnet50", "none", 5, DNL, 31_910_982),
  ("resnet50", SERIES, 5, FUSED, 24_477_583),
  ("resnet50", SERIES, 5, DNL, 32_862_608),
  ("resnet50", SERIES, 5, DNL | FUSED, 32_870_288),
  ("resnet50", "none", 2, DUAL, PLAIN),
  ("resnet50", "none", 2, LIGHT | DUAL, 25_215_426),
  ("resnet50", "none|none|none|se", 2, DUAL, PLAIN + 1_579_392),
  (
    "resnet50",
    "none",
    2,
    {"stage_end": "none|none|none|lam(gate=eca)"} | DUAL,
    PLAIN + 7,
  ),
  ("resnet50", "none", 2, LIGHT | {"head": "dual(hidden=(512,))"}, 25_084_610),
  ("resnet18", "none", 9, {"head": "multitask(embedding=64, bits=48)"}, 11_217_081),
)

# The same networks with other numbers of classes; slow to trace.
MORE = (
  ("skresnet50", "none", 2, {}, 23_758_258),
  ("skresnet50", "none", 5, {}, 23_764_405),
  ("skresnet50", "none", 9, {}, 23_772_601),
  ("senet154", "none", 2, {}, 113_044_082),
  ("senet154", "none", 5, {}, 113_050_229),
  ("senet154", "none", 9, {}, 113_058_425),
)
SLOW = tuple(pytest.param(*row, marks=pytest.mark.full) for row in MORE)


def shapes_of(model, side=32):
  images = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
  init = functools.partial(model.init, train=False)
  return jax.eval_shape(init, jax.random.key(0), images)


def tiny(**kwargs):
  return models.create("resnet_tiny", num_classes=3, **kwargs)


@pytest.mark.parametrize(
  ("name", "attention", "classes", "more", "count"), SYSTEMS + SLOW
)
def test_parameter_count(name, attention, classes, more, count):
  model = models.create(name, num_classes=classes, attention=attention, **more)
  assert models.parameter_count(shapes_of(model)["params"]) == count


@functools.cache
def everything():
  """A network with a block of each kind, weights away from special values."""
  model = tiny(
    block="basic",
    attention="se(ratio=4)+sam|sam(gate=none)|none|eca",
    stage_end="none|lam|none|lam(gate=eca)+dnl(gamma=True, out=True)",
    head="fused(stages=(2, 5))",
  )
  rng = np.random.default_rng(0)

  def drawn(leaf):
    fan_in = np.prod(leaf.shape[:-1], dtype=int)
    scaled = rng.normal(size=leaf.shape) / fan_in**0.5
    return scaled if leaf.ndim > 1 else rng.uniform(0.5, 1.5, leaf.shape)

  variables = jax.tree.map(lambda t: drawn(t).astype("f"), shapes_of(model))
  return model, variables, jnp.asarray(rng.normal(size=(2, 48, 40, 3)), jnp.float32)


def test_layers_are_named_in_the_source():
  params = everything()[1]["params"]
  assert set(params["stage5_end"]) == {"lam", "dnl"}
  assert set(params["stage5_end"]["lam"]) == {"eca"}
  assert set(params["stage2_block1"]["attention"]) == {"se", "sam"}
  assert "stage2_end" not in params
  deep = shapes_of(tiny(deep_stem=True))["params"]["stem"]
  assert set(deep) == {f"{k}_deep{n}" for k in ("conv", "norm") for n in (1, 2, 3)}
  assert deep["conv_deep3"]["kernel"].shape == (3, 3, 8, 16)
  basic = shapes_of(tiny(block="basic"))["params"]
  assert set(basic["stage2_block1"]) == {"conv1", "norm1", "conv2", "norm2"}
  assert "conv_shortcut" in basic["stage3_block1"]


def test_maps_are_recorded_without_changing_the_output():
  model, variables, x = everything()

  @jax.jit
  def both(variables, x):
    plain, _ = model.apply(variables, x, train=False)
    (recorded, _), gates = model.apply(variables, x, train=False, mutable=["gates"])
    return plain, recorded, gates["gates"]

  plain, recorded, gates = both(variables, x)
  np.testing.assert_array_equal(plain, recorded)
  assert gates["stage2_block1"]["attention"]["sam_gate"].shape == (2, 12, 10, 1)
  assert gates["stage3_end"]["lam"]["lam_gate"].shape == (2, 1, 1, 16)
  assert gates["stage5_end"]["dnl"]["dnl_pairwise"].shape == (2, 4, 4)


@pytest.mark.full
def test_every_parameter_gets_a_gradient():
  model, variables, x = everything()

  @jax.jit
  @jax.grad
  def gradient(params):
    variables_ = {**variables, "params": params}
    (logits, _), _ = model.apply(variables_, x, train=True, mutable=["batch_stats"])
    return jax.nn.log_softmax(logits)[:, 0].mean()

  for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
    name = jax.tree_util.keystr(path, simple=True, separator="/")
    if "dnl" in name and name.endswith(("query/bias", "key/bias", "mask/bias")):
      continue  # the means and the softmax take them off
    assert float(jnp.abs(leaf).max()) > 0, name


def test_a_stage_ends_with_its_transforms_and_they_freeze_with_it():
  model = tiny(
    block="basic", stage_end="none|lam|none|none", freeze="stem|stage2|stage3"
  )
  variables = shapes_of(model)
  filled = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 0.1), variables)

  def loss(params):
    variables_ = {**filled, "params": params}
    x = jnp.linspace(0, 1, 32 * 32 * 3).reshape(1, 32, 32, 3)
    return model.apply(variables_, x, train=False)[0].sum()

  gradient = jax.jit(jax.grad(loss))(filled["params"])
  assert not any(g.any() for g in jax.tree.leaves(gradient["stage3_end"]))
  assert any(g.any() for g in jax.tree.leaves(gradient["stage4_block1"]))


def test_an_attention_that_belongs_to_the_name():
  def spec(**kwargs):
    return models.create("senet154", num_classes=2, **kwargs).attention

  assert spec() == spec(attention="none") == spec(attention="se(ratio=16)")
  assert spec(attention="none|none|none|cbam") == "none|none|none|cbam"
  model = models.create("skresnet50", num_classes=2)
  assert "mixer" in shapes_of(model)["params"]["stage2_block1"]


def test_weights_make_the_round_trip_under_pytorchs_names():
  _, variables, _ = everything()
  model = tiny()  # of the same family
  names, shapes = torch_names(model, variables), torch_shapes(model, variables)
  assert len(set(names.values())) == len(names) == len(jax.tree.leaves(variables))
  state = {k: np.random.default_rng(1).normal(size=s) for k, s in shapes.items()}
  ours = from_torch(model, state, variables)
  query = ours["params"]["stage5_end"]["dnl"]["query"]["kernel"]
  theirs = np.float32(state["layer4_end.dnl.conv_query.weight"])
  np.testing.assert_array_equal(query, theirs[:, :, 0, 0].T)
  taps = ours["params"]["stage5_block1"]["attention"]["eca"]["conv"]["kernel"]
  np.testing.assert_array_equal(taps, np.float32(state["layer4.0.se.conv.weight"])[0].T)
  deep = torch_shapes(model, shapes_of(tiny(deep_stem=True)))
  assert [deep[f"conv1.{i}.weight"][0] for i in (0, 1, 3, 4, 6)] == [8, 8, 8, 8, 16]
  assert deep["bn1.weight"] == (16,)
  heads = torch_shapes(model, shapes_of(tiny(head="dual(hidden=(6, 5))")))
  assert heads["head.fc2.weight"] == (5, 6) and heads["fc.weight"] == (3, 5)


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    ({"stage_end": "se"}, "unknown block 'se'"),
    ({"stage_end": "dnl|dnl"}, "has 2 stages"),
    ({"block": "basick"}, "did you mean 'basic'"),
    ({"block": "basic", "stride_in_1x1": True}, "are of bottlenecks"),
    ({"block": "basic", "attention": "sk"}, "of a bottleneck"),
    ({"reduce_first": 2, "attention": "sk"}, "of a bottleneck"),
  ],
)
def test_bad_arguments_get_one_sentence(arguments, says):
  with pytest.raises(InputError, match=says):
    tiny(**arguments)
