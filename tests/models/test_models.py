"""Models by name: counts, end points, errors."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.attention import GATES, MIXERS
from histojax.errors import InputError

# (name, attention, classes) -> parameters: torchvision, timm and the papers agree.
COUNTS = {
  ("resnet18", "none", 1000): 11_689_512,
  ("resnet18", "none", 2): 11_177_538,
  ("resnet18", "none", 3): 11_178_051,
  ("resnet18", "none", 5): 11_179_077,
  ("resnet18", "none", 9): 11_181_129,
  ("resnet34", "none", 1000): 21_797_672,
  ("resnet50", "none", 1000): 25_557_032,
  ("resnet50", "none", 2): 23_512_130,
  ("resnet50", "none", 3): 23_514_179,
  ("resnet50", "none", 5): 23_518_277,
  ("resnet50", "none", 9): 23_526_473,
  ("resnet50", "se(ratio=16)", 1000): 28_088_024,
  ("resnet50", "se(ratio=16)", 2): 26_043_122,
  ("resnet50", "se(ratio=16)", 3): 26_045_171,
  ("resnet50", "se", 5): 26_049_269,
  ("resnet50", "se", 9): 26_057_465,
  # One SE in each of the three blocks of the last stage: 526,464 each.
  ("resnet50", "none|none|none|se", 2): 23_512_130 + 3 * 526_464,
  ("resnet50", "cbam", 1000): 28_089_624,
  ("resnet50", "cbam", 2): 26_044_722,
  ("resnet50", "cbam", 3): 26_046_771,
  ("resnet50", "cbam", 5): 26_050_869,
  ("resnet50", "cbam", 9): 26_059_065,
  ("resnet50", "sam|sam|sam|none", 5): 23_518_303,
  ("resnet50", "se|se|se|none", 5): 24_469_877,
  ("resnet50", "se+sam|se+sam|se+sam|none", 5): 24_469_903,
  # k = 5 for up to 1,024 channels, 7 for 2,048
  ("resnet50", "eca", 1000): 25_557_032 + (3 + 4 + 6) * 5 + 3 * 7,
  ("resnext50", "none", 1000): 25_028_904,
  ("resnext50", "sk", 1000): 27_479_784,
  ("resnext50", "sk", 2): 25_434_882,
  ("resnext50", "sk", 3): 25_436_931,
  ("resnext50", "sk", 5): 25_441_029,
  ("resnext50", "sk", 9): 25_449_225,
  ("resnext50", "sk+se", 3): 25_436_931 + 2_530_992,
  ("skresnet50", "none", 1000): 25_803_160,
  ("skresnet50", "none", 3): 23_760_307,
  ("senet154", "none", 1000): 115_088_984,
  ("senet154", "se(ratio=16)", 3): 113_046_131,
  ("resnet_tiny", "none", 3): 129_163,
  ("vgg16", "none", 1000): 138_357_544,
  ("vgg16", "none", 2): 134_268_738,
  ("vgg16", "none", 3): 134_272_835,
  ("vgg16", "none", 5): 134_281_029,
  ("vgg16", "none", 9): 134_297_417,
  # In stages of 64, 128, 256, 512 and 512 channels: 2 C^2 / 16 + C / 16 + C.
  ("vgg16", "se", 3): 134_272_835 + 580 + 2_184 + 8_464 + 2 * 33_312,
  ("vgg16_bn", "none", 1000): 138_365_992,
  ("vgg19", "none", 1000): 143_667_240,
  ("vgg19", "none", 2): 139_578_434,
  ("vgg19", "none", 3): 139_582_531,
  ("vgg19", "none", 5): 139_590_725,
  ("vgg19", "none", 9): 139_607_113,
  ("densenet121", "none", 1000): 7_978_856,
  ("densenet121", "none", 2): 6_955_906,
  ("densenet121", "none", 3): 6_956_931,
  ("densenet121", "none", 5): 6_958_981,
  ("densenet121", "none", 9): 6_963_081,
  ("vit_b16", "none", 1000): 86_567_656,
  ("vit_b16", "none", 2): 85_800_194,
  ("vit_b16", "none", 3): 85_800_963,
  ("vit_b16", "none", 5): 85_802_501,
  ("vit_b16", "none", 9): 85_805_577,
  ("swin_t", "none", 1000): 28_288_354,
  ("swin_t", "none", 2): 27_520_892,
  ("swin_t", "none", 3): 27_521_661,
  ("swin_t", "none", 5): 27_523_199,
  ("swin_t", "none", 9): 27_526_275,
  ("vgg16_inception", "none", 2): 15_165_522,
  # Dense blocks of 256, 512, 1,024 and 1,024 channels: 2 C^2 / 16 + C / 16 + C.
  ("densenet121", "none|se|none|se", 3): 6_956_931 + 33_312 + 132_160,
  # The published numbers hold a mask token of 768, which no classifier reads.
  ("dinov2_vitb14", "none", 2): 86_582_018 - 768,
  ("dinov2_vitb14", "none", 3): 86_582_787 - 768,
  ("dinov2_vitb14", "none", 5): 86_584_325 - 768,
  ("dinov2_vitb14", "none", 9): 86_587_401 - 768,
}
# With the mean over the map and one dense layer instead.
GAP = {2: 14_715_714, 3: 14_716_227, 5: 14_717_253, 9: 14_719_305}


def shapes_of(model, size=32):
  images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
  return jax.eval_shape(
    lambda key, x: model.init(key, x, train=False), jax.random.key(0), images
  )


@functools.cache
def tiny():
  model = models.create(
    "resnet_tiny", num_classes=3, attention="none|none|se|se(ratio=4)"
  )
  x = jax.random.normal(jax.random.key(1), (2, 33, 40, 3))
  rng = np.random.default_rng(0)
  variables = jax.tree.map(
    lambda leaf: (
      rng.uniform(0.5, 1.5, leaf.shape)
      if leaf.ndim == 1
      else rng.normal(size=leaf.shape) / leaf.shape[-1] ** 0.5
    ).astype(np.float32),
    shapes_of(model),
  )
  return model, variables, x


def test_no_row_is_forgotten():
  assert {name for name, _, _ in COUNTS} == set(models.MODELS)
  blocks = {re.match(r"\w+", attention)[0] for _, attention, _ in COUNTS}
  assert blocks >= {*GATES, *MIXERS}


def everyday(row):
  """Of each network and block the first row is counted every day."""
  first = [other for other in COUNTS if other[:2] == row[:2]][0]
  return row if row == first else pytest.param(*row, marks=pytest.mark.full)


@pytest.mark.parametrize(("name", "attention", "classes"), [*map(everyday, COUNTS)])
def test_parameter_count(name, attention, classes):
  bottlenecks = name in ("resnet50", "resnext50", "resnet_tiny")
  for version in ({}, {"stride_in_1x1": True}) if bottlenecks else ({},):
    model = models.create(name, num_classes=classes, attention=attention, **version)
    variables = shapes_of(model, 56 if name == "dinov2_vitb14" else 32)
    assert set(variables) <= {"params", "batch_stats"}
    count = models.parameter_count(variables["params"])
    assert count == COUNTS[name, attention, classes]


@pytest.mark.parametrize("classes", GAP)
def test_parameter_count_of_vgg_without_hidden_layers(classes):
  variables = shapes_of(models.create("vgg16", num_classes=classes, head="linear"))
  assert models.parameter_count(variables["params"]) == GAP[classes]


@pytest.mark.parametrize(
  ("name", "arguments", "wanted"),
  [
    ("vgg16", {"num_classes": 2, "head": "mlp(hidden=256, dropout=0.5)"}, 14_846_530),
    ("swin_t", {"stage_sizes": (2, 2, 18, 2)}, 49_606_258),
    (
      "swin_t",
      {"stage_sizes": (2, 2, 18, 2), "width": 128, "num_heads": (4, 8, 16, 32)},
      87_768_224,
    ),
  ],
)
def test_parameter_count_of_variants(name, arguments, wanted):
  variables = shapes_of(models.create(name, **{"num_classes": 1000} | arguments))
  assert models.parameter_count(variables["params"]) == wanted


def test_parameter_count_of_dinov2_without_a_head():
  params = shapes_of(models.create("dinov2_vitb14", num_classes=2), 56)["params"]
  assert models.parameter_count({**params, "head": {}}) == 86_580_480 - 768


def test_layers_are_named_in_the_source():
  params = tiny()[1]["params"]
  assert set(params) == {"stem", "head"} | {f"stage{i}_block1" for i in range(2, 6)}
  block = params["stage5_block1"]
  assert set(block) == {
    *("conv1", "norm1", "conv2", "norm2", "conv3", "norm3"),
    *("conv_shortcut", "norm_shortcut", "attention"),
  }
  assert set(block["norm1"]) == {"scale", "bias"}
  assert set(block["attention"]["se"]) == {"fc1", "fc2"}


def test_end_points_and_odd_sides():
  model, variables, x = tiny()
  logits, ends = jax.eval_shape(lambda: model.apply(variables, x, train=False))
  assert logits.shape == (2, 3) and logits.dtype == jnp.float32
  # 33 x 40 -> stem 17 x 20 -> pool 9 x 10 -> 5 x 5 -> 3 x 3 -> 2 x 2
  assert {name: end.shape for name, end in ends.items()} == {
    "stage2": (2, 9, 10, 32),
    "stage3": (2, 5, 5, 64),
    "stage4": (2, 3, 3, 128),
    "stage5": (2, 2, 2, 256),
    "map": (2, 2, 2, 256),
    "features": (2, 256),
  }


def test_the_stride_moves_between_versions():
  for stride_in_1x1 in (False, True):
    model = models.create("resnet_tiny", num_classes=3, stride_in_1x1=stride_in_1x1)
    apply = functools.partial(model.apply, train=False)
    text = str(jax.make_jaxpr(apply)(shapes_of(model), jnp.ones((1, 64, 64, 3))))
    # Stage 3 sees 16 x 16: its 3x3 reads 16 x 16 in v1.5 and 8 x 8 in v1.
    assert ("[1,16,16,16]" in text) != stride_in_1x1


def test_gates_are_recorded_without_changing_the_output():
  model, variables, x = tiny()

  @jax.jit
  def both(variables, x):
    plain, _ = model.apply(variables, x, train=False)
    (recorded, _), gates = model.apply(variables, x, train=False, mutable=["gates"])
    return plain, recorded, gates["gates"]

  plain, recorded, gates = both(variables, x)
  np.testing.assert_array_equal(plain, recorded)
  assert set(gates) == {"stage4_block1", "stage5_block1"}
  assert gates["stage5_block1"]["attention"]["se_gate"].shape == (2, 1, 1, 256)


def test_a_mixer_takes_the_place_of_the_3x3_where_the_spec_says():
  model = models.create(
    "resnet_tiny", num_classes=3, attention="none|none|sk(groups=4)|sk(groups=8)+se"
  )
  variables, x = shapes_of(model), jnp.ones((2, 33, 40, 3))
  blocks = variables["params"]
  assert "conv2" in blocks["stage3_block1"] and "mixer" not in blocks["stage3_block1"]
  assert {"mixer", "attention"} <= set(blocks["stage5_block1"])
  assert "conv2" not in blocks["stage5_block1"]
  (_, ends), gates = jax.eval_shape(
    lambda v: model.apply(v, x, train=False, mutable=["gates"]), variables
  )
  assert ends["stage5"].shape == (2, 2, 2, 256)
  found = gates["gates"]["stage5_block1"]
  assert found["mixer"]["sk_gate"].shape == (2, 1, 1, 2, 64)
  assert found["attention"]["se_gate"].shape == (2, 1, 1, 256)


def test_training_moves_the_statistics_and_inference_does_not():
  model, variables, x = tiny()
  run = jax.jit(
    lambda variables, train: model.apply(
      variables, x, train=train, mutable=["batch_stats"]
    )[1]["batch_stats"],
    static_argnums=1,
  )
  moved, still = run(variables, True), run(variables, False)
  before = variables["batch_stats"]
  for path, leaf in jax.tree_util.tree_leaves_with_path(still):
    assert (leaf == functools.reduce(lambda t, k: t[k.key], path, before)).all()
  changed = jax.tree.map(lambda a, b: bool((a != b).any()), moved, before)
  assert all(jax.tree.leaves(changed))


@pytest.mark.full
def test_every_parameter_gets_a_gradient():
  model, variables, x = tiny()

  @jax.jit
  @jax.grad
  def gradient(params):
    variables_ = {**variables, "params": params}
    (logits, _), _ = model.apply(variables_, x, train=True, mutable=["batch_stats"])
    return jax.nn.log_softmax(logits)[:, 0].mean()

  for path, leaf in jax.tree_util.tree_leaves_with_path(gradient(variables["params"])):
    assert float(jnp.abs(leaf).max()) > 0, path


def test_bfloat16_is_near_float32():
  model, variables, x = tiny()
  narrow = model.clone(dtype="bfloat16")
  run = jax.jit(lambda v, model: model.apply(v, x, train=False), static_argnums=1)
  (wanted, _), (got, ends) = run(variables, model), run(variables, narrow)
  assert got.dtype == jnp.float32 and ends["stage5"].dtype == jnp.bfloat16
  assert ends["features"].dtype == jnp.float32
  # Each of 13 layers rounds at 2**-9; 0.5 % is what was seen.
  assert float(jnp.abs(got - wanted).max() / jnp.abs(wanted).max()) < 0.02


@pytest.mark.parametrize(
  ("arguments", "says"),
  [
    ({"name": "resnet51"}, "did you mean 'resnet50'"),
    ({"attention": "sse"}, "did you mean 'se'"),
    ({"attention": "se|se"}, "has 2 stages"),
    ({"dtype": "float16"}, "use auto, float32 or bfloat16"),
    ({"num_classes": 1}, "at least 2"),
    ({"num_classes": "3"}, "at least 2"),
    ({"widht": 8}, "did you mean 'width'"),
    ({"attention": "se+sk"}, "comes first"),
  ],
)
def test_bad_arguments_get_one_sentence(arguments, says):
  with pytest.raises(InputError, match=says):
    models.create(**{"name": "resnet_tiny", "num_classes": 3, **arguments})


@pytest.mark.parametrize("name", ["densenet121", "vit_b16", "swin_t"])
def test_another_network_takes_what_asks_for_nothing(name):
  """So that --config.model.name is enough to swap the network of any config."""
  found = models.create(
    name, num_classes=3, norm="batch", stage_end="none", stride_in_1x1=False
  )
  assert found == models.create(name, num_classes=3)
  with pytest.raises(InputError, match="takes no argument 'stride_in_1x1'"):
    models.create(name, num_classes=3, stride_in_1x1=True)
