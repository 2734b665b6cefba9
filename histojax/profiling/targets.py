"""Profiles for a GPU that is not here: compiled ahead of time, counted from the HLO.

XLA's compiler for NVIDIA GPUs needs a description of the device, not the device. What
it makes of the training step is read kernel by kernel (`hlo`); time is a floor, the sum
over kernels of the larger of bytes / bandwidth and FLOPs / rate. Nothing is measured.
"""

import collections
import dataclasses
import functools
import importlib.metadata
import importlib.util
import math
import os
from collections.abc import Callable

from histojax.errors import InputError, nearest
from histojax.profiling import hlo, modelled

GIB, IMAGES = 2**30, 1024
FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_cublaslt=false"  # no GPU to try on

COUNTED = (
  "Bytes are those of each kernel's operands and results, once each; caches, second"
  " reads and workspace are left out. No kernel was run."
)


@dataclasses.dataclass(frozen=True)
class Target:
  """A device: XLA's description of it, and the rates that programs reach on it."""

  device: str
  config: str  # xla.GpuTargetConfigProto, as text
  bandwidth: float  # bytes/s
  rates: dict[str, float]  # FLOP/s by `hlo.Kernel.flops`
  source: str


TARGETS = {
  "h200": Target(
    device="NVIDIA H200",
    config="""
      gpu_device_info {
        threads_per_block_limit: 1024 threads_per_warp: 32 core_count: 132
        shared_memory_per_block: 49152 shared_memory_per_core: 233472
        shared_memory_per_block_optin: 232448 threads_per_core_limit: 2048
        fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
        block_dim_limit_z: 65535 memory_bandwidth: 4800000000000
        l2_cache_size: 62914560 clock_rate_ghz: 1.98 device_memory_size: 150000000000
        registers_per_core_limit: 65536 registers_per_block_limit: 65536
        cuda_compute_capability { major: 9 }
      }
      platform_name: "CUDA"
      dnn_version_info { major: 9 minor: 10 }
      runtime_version { major: 13 minor: 0 patch: 0 }
      device_description_str: "NVIDIA H200"
    """,
    bandwidth=4.3e12,
    rates={"bf16": 790e12, "tf32": 395e12, "f32": 53e12, "f64": 53e12},
    source="4.3 TB/s and 790 TFLOP/s in bfloat16: what a large copy and a large matrix"
    " product reach of the data sheet's 4.8 and 989; other types at the same share",
  )
}


def environment(name: str) -> dict[str, str]:
  """What must be in `os.environ` before jax is imported, to compile for a target.

  Raises:
    InputError: an unknown target.
  """
  find(name)
  return {
    "JAX_PLATFORMS": "cpu",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_ENABLE_COMPILATION_CACHE": "false",  # cannot be read back without the device
    "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}".strip(),
  }


def find(name: str) -> Target:
  """The target of that name; raises InputError where there is none."""
  if name not in TARGETS:
    raise InputError(f"--profile_target={name}: {nearest(name, TARGETS)}")
  return TARGETS[name]


@dataclasses.dataclass(frozen=True)
class Count:
  """A step as compiled for a target: its kernels, and what follows from them."""

  target: Target
  batch: int
  kernels: tuple[hlo.Kernel, ...]
  memory: dict[str, int]  # bytes: arguments, temporary, peak
  notes: tuple[str, ...]
  text: str  # of the optimised HLO

  @property
  def bytes(self) -> float:
    return sum(k.bytes for k in self.kernels)

  @property
  def bytes_per_image(self) -> float:
    return self.bytes / self.batch

  @property
  def flops(self) -> float:
    return sum(sum(k.flops.values()) for k in self.kernels)

  @property
  def launches(self) -> int:
    return sum(k.count for k in self.kernels)

  @property
  def seconds(self) -> float:
    """The floor of the step."""
    return sum(map(self.floor, self.kernels))

  def floor(self, kernel: hlo.Kernel) -> float:
    return kernel.seconds(self.target.bandwidth, self.target.rates)

  def rows(self, key: Callable[[hlo.Kernel], str]) -> dict[str, list[float]]:
    """{key: [kernels, GB, TFLOP, floor in ms]}, by bytes."""
    found = collections.defaultdict(lambda: [0, 0.0, 0.0, 0.0])
    for k in self.kernels:
      row = found[key(k)]
      own = k.count, k.bytes / 1e9, sum(k.flops.values()) / 1e12, 1e3 * self.floor(k)
      row[:] = [a + b for a, b in zip(row, own, strict=True)]
    return dict(sorted(found.items(), key=lambda item: -item[1][1]))


def abstract_step(config, num_classes: int, mesh, side: int | None = None):
  """(the jitted step that training runs, (state, tiles, row) as shapes).

  The tiles are `IMAGES` squares of `side` pixels; by default as the config would store
  large images.
  """
  import jax
  import jax.numpy as jnp
  import numpy as np

  from histojax import engine, sharding, steps
  from histojax.augment.rotation import stored_size

  model, tx, view = engine.parts(config, num_classes)
  options = engine.objective(config)
  if side is None:
    angles = np.arange(config.augment.rotations) * (360.0 / config.augment.rotations)
    how = {"size": view.size, "canvas": view.canvas, "angles": angles}
    side, _ = stored_size(4 * view.size, 4 * view.size, **how)
  shape = (IMAGES, side, side, 3)
  if math.prod(shape) > config.data.device_memory_gib * GIB:  # streamed
    shape = (config.batch_size, *shape[1:])
  split, replicated = sharding.shardings(mesh)
  array = functools.partial(jax.ShapeDtypeStruct, sharding=replicated)
  part = functools.partial(jax.ShapeDtypeStruct, sharding=split)
  tiles = {
    "image": array(shape, jnp.uint8),
    "extent": array((shape[0], 2), jnp.int32),
    "label": array(shape[:1], jnp.int32),
  }
  row = {
    "index": part((config.batch_size,), jnp.int32),
    "angle": part((config.batch_size,), jnp.float32),
    "learning_rate": array((), jnp.float32),
  }
  ema = options["ema"]
  start = functools.partial(steps.init, model=model, tx=tx, view=view, ema=ema)
  state = jax.eval_shape(start, jax.random.key(0))
  state = jax.tree.map(lambda x: array(x.shape, x.dtype), state)
  program = steps.compiled(model, tx, view, mesh, shape, **options)
  return program.train, (state, tiles, row)


def count(config, name: str, num_classes: int = 1000, side: int | None = None):
  """The `Count` of a config's training step, compiled for a target.

  `side` as in `abstract_step`.

  Raises:
    InputError: an unknown target, or JAX's CUDA compiler is not installed.
  """
  target = find(name)
  import jax
  from jax.experimental import topologies

  from histojax.ops.platform import lowered_for

  if not any(importlib.util.find_spec(f"jax_cuda{n}_plugin") for n in (12, 13)):
    raise InputError(
      f"--profile_target={name}: JAX's CUDA compiler is not installed; it takes 4.6 GB,"
      " so give it a virtual environment of its own: python -m venv venv-gpu &&"
      f' venv-gpu/bin/pip install -r requirements.txt "jax[cuda13]=={jax.__version__}"'
    )
  topology = topologies.get_topology_desc(
    platform="cuda", target_config=target.config, topology="1x1x1"
  )
  mesh = topologies.make_mesh(topology, (1,), ("data",))
  with lowered_for("gpu"):
    step, arguments = abstract_step(config, num_classes, mesh, side)
    compiled = step.lower(*arguments).compile()
  module = hlo.Module(compiled.as_text())
  kernels, found = tuple(module.kernels()), compiled.memory_analysis()
  held = found.argument_size_in_bytes
  new = found.temp_size_in_bytes + found.output_size_in_bytes
  memory = {"arguments": held, "temporary": found.temp_size_in_bytes}
  memory["peak"] = held + new - found.alias_size_in_bytes
  notes = tuple(sorted(module.notes))
  return Count(target, config.batch_size, kernels, memory, notes, compiled.as_text())


def profile(config, name: str, *, title: str, against=None) -> dict:
  """What `page.write` takes, all of it modelled.

  Args:
    against: (title, config) of a second step: what does the difference cost?

  Raises:
    InputError: as `count`.
  """
  ours = count(config, name)
  versions = (f"{k} {importlib.metadata.version(k)}" for k in ("jax", "jaxlib", "flax"))
  made = {
    "title": f"Profile of {title}, for an {ours.target.device} that is not here",
    "about": {
      "device": f"{ours.target.device}, modelled: {ours.target.source}",
      "versions": ", ".join(versions),
      "model": f"{config.model.name}, attention {config.model.attention}",
      "work": f"training step, batch {config.batch_size}, {config.augment.size} px",
    },
    "facts": modelled.facts(ours),
    "tables": modelled.tables(ours),
    "figures": [],
    "notes": [*ours.notes, COUNTED],
  }
  if against:
    other, theirs = against[0], count(against[1], name)
    for table in made["tables"]:
      table["brief"] = 0
    made["title"] += f", against {other}"
    made["against"] = {"title": other, "facts": modelled.facts(theirs)}
    made["tables"][:0] = modelled.differences(ours, theirs, [title, other])
  return made
