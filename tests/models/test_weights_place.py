"""Arrays of a file into a model: nothing unused, nothing missing, a head replaced."""

import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.pretrained import files, torch_names, torch_shapes
from histojax.models.pretrained.place import place


@functools.cache
def made(name="resnet_tiny", classes=3, **kwargs):
  model = models.create(name, num_classes=classes, **kwargs)
  side = 224 if name.startswith("vgg") else 32
  images = jnp.zeros((1, side, side, 3))
  return model, jax.eval_shape(
    lambda: model.init(jax.random.key(0), images, train=False)
  )


@functools.cache
def _state(classes, attention):
  model, shapes = made(classes=classes, attention=attention)
  rng = np.random.default_rng(0)
  shapes = torch_shapes(model, shapes)
  return {k: rng.uniform(0.5, 1, s).astype("f") for k, s in shapes.items()}


def state(classes=3, attention="none"):
  return dict(_state(classes, attention))


def placed(weights, new="head", **kwargs):
  model, shapes = made(**kwargs)
  return place(model, weights, shapes, new)


def refused(weights, says, new="head", **kwargs):
  with pytest.raises(InputError, match=says) as caught:
    placed(weights, new, **kwargs)
  assert "\n" not in str(caught.value)


def equal(found, weights, **kwargs):
  """Every array of the model that was found is the file's, and how many they are."""
  model, _ = made(**kwargs)
  names = torch_names(model, found.arrays)
  for path, array in flax.traverse_util.flatten_dict(found.arrays).items():
    assert array.dtype == np.float32
    theirs = np.sort(weights[names[path]].ravel())
    np.testing.assert_array_equal(np.sort(array.ravel()), theirs)
  return set(names.values())


def test_all_of_it():
  weights = state()
  found = placed(weights | {"bn1.num_batches_tracked": np.array(3)})
  assert found.fresh == found.said == ()
  assert equal(found, weights) == set(weights)
  _, shapes = made()
  assert jax.tree.structure(found.arrays) == jax.tree.structure(shapes)


def test_the_head_of_another_number_of_classes_is_replaced():
  weights = state(classes=1000)
  found = placed(weights)
  assert found.fresh == ("head",) and "head" not in found.arrays["params"]
  assert equal(found, weights) == set(weights) - {"fc.weight", "fc.bias"}
  refused(weights, "head is not the model's, .* add 'head'", new="")
  assert placed(state(), new="").fresh == ()  # it fits


@pytest.mark.parametrize("head", ["mlp(hidden=8)", "linear"])
def test_another_head_or_none_is_replaced(head):
  weights = state(classes=3 if head != "linear" else 7)
  assert placed(weights, head=head).fresh == ("head",)
  for name in ("fc.weight", "fc.bias"):  # as an encoder's
    del weights[name]
  assert placed(weights, head=head).fresh == ("head",)


def test_of_a_vgg_only_the_last_layer_is_replaced():
  model, shapes = made("vgg16", head="fc(hidden=8)")
  names = torch_shapes(model, shapes) | {"classifier.6.weight": (10, 8)}
  weights = {k: np.broadcast_to(np.float32(1), s) for k, s in names.items()}
  weights["classifier.6.bias"] = np.ones(10, "f")
  found = place(model, weights, shapes, "head")
  assert found.fresh == ("head/out",)
  assert set(found.arrays["params"]["head"]) == {"fc1", "fc2"}
  # timm's VGG: the same numbers, as convolutions of other names
  theirs = {k: v for k, v in weights.items() if "classifier" not in k}
  count = np.arange(8 * 512 * 49, dtype="f")
  for kind, name in (("weight", "weight"), ("bias", "bias")):
    theirs[f"pre_logits.fc1.{kind}"] = weights[f"classifier.0.{name}"]
    theirs[f"pre_logits.fc2.{kind}"] = weights[f"classifier.3.{name}"]
    theirs[f"head.fc.{kind}"] = weights[f"classifier.6.{name}"]
  theirs["pre_logits.fc1.weight"] = count.reshape(8, 512, 7, 7)
  theirs["pre_logits.fc2.weight"] = np.ones((8, 8, 1, 1), "f")
  again = place(model, theirs, shapes, "head")
  assert again.fresh == ("head/out",)
  flat = place(model, weights | {"classifier.0.weight": count.reshape(8, -1)}, shapes,
               "head")  # fmt: skip
  for found in (again, flat):
    kernel = found.arrays["params"]["head"]["fc1"]["kernel"]
    assert kernel[2, 3, 5, 1] == theirs["pre_logits.fc1.weight"][1, 5, 2, 3]


def test_attention_blocks_that_the_file_lacks():
  weights, se = state(classes=9), {"attention": "none|se(ratio=4)|none|se(ratio=4)"}
  refused(
    weights,
    r"no \['stage3_block1/attention/se', .*'\] \(2\): --config.init.new='atten.*|head'",
    **se,
  )
  found = placed(weights, "attention|head", **se)
  assert found.fresh == (
    "stage3_block1/attention/se", "stage5_block1/attention/se", "head",
  )  # fmt: skip
  assert equal(found, weights, **se) == set(weights) - {"fc.weight", "fc.bias"}
  theirs = state(attention=se["attention"])
  assert placed(theirs, "attention|head", **se).fresh == ()  # it has them
  del theirs["layer2.0.se.fc1.bias"]  # half a block
  refused(theirs, r"missing \['layer2.0.se.fc1.bias'\] \(1\)", "attention|head", **se)


def test_blocks_that_pytorch_has_no_name_for():
  """Transforms behind a stage, and gates in series: a ResNet's weights have none."""
  kwargs = {"attention": "none|se(ratio=4)+sam|none|none"}
  kwargs |= {"stage_end": "none|none|none|dnl"}
  refused(state(), r"have no .* \(3\): --config.init.new='attention\|head'", **kwargs)
  found = placed(state(), "attention|head", **kwargs)
  assert found.fresh == (
    "stage3_block1/attention/sam", "stage3_block1/attention/se", "stage5_end",
  )  # fmt: skip
  assert equal(found, state(), **kwargs) == set(state())


def test_nothing_unused():
  refused(state(attention="se(ratio=4)"), r"unused \['layer\d.0.se.fc\d.*\(16\)")
  extra = {"neck.weight": np.ones(3, "f"), "neck.bias": np.ones(3, "f")}
  refused(state() | extra, r"missing \[\] \(0\), unused \['neck.bias', .*\] \(2\)")


def test_nothing_missing():
  weights = state()
  del weights["layer2.0.conv2.weight"], weights["layer2.0.bn2.running_var"]
  refused(weights, r"missing \['layer2.0.bn2.running_var', .*\] \(2\), unused \[\]")


def test_another_model():
  model, shapes = made("vgg16")
  vgg = {k: np.ones((1,) * len(s)) for k, s in torch_shapes(model, shapes).items()}
  refused(
    vgg,
    r"another model: missing \['stage2_block1', .*\] \(5\), unused \['feat.*\] \(26\)",
  )
  refused({"a": np.ones(1)}, "another model")
  refused({}, "have no")


def test_another_shape():
  weights = state()
  weights["layer1.0.conv2.weight"] = np.ones((8, 8, 1, 1), "f")
  refused(weights, "layer1.0.conv2.weight have shape .* the model wants")


def test_numbers_that_are_none():
  weights = state()
  weights["layer1.0.bn1.bias"] = weights["layer1.0.bn1.bias"] * np.nan
  weights["bn1.running_mean"] = weights["bn1.running_mean"] + np.inf
  refused(weights, r"holds NaN or infinity \(2 such arrays\)")
  weights = state() | {"conv1.weight": np.ones((8, 3, 7, 7), np.int8)}
  refused(weights, "conv1.weight is int8, not a float")


def test_what_may_start_fresh_has_a_name():
  refused(state(), "unknown part 'atention'; did you mean 'attention'", "atention|head")
  found = placed({k: v for k, v in state().items() if "layer4" not in k}, "stage5|head")
  assert found.fresh == ("stage5_block1",)


@pytest.mark.parametrize(
  ("prefix", "told"),
  [
    ("module.", ["module."]),
    ("model.", ["model."]),
    ("backbone.", ["backbone."]),
    ("module.encoder.", ["module.", "encoder."]),
    ("teacher.backbone.", ["teacher.", "backbone."]),
    ("module.model.", ["module.", "model."]),
  ],
)
def test_what_trainers_put_before_the_names(prefix, told):
  weights = state()
  found = placed({prefix + key: array for key, array in weights.items()})
  assert equal(found, weights) == set(weights)
  assert found.said == tuple(f"without the prefix {word!r}" for word in told)


def test_self_distillation_keeps_the_teacher():
  weights, ours = state(), {}
  for name in [k for k in weights if k.startswith("fc.")]:
    del weights[name]
  for key, array in weights.items():
    ours[f"teacher.backbone.{key}"] = array
    ours[f"student.backbone.{key}"] = array + 1
  ours["teacher.head.mlp.0.weight"] = np.ones((4, 4), "f")
  ours["student.head.mlp.0.weight"] = np.ones((4, 4), "f")
  found = placed(ours)
  assert found.fresh == ("head",) and equal(found, weights) == set(weights)
  assert found.said[0] == "without the student's arrays"


def test_a_prefix_of_some_is_none():
  weights = state()
  half = {f"module.{k}" if "layer1" in k else k: v for k, v in weights.items()}
  refused(half, "another model|missing")


def test_half_precision_becomes_single(tmp_path):
  import ml_dtypes
  from safetensors.numpy import save_file

  weights = {k: v.astype(ml_dtypes.bfloat16) for k, v in state().items()}
  save_file(weights, tmp_path / "a.safetensors")
  found = placed(files.read(tmp_path / "a.safetensors")[0])
  assert equal(found, {k: v.astype("f") for k, v in weights.items()}) == set(weights)
