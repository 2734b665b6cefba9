"""Weights under PyTorch's names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models
from histojax.errors import InputError
from histojax.models.pretrained import from_torch, torch_names, torch_shapes

MODEL = models.create("resnet_tiny", num_classes=3)  # of the same family as all here


def abstract(attention="se", **kwargs):
  model = models.create("resnet_tiny", num_classes=3, attention=attention, **kwargs)
  return jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
  )


def weights(variables):
  rng = np.random.default_rng(0)
  return {k: rng.normal(size=s) for k, s in torch_shapes(MODEL, variables).items()}


def test_every_leaf_has_one_name_and_every_name_one_leaf():
  variables = abstract()
  names = torch_names(MODEL, variables)
  assert len(set(names.values())) == len(names) == len(jax.tree.leaves(variables))
  path = ("params", "stage3_block1", "conv_shortcut", "kernel")
  assert names[path] == "layer2.0.downsample.0.weight"
  path = ("batch_stats", "stage5_block1", "norm3", "var")
  assert names[path] == "layer4.0.bn3.running_var"
  assert torch_shapes(MODEL, variables)["layer4.0.se.fc1.weight"] == (16, 256, 1, 1)


def test_arrays_are_turned():
  variables = abstract()
  state = weights(variables)
  params = from_torch(MODEL, state, variables)["params"]
  block, se = params["stage2_block1"], params["stage2_block1"]["attention"]["se"]
  assert (
    block["conv2"]["kernel"][0, 2, 3, 4]
    == np.float32(state["layer1.0.conv2.weight"])[4, 3, 0, 2]
  )
  assert (
    se["fc1"]["kernel"][5, 1] == np.float32(state["layer1.0.se.fc1.weight"])[1, 5, 0, 0]
  )
  assert params["head"]["out"]["kernel"][7, 2] == np.float32(state["fc.weight"])[2, 7]


def test_nothing_is_left_over_and_nothing_is_missing():
  variables = abstract()
  state = {**weights(variables), "bn1.num_batches_tracked": np.array(3)}
  from_torch(MODEL, state, variables)
  with pytest.raises(InputError, match=r"unused \['extra.weight'\]"):
    from_torch(MODEL, {**state, "extra.weight": np.zeros(1)}, variables)
  del state["layer2.0.conv2.weight"]
  with pytest.raises(InputError, match=r"missing \['layer2.0.conv2.weight'\] \(1\)"):
    from_torch(MODEL, state, variables)


def test_another_shape_is_named():
  variables = abstract()
  state = weights(variables)
  state["fc.weight"] = np.zeros((1000, 256))
  with pytest.raises(InputError, match="fc.weight have shape"):
    from_torch(MODEL, state, variables)


def test_a_leaf_pytorch_has_no_name_for():
  with pytest.raises(InputError, match="no name for"):
    torch_names(MODEL, {"params": {"stage2_block1": {"attention": {"sam": {"w": 0}}}}})
  with pytest.raises(InputError, match="no name for"):
    torch_names(MODEL, abstract("se+se"))
