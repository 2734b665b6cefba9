"""The training step for a GPU: what it saves, and what it moves, may not grow.

Without a GPU's compiler: the residuals of the backward pass, by abstract evaluation.
With jax[cuda13] installed (4.6 GB; no GPU is needed), compiled for an H200:

    python -m pytest -m gpu_aot tests/profiling/test_step_bytes.py
"""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import optax
import pytest
from conftest import ROOT
from step_for_h200 import configured

from histojax import engine, sharding, steps
from histojax.ops.platform import lowered_for
from histojax.profiling import targets

SE, BATCH = "se(ratio=16)", 256

# MB per image that the bfloat16 step at 224 px keeps for its backward pass. An
# activation of ResNet50 is kept once in 2 bytes where nothing else is.
RESIDUALS = {"none": 48, SE: 60}

# MB per image that the compiled step moves: 224 px, batch 256, bfloat16, an H200.
MOVED = {
  "resnet50": ("resnet50", "none", {}, 271),
  "resnet50, frozen norms": ("resnet50", "none", {"norm": "frozen"}, 215),
  "SE": ("resnet50", SE, {}, 327),
  "CBAM": ("resnet50", "cbam", {}, 377),
  "SK": ("resnext50", "sk", {}, 545),
  "VGG16": ("vgg16", "none", {}, 282),
}


def lowered(config):
  with lowered_for("gpu"):
    step, arguments = targets.abstract_step(config, 1000, sharding.mesh_for(BATCH), 224)
    return step.lower(*arguments).as_text()


def residual_bytes(config) -> int:
  """Bytes of all arrays that the loss's backward pass keeps, each once."""
  model, tx, view = engine.parts(config, 1000)
  state = jax.eval_shape(
    lambda key: steps.init(key, model=model, tx=tx, view=view), jax.random.key(0)
  )
  images = jax.ShapeDtypeStruct((BATCH, view.size, view.size, 3), view.dtype)

  def backward(params, rest, stats, images):
    def loss(params):
      variables = {"params": params | rest, "batch_stats": stats}
      (logits, _), updated = model.apply(
        variables, images, train=True, mutable=["batch_stats"]
      )
      labels = jnp.zeros(BATCH, jnp.int32)
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return losses.mean(), updated

    return jax.vjp(loss, params, has_aux=True)[1]

  with lowered_for("gpu"):
    jaxpr = jax.make_jaxpr(backward)(
      state.params, state.frozen, state.batch_stats, images
    ).jaxpr
  kept = {v for v in jaxpr.outvars if hasattr(v, "count")} - set(jaxpr.invars)
  return sum(v.aval.size * v.aval.dtype.itemsize for v in kept)


@pytest.mark.parametrize("attention", RESIDUALS)
def test_the_step_keeps_little_for_its_backward_pass(attention):
  config = configured("resnet50", attention, BATCH, 224)
  kept = residual_bytes(config) / BATCH / 1e6
  bound = RESIDUALS[attention]
  assert kept <= bound, (
    f"{kept:.1f} MB per image are kept for the backward pass, {bound} were: an"
    " activation is saved twice, or in float32"
  )
  assert kept > 0.85 * bound, (
    f"only {kept:.1f} MB per image: lower the bound to keep it"
  )


def test_the_lowered_step_has_no_select_and_scatter():
  text = lowered(configured("resnet50", "none", BATCH, 224))
  assert "select_and_scatter" not in text, "the max-pool's own gradient: slow on a GPU"
  assert "bf16" in text and "stablehlo.convolution" in text  # it is the step


@pytest.mark.gpu_aot
@pytest.mark.parametrize("name", MOVED)
def test_the_compiled_step_moves_little(name):
  model, attention, arguments, bound = MOVED[name]
  command = [sys.executable, str(ROOT / "tests/profiling/step_for_h200.py")]
  command += [f"--model={model}", f"--attention={attention}"]
  command += [f"--arguments={json.dumps(arguments)}"]
  done = subprocess.run(command, capture_output=True, text=True)
  assert not done.returncode, done.stderr
  found = json.loads(done.stdout.splitlines()[-1])
  moved = found["megabytes_per_image"]
  assert moved <= bound, f"{moved} MB per image, {bound} were:\n{done.stdout}"
  assert not found["wide_activations"]
  assert not found["select_and_scatter"]
  assert not found["notes"]
