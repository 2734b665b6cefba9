"""Against PyTorch's recorded outputs, every parameter and buffer randomised.

If a change here was meant, run tests/goldens/make.py beside PyTorch and timm.
"""

import copy
import functools
import pathlib

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised

from histojax import models
from histojax.attention import GATES, TRANSFORMS
from histojax.models.pretrained import from_torch, torch_shapes
from histojax.spec import parse

HERE = pathlib.Path(__file__).parent


def difference(got, want) -> float:
  """max|d| / max|want|."""
  return float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())


@functools.cache
def golden(file: str) -> dict[str, np.ndarray]:
  with np.load(HERE / file, allow_pickle=False) as arrays:
    return dict(arrays)


def test_no_row_is_forgotten():
  assert {case.model for case in (*cases.MODELS, *cases.FULL)} == set(models.MODELS)
  named = {spec.split("(")[0] for spec in cases.BLOCKS}
  assert named == {*GATES, *TRANSFORMS}
  assert set(golden("blocks.npz")) == set(cases.BLOCKS), "run tests/goldens/make.py"
  stored = {key.split("/")[0] for key in golden("models.npz")}
  assert stored == {case.name for case in cases.STORED}, "run tests/goldens/make.py"


DEEP = {
  "cbam_tiny",
  "resnet50",
  "resnet50_v1",
  "seresnet50",
  "seresnet50_v1",
  "sk_small",
}


def weighed(case):
  """A case whose blocks another one has too, in fewer layers, is for the full run."""
  marks = [pytest.mark.full] * (case.name in DEEP)
  return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [weighed(case) for case in cases.STORED])
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
  for block in case.blocks:
    params = copy.deepcopy(variables["params"])
    randomised.scramble(params, block)
    scrambled = logits({**variables, "params": params})
    for mode in ("eval", "train"):
      want = golden("models.npz")[f"{case.name}/{mode}"]
      assert difference(scrambled[mode], want) > 1e-2, (block, mode)


@pytest.mark.parametrize("spec", cases.BLOCKS)
def test_block(spec):
  ((name, kwargs),) = parse(spec, known={**GATES, **TRANSFORMS}, what="spec")[0]
  x, gates = jnp.asarray(cases.block_input()), name in GATES
  block = (GATES if gates else TRANSFORMS)[name](**kwargs)
  shapes = jax.eval_shape(lambda: block.init(jax.random.key(0), x, train=False))

  def in_a_model(variables):
    inner = {"stage2_block1": {"attention": {name: variables}}}
    return inner if gates else {"stage2_end": {name: variables}}

  # Drawn under the names of the block alone, as its counterpart knows no other.
  prefix = (
    f"layer1.0.{'se' if name == 'eca' else name}." if gates else f"layer1_end.{name}."
  )
  model = models.create("resnet_tiny", num_classes=3)
  wanted = {kind: in_a_model(tree) for kind, tree in shapes.items()}
  named = torch_shapes(model, wanted)
  state = randomised.state({k.removeprefix(prefix): s for k, s in named.items()})
  found = from_torch(model, {prefix + k: array for k, array in state.items()}, wanted)
  variables = {}
  for kind, (tree,) in ((kind, tree.values()) for kind, tree in found.items()):
    variables[kind] = tree["attention"][name] if gates else tree[name]
  y = block.apply(variables, x, train=False)
  if gates:
    y = x * (y[0] * y[1] if isinstance(y, tuple) else y)  # of channels and of places
  assert difference(y, golden("blocks.npz")[spec]) < 1e-5
