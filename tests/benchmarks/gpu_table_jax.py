"""One row of gpu_table.py, ours: prints its JSON."""

import argparse
import json
import pathlib
import statistics
import sys
import time

from gpu_table import MODELS

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "profiling")]


class Bench:
  """One model's compiled steps, as training runs them, and random tiles to run on."""

  def __init__(self, args, name, batch, dtype="auto"):
    import jax
    from step_for_h200 import configured

    from histojax import engine, sharding, steps

    model, attention, arguments, _ = MODELS[name]
    self.config = configured(model, attention, batch, args.size, **arguments)
    self.config.model.dtype = dtype
    self.model, tx, self.view = engine.parts(self.config, args.classes)
    count = min(1024, 4 * batch)
    shape = (count, args.size, args.size, 3)
    mesh = sharding.mesh_for(batch)
    self.steps = steps.compiled(self.model, tx, self.view, mesh, shape)
    key = jax.random.key(0)
    bits = jax.random.bits(key, shape, "uint8")
    self.tiles = {
      "image": bits,
      "extent": jax.numpy.full((count, 2), args.size, "int32"),
      "label": jax.random.randint(key, (count,), 0, args.classes, "int32"),
    }
    self.row = {
      "index": jax.random.randint(key, (batch,), 0, count, "int32"),
      "angle": jax.random.uniform(key, (batch,), "float32", 0, 360),
      "learning_rate": jax.numpy.float32(1e-3),
    }
    self.batch, self.state = batch, self.steps.init(key)
    split, replicated = sharding.shardings(mesh)
    self.tiles = jax.device_put(self.tiles, replicated)
    rate = jax.device_put(self.row.pop("learning_rate"), replicated)
    self.row = jax.device_put(self.row, split) | {"learning_rate": rate}


def timed(function, steps: int) -> dict:
  """Seconds of a call when it is waited for (p50), and when the device never waits."""
  import jax

  jax.block_until_ready(function())
  waited = []
  for _ in range(steps):
    start = time.perf_counter()
    jax.block_until_ready(function())
    waited.append(time.perf_counter() - start)
  start = time.perf_counter()
  for _ in range(steps):
    last = function()
  jax.block_until_ready(last)
  seconds = (time.perf_counter() - start) / steps
  return {"p50_ms": 1e3 * statistics.median(waited), "seconds": seconds}


def compile_and_time(args, batch, jitted, arguments, call) -> dict:
  """`call(compiled)` is one step; adds what its optimised HLO moves and computes."""
  from histojax.profiling import hlo, targets

  start = time.perf_counter()
  compiled = jitted.lower(*arguments).compile()
  found = {"compile_s": time.perf_counter() - start}
  found |= timed(call(compiled), args.steps)
  kernels, target = hlo.Module(compiled.as_text()).kernels(), targets.TARGETS["h200"]
  moved = sum(k.bytes for k in kernels)
  floor = sum(k.seconds(target.bandwidth, target.rates) for k in kernels)
  memory = compiled.memory_analysis()
  return found | {
    "images_per_second": batch / found["seconds"],
    "MB_per_image": moved / batch / 1e6,
    "GFLOP_per_image": sum(sum(k.flops.values()) for k in kernels) / batch / 1e9,
    "kernels": sum(k.count for k in kernels),
    "GB_per_second": moved / found["seconds"] / 1e9,
    "h200_floor_images_per_second": batch / floor,
    "of_h200_floor": floor / found["seconds"],
    "temporary_GiB": memory.temp_size_in_bytes / 2**30,
  }


def train(args, name) -> dict:
  bench = Bench(args, name, args.batch)

  def call(compiled):
    def step():
      bench.state, bench.metrics = compiled(bench.state, bench.tiles, bench.row)
      return bench.metrics

    return step

  arguments = bench.state, bench.tiles, bench.row
  found = compile_and_time(args, args.batch, bench.steps.train, arguments, call)
  loss = float(bench.metrics["loss"])
  return found | {"loss": loss, "ok": loss == loss and abs(loss) < 1e4}


def infer(args, name) -> dict:
  bench = Bench(args, name, 2 * args.batch)
  state = bench.state
  arguments = state.all_params, state.batch_stats, bench.tiles, bench.row
  step = bench.steps.evaluate
  batch = 2 * args.batch
  return compile_and_time(args, batch, step, arguments, lambda c: lambda: c(*arguments))


def rotation(args, _) -> dict:
  import jax

  bench = Bench(args, "resnet50", args.batch)
  arguments = bench.tiles, bench.row, jax.random.key(0)
  view = jax.jit(lambda tiles, row, key: bench.view(tiles, row, key, train=True))
  return compile_and_time(
    args, args.batch, view, arguments, lambda c: lambda: c(*arguments)
  )


def ceilings(args, _) -> dict:
  import jax

  from histojax.profiling import roofline

  dtype = "float32" if jax.default_backend() == "cpu" else "bfloat16"
  return roofline.measure(dtype)._asdict() | {"dtype": dtype}


def correctness(args, _) -> dict:
  """Loss and parameters after three float32 steps, of ResNet50 and of a plain form."""
  import jax
  import jax.numpy as jnp
  import numpy as np
  from plain_resnet import plain_loss

  batch = min(args.batch, 16)
  with jax.default_matmul_precision("highest"):
    bench = Bench(args, "resnet50", batch, "float32")
    bench.row["learning_rate"] = jax.device_put(
      jnp.float32(1e-4), bench.row["learning_rate"].sharding
    )
    # norms that start at scale 0 would hide the branches from the comparison
    params = jax.tree.map(lambda p: jnp.where(p.any(), p, 0.1), bench.state.params)
    state, plain = bench.state.replace(params=params), jax.tree.map(jnp.copy, params)
    begin = jax.device_get(params)
    velocity = jax.tree.map(jnp.zeros_like, plain)
    labels = bench.tiles["label"][bench.row["index"]]
    keys = [jax.random.fold_in(jnp.copy(bench.state.key), k) for k in range(3)]

    @jax.jit
    def plain_step(params, velocity, tiles, row, key):
      images = bench.view(tiles, row, key, train=True)
      loss, grads = jax.value_and_grad(plain_loss)(params, images, labels)
      velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, grads)
      return jax.tree.map(lambda p, v: p - 1e-4 * v, params, velocity), velocity, loss

    losses = []
    for key in keys:
      state, metrics = bench.steps.train(state, bench.tiles, bench.row)
      plain, velocity, loss = plain_step(plain, velocity, bench.tiles, bench.row, key)
      losses.append((float(metrics["loss"]), float(loss)))
  found = [jax.tree.leaves(jax.device_get(p)) for p in (state.params, plain, begin)]
  moved = sum(np.square(b - c).sum() for _, b, c in zip(*found, strict=True))
  apart = sum(np.square(a - b).sum() for a, b, _ in zip(*found, strict=True))
  apart = float(np.sqrt(apart / moved))
  loss = max(abs(a - b) / abs(b) for a, b in losses)
  good = loss < 1e-4 and apart < 1e-2
  return {"losses": losses, "loss_apart": loss, "moves_apart": apart, "ok": good}


def convolutions(args, _) -> dict:
  """Runs each convolution of each training step alone, as it stands in the step."""
  import concurrent.futures

  import jax
  import jax.numpy as jnp
  from step_for_h200 import configured

  from histojax import sharding
  from histojax.ops.platform import lowered_for
  from histojax.profiling import targets

  found, failed, until = {}, {}, time.monotonic() + 0.7 * args.row_limit
  for model, attention, arguments, _ in MODELS.values():
    config = configured(model, attention, args.batch, args.size, **arguments)
    mesh = sharding.mesh_for(args.batch)
    with lowered_for("gpu"):
      step, shapes = targets.abstract_step(config, args.classes, mesh, args.size)
      jaxpr = jax.make_jaxpr(step)(*shapes)
    for eqn in walk(jaxpr.jaxpr):
      shapes = [(v.aval.shape, v.aval.dtype) for v in eqn.invars]
      found.setdefault(str((shapes, eqn.params)), (eqn, shapes))

  def run(key) -> bool:
    if time.monotonic() > until:
      return False
    eqn, shapes = found[key]
    inputs = [jnp.full(shape, 0.01, dtype) for shape, dtype in shapes]
    try:
      out = jax.jit(lambda *x: eqn.primitive.bind(*x, **eqn.params))(*inputs)
      return bool(jnp.isfinite(out).all())
    except jax.errors.JaxRuntimeError as error:
      failed[key] = str(error)[:200]
      return False

  with concurrent.futures.ThreadPoolExecutor(4) as threads:  # they wait for compilers
    ran = sum(threads.map(run, found))
  return {"ran": ran, "of": len(found), "failed": failed, "ok": ran == len(found)}


def walk(jaxpr):
  import jax

  for eqn in jaxpr.eqns:
    if eqn.primitive.name == "conv_general_dilated":
      yield eqn
    for inner in jax.core.jaxprs_in_params(eqn.params):
      yield from walk(inner)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  for key in ("size", "batch", "classes", "steps"):
    parser.add_argument(f"--{key}", type=int, required=True)
  parser.add_argument("--row-limit", type=float, required=True)
  parser.add_argument("--row", required=True, help="train SE, infer resnet50, ...")
  args = parser.parse_args()
  import jax

  kind, _, name = args.row.partition(" ")
  functions = (ceilings, correctness, convolutions, train, infer, rotation)
  found = {f.__name__: f for f in functions}[kind](args, name)
  device = jax.devices()[0]
  print(json.dumps(found | {"device": device.device_kind, "jax": jax.__version__}))


if __name__ == "__main__":
  main()
