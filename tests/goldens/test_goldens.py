"""Against PyTorch's recorded outputs, every parameter and buffer randomised.

If a change here was meant, run tests/goldens/make.py beside PyTorch and timm.
"""

import functools
import pathlib

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.attention import GATES
from histojax.models.pretrained import from_torch, torch_shapes

HERE = pathlib.Path(__file__).parent


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


@functools.cache
def golden(file: str) -> dict[str, np.ndarray]:
  with np.load(HERE / file, allow_pickle=False) as arrays:
    return dict(arrays)


def test_no_row_is_forgotten():
  assert {case.model for case in cases.MODELS} == set(models.MODELS)
  assert set(golden("gates.npz")) == set(GATES)
  stored = {key.split("/")[0] for key in golden("models.npz")}
  assert stored == {case.name for case in cases.MODELS}, "run tests/goldens/make.py"


@pytest.mark.parametrize("case", cases.MODELS, ids=lambda case: case.name)
def test_model(case):
  model = models.create(**case.arguments())
  images = jnp.asarray(randomised.images(case.batch, case.size))
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), images[:1], train=False)
  )
  variables = from_torch(randomised.state(torch_shapes(shapes)), shapes)

  @jax.jit
  def logits(variables):
    (train, _), _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    return {"eval": model.apply(variables, images, train=False)[0], "train": train}

  got = logits(variables)
  for mode in ("eval", "train"):
    want = golden("models.npz")[f"{case.name}/{mode}"]
    assert difference(got[mode], want) < 1e-4, mode

  # Negative control: the comparison would see one block's attention being wrong.
  if case.attention != "none":
    fc2 = variables["params"]["stage4_block3"]["attention"]["se"]["fc2"]
    fc2["kernel"] = (
      np.random.default_rng(3)
      .permutation(fc2["kernel"].ravel())
      .reshape(fc2["kernel"].shape)
    )
    scrambled = logits(variables)
    for mode in ("eval", "train"):
      want = golden("models.npz")[f"{case.name}/{mode}"]
      assert difference(scrambled[mode], want) > 1e-2, mode


@pytest.mark.parametrize("name", GATES)
def test_gate(name):
  x = jnp.asarray(cases.gate_input())
  gate = GATES[name]()
  shapes = {"params": {"stage2_block1": {"attention": {name: _shapes(gate, x)}}}}
  weights = {
    key.removeprefix(f"layer1.0.{name}."): shape
    for key, shape in torch_shapes(shapes).items()
  }
  state = {f"layer1.0.{name}.{k}": v for k, v in randomised.state(weights).items()}
  params = from_torch(state, shapes)["params"]["stage2_block1"]["attention"][name]
  assert difference(
    x * gate.apply({"params": params}, x), golden("gates.npz")[name]
  ) < (1e-5)


def _shapes(gate, x):
  return jax.eval_shape(lambda: gate.init(jax.random.key(0), x))["params"]
