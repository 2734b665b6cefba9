"""The selective kernel unit against its equations."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax.attention import MIXERS
from histojax.errors import InputError
from histojax.models.layers import EPS, ConvNorm
from histojax.ops.convolution import conv_plain


def make(size=(3, 5, 6, 8), dtype="float32", **kwargs):
  rng = np.random.default_rng(0)
  unit = MIXERS["sk"](**{"groups": 4, "smallest": 4} | kwargs)
  layer = partial(ConvNorm, dtype=jnp.dtype(dtype))
  x = jnp.asarray(rng.normal(size=size), dtype)
  apply = partial(unit.apply, layer=layer, train=False)
  shapes = jax.eval_shape(
    lambda: unit.init(jax.random.key(0), x, layer=layer, strides=1, train=False)
  )
  variables = jax.tree.map(
    lambda leaf: jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), jnp.float32), shapes
  )
  return apply, variables, x


def branch(variables, x, m, stride):
  params, stats = variables["params"], variables["batch_stats"][f"norm_branch{m}"]
  norm, kernel = params[f"norm_branch{m}"], params[f"conv_branch{m}"]["kernel"]
  y = conv_plain(x, kernel, stride, groups=4, dilation=m)
  y = (y - stats["mean"]) / jnp.sqrt(stats["var"] + EPS)
  return nn.relu(y * norm["scale"] + norm["bias"])


@pytest.mark.parametrize(("stride", "branches"), [(1, 2), (2, 3)])
def test_equals_the_equations_and_records_its_choice(stride, branches):
  apply, variables, x = make(branches=branches)
  params, stats = variables["params"], variables["batch_stats"]["norm"]
  u = jnp.stack([branch(variables, x, m, stride) for m in range(1, branches + 1)])
  z = u.sum(0).mean((1, 2)) @ params["fc1"]["kernel"]  # [B, d]
  z = (z - stats["mean"]) / jnp.sqrt(stats["var"] + EPS)
  z = nn.relu(z * params["norm"]["scale"] + params["norm"]["bias"])
  v = params["fc2"]["kernel"].reshape(-1, branches, 8)
  a = nn.softmax(jnp.einsum("bd,dmc->bmc", z, v), axis=1)
  got, recorded = apply(variables, x, strides=stride, mutable=["gates"])
  np.testing.assert_allclose(got, jnp.einsum("bmc,mbhwc->bhwc", a, u), rtol=1e-4)
  gate = recorded["gates"]["sk_gate"]
  np.testing.assert_allclose(gate, a[:, None, None], rtol=1e-4, atol=1e-6)
  np.testing.assert_allclose(gate.sum(-2), 1, rtol=1e-6)


def test_each_branch_reads_its_share_of_the_channels():
  apply, split, x = make(split=True, groups=1)
  kernels = [split["params"][f"conv_branch{m}"]["kernel"] for m in (1, 2)]
  assert [k.shape for k in kernels] == [(3, 3, 4, 8)] * 2
  # the same as one that reads all channels, with zeros for the other branch's
  zeros = jnp.zeros_like(kernels[0])
  params = dict(split["params"])
  for m, pair in (1, (kernels[0], zeros)), (2, (zeros, kernels[1])):
    params[f"conv_branch{m}"] = {"kernel": jnp.concatenate(pair, axis=2)}
  want = make(groups=1)[0]({**split, "params": params}, x, strides=1)
  np.testing.assert_allclose(apply(split, x, strides=1), want, rtol=1e-5)


@pytest.mark.parametrize(("channels", "width"), [(64, 8), (256, 16)])
def test_parameter_count(channels, width):
  apply, variables, _ = make((1, 2, 2, channels), smallest=8)
  count = sum(p.size for p in jax.tree.leaves(variables["params"]))
  branches = 2 * (9 * channels**2 // 4 + 2 * channels)
  assert count == branches + width * (channels + 2) + 2 * channels * width


def test_bfloat16_is_near_float32():
  apply, variables, x = make()
  narrow = make(dtype="bfloat16")[0](variables, x.astype("bfloat16"), strides=1)
  wide = apply(variables, x, strides=1)
  assert narrow.dtype == jnp.bfloat16
  assert float(jnp.abs(narrow - wide).max() / jnp.abs(wide).max()) < 0.02


@pytest.mark.parametrize(
  ("kwargs", "says"),
  [
    ({"groups": 3}, "cannot be split into 3 groups"),
    ({"branches": 0}, "at least 1"),
    ({"branches": 3, "split": True}, "cannot be split among 3 branches"),
    ({"groups": 8, "split": True}, "cannot be split among 2 branches of 8 groups"),
  ],
)
def test_bad_arguments_get_one_sentence(kwargs, says):
  with pytest.raises(InputError, match=says):
    make(**kwargs)
