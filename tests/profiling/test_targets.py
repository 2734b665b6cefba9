"""A GPU that is not here: what it takes to compile for it, and what is shown."""

import importlib.util
import subprocess
import sys

import pytest
from conftest import ROOT
from step_for_h200 import configured, wide_activations

from histojax import sharding
from histojax.errors import InputError
from histojax.ops.platform import lowered_for
from histojax.profiling import modelled, targets
from histojax.profiling.hlo import Kernel
from histojax.profiling.hlo_text import Array


def kernel(name, op_name, moved, flops=0.0, shape=(2, 4), dtype="bf16", count=1):
  arrays, arithmetic = (Array(dtype, shape),), {"bf16": flops} if flops else {}
  return Kernel(name, "elementwise", op_name, moved, arithmetic, arrays, count)


def counted(*kernels):
  memory = {"arguments": 1, "temporary": 2, "peak": 3}
  return targets.Count(targets.TARGETS["h200"], 2, kernels, memory, (), "")


STEM, BLOCK = (
  "jit(f)/jvp(N)/stem/conv1/add",
  "jit(f)/transpose(jvp(N))/stage2_block1/mul",
)


def test_a_step_is_the_sum_of_its_kernels():
  c = counted(kernel("a", STEM, 4.3e9), kernel("b", BLOCK, 8.6e9, 7.9e12, count=3))
  assert (c.bytes, c.flops, c.launches) == (12.9e9, 7.9e12, 4)
  assert c.seconds == pytest.approx(1e-3 + 10e-3)  # memory, then arithmetic
  facts = {f["name"]: f["value"] for f in modelled.facts(c)}
  assert facts["training"] == pytest.approx(12.9e9 / 2 / 1e6)
  assert facts["whole step"] == pytest.approx(2 / 11e-3)
  blocks = {t["title"]: t for t in modelled.tables(c)}["Step by block"]["rows"]
  assert [row[0] for row in blocks] == ["stage2_block1", "stem"]
  assert blocks[0][1:4] == [3, 8.6, pytest.approx(7.9)]


def test_two_steps_side_by_side():
  ours = counted(kernel("a", STEM, 6e6), kernel("b", BLOCK, 8e6))
  tables = modelled.differences(ours, counted(kernel("a", STEM, 4e6)), ["x", "y"])
  by_block = {row[0]: row[1:] for row in tables[-1]["rows"]}
  assert by_block["stem"] == pytest.approx([3, 2, 1, 1.5])
  assert by_block["stage2_block1"] == [4, 0, 4, None]
  assert all(table["kind"] == "modelled" for table in tables)


def test_wide_activations_are_found():
  shape, wide = (2, 56, 56, 256), "f32"
  step = counted(
    kernel("gate", STEM, 1, shape=(2, 1, 1, 256), dtype=wide),
    kernel("map", STEM, 1, shape=shape, dtype=wide),
    kernel("narrow", STEM, 1, shape=shape),
    kernel("pixels", "jit(f)/augment/mul", 1, shape=shape, dtype=wide),
  )
  assert wide_activations(step, set()) == ["map of stem/conv1: f32[2, 56, 56, 256]"]


def test_an_unknown_target_and_a_missing_compiler_are_one_sentence(monkeypatch):
  with pytest.raises(InputError, match="did you mean 'h200'"):
    targets.environment("h20")
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  config = configured("resnet_tiny", "none", 8, 32)
  with pytest.raises(InputError, match=r"venv.* pip|pip install.*jax\[cuda13\]=="):
    targets.count(config, "h200")


def test_the_environment_is_known_before_jax(monkeypatch):
  monkeypatch.setenv("XLA_FLAGS", "--mine=1")
  assert targets.environment("h200")["XLA_FLAGS"].startswith("--mine=1 --xla_gpu")
  code = (
    "import sys; from histojax.profiling import targets; targets.environment('h200')"
  )
  code += "; assert 'jax' not in sys.modules"
  subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_step_is_the_one_that_training_runs():
  config = configured("resnet_tiny", "none", 8, 32)
  mesh = sharding.mesh_for(8)
  with lowered_for("gpu"):
    step, (state, tiles, row) = targets.abstract_step(config, 3, mesh)
    new_state, metrics = step.eval_shape(state, tiles, row)
  assert tiles["image"].shape == (1024, 64, 64, 3)  # two stored pixels for one
  assert {*metrics} == {"loss", "accuracy", "grad_norm"}
  assert str(new_state) == str(step.eval_shape(new_state, tiles, row)[0])
