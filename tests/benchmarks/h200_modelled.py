"""The step of every model compiled for an H200 that is not here: fused and plain.

    python tests/benchmarks/h200_modelled.py        # needs jax[cuda13], no GPU; minutes

224 px, batch 256, bfloat16, SGD with momentum: MB per image, kernels, temporary memory
and the floor in images/s, all modelled, of the function that launch.py trains with and
of the same with every fused operation in its plain form. Writes results/h200.json.
"""

import json
import pathlib
import subprocess
import sys
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "profiling")]
MODELS = {
  "ResNet50": ("resnet50", "none", {}),
  "ResNet50, frozen norms": ("resnet50", "none", {"norm": "frozen"}),
  "SE-ResNet50": ("resnet50", "se(ratio=16)", {}),
  "ResNet50 + CBAM": ("resnet50", "cbam", {}),
  "SKNet-50": ("resnext50", "sk", {}),
  "VGG16": ("vgg16", "none", {}),
}


def plainly():
  """Replaces the fused operations, where the layers call them, by their plain forms."""
  import jax.numpy as jnp

  from histojax.attention import cbam
  from histojax.models import layers, residual, vgg
  from histojax.ops import batch_norm as bn
  from histojax.ops import gating, max_pool

  def shift(y, c, residual=None, *, relu, dtype):
    one = jnp.ones_like(c)
    z = bn.scale_shift_plain(y, one, c, relu=False, dtype=dtype)
    z = z if residual is None else z + residual
    return jnp.maximum(z, 0) if relu else z

  def scale_shift(y, a, c, residual=None, *, relu, dtype, mean=False):
    z = bn.scale_shift_plain(y, a, c, relu=False, dtype=dtype)
    z = z if residual is None else z + residual
    z = jnp.maximum(z, 0) if relu else z
    return (z, bn.widen(z).mean((1, 2), keepdims=True)) if mean else z

  def pool(y, a, c, *, dtype):
    return max_pool.max_pool_plain(scale_shift(y, a, c, relu=True, dtype=dtype))

  def gated(branch, p, q, residual=None, *, relu, dtype):
    p, q = (1.0 if factor is None else factor for factor in (p, q))
    y, c = branch.y, branch.c
    return gating.gated_plain(y, c, p, q, residual, relu=relu, dtype=dtype)

  patches = [
    mock.patch.multiple(
      layers, shift=shift, scale_shift=scale_shift, moments=bn.moments_plain,
      scale_shift_max_pool=pool, gated=gated, platform=lambda: "plain",
    ),
    mock.patch.multiple(
      cbam, highest=gating.highest_plain, channel_pool=gating.channel_pool_plain
    ),
    mock.patch.object(gating, "_times", gating.times_plain),
    mock.patch.object(residual, "with_subsample", lambda x, s: (x, x[:, ::s, ::s])),
    mock.patch.object(vgg, "max_pool_2x2", max_pool.max_pool_2x2_plain),
  ]  # fmt: skip
  for patch in patches:
    patch.start()


def worker(name: str, form: str) -> None:
  import os

  from histojax.profiling import targets

  os.environ.update(targets.environment("h200"))
  from step_for_h200 import configured

  if form == "plain":
    plainly()
  model, attention, arguments = MODELS[name]
  config = configured(model, attention, 256, 224, **arguments)
  found = targets.count(config, "h200", side=224)
  row = {
    "MB per image": round(found.bytes_per_image / 1e6, 1),
    "kernels": found.launches,
    "temporary GiB": round(found.memory["temporary"] / 2**30, 2),
    "floor, images/s": round(found.batch / found.seconds),
    "GFLOP per image": round(found.flops / found.batch / 1e9, 2),
  }
  print(json.dumps(row))


def main() -> None:
  table = {}
  for name in MODELS:
    for form in ("plain", "fused"):
      command = [sys.executable, __file__, name, form]
      done = subprocess.run(command, capture_output=True, text=True)
      row = {"error": done.stderr[-400:]}
      if not done.returncode:
        row = json.loads(done.stdout.splitlines()[-1])
      table.setdefault(name, {})[form] = row
      print(f"{name:24} {form:6}", *(f"{k}: {v}" for k, v in row.items()), flush=True)
  (HERE / "results" / "h200.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
  worker(*sys.argv[1:]) if len(sys.argv) > 1 else main()
