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
  assert stored == {case.name for case in cases.STORED}, "run tests/goldens/make.py"


@pytest.mark.parametrize("case", cases.STORED, ids=lambda case: case.name)
def test_model(case):
  model = models.create(**case.arguments())
  images = jnp.asarray(randomised.images(case.batch, case.size))
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), images[:1], train=False)
  )
  variables = from_torch(model, randomised.state(torch_shapes(model, shapes)), shapes)

  @jax.jit
  def logits(variables):
    (train, _), _ = model.apply(variables, images, train=True, mutable=["batch_stats"])
    return {"eval": model.apply(variables, images, train=False)[0], "train": train}

  got = logits(variables)
  for mode in ("eval", "train"):
    want = golden("models.npz")[f"{case.name}/{mode}"]
    # A norm over 16 numbers a channel, in training, passes rounding on enlarged; the
    # live comparison is in float64.
    assert difference(got[mode], want) < {"eval": 1e-4, "train": 3e-4}[mode], mode

  # Negative control: the comparison would see the blocks' attention being wrong.
  if case.attention != "none":
    randomised.scramble(variables["params"])
    scrambled = logits(variables)
    for mode in ("eval", "train"):
      want = golden("models.npz")[f"{case.name}/{mode}"]
      assert difference(scrambled[mode], want) > 1e-2, mode


@pytest.mark.parametrize("name", GATES)
def test_gate(name):
  x = jnp.asarray(cases.gate_input())
  gate = GATES[name]()
  shapes = jax.eval_shape(lambda: gate.init(jax.random.key(0), x, train=False))

  def in_a_block(variables):
    return {
      kind: {"stage2_block1": {"attention": {name: tree}}}
      for kind, tree in variables.items()
    }

  # Drawn under the names of the block alone, as its counterpart knows no other.
  prefix = f"layer1.0.{name}."
  model = models.create("resnet_tiny", num_classes=3)
  wanted = torch_shapes(model, in_a_block(shapes))
  state = randomised.state({k.removeprefix(prefix): s for k, s in wanted.items()})
  state = {prefix + key: array for key, array in state.items()}
  found = from_torch(model, state, in_a_block(shapes))
  variables = {k: v["stage2_block1"]["attention"][name] for k, v in found.items()}
  g = gate.apply(variables, x, train=False)
  g = g[0] * g[1] if isinstance(g, tuple) else g  # of channels and of places
  assert difference(x * g, golden("gates.npz")[name]) < 1e-5
