"""Images per second of the training step of SE-ResNet50, ours and timm's.

    python tests/benchmarks/step_speed.py --size 64 --batch 32 --rounds 5 \
        --torch-python <python with tests/requirements-oracles.txt>

Each runs alone in its own process, in turns; medians over the rounds and their ratio.
float32, SGD with momentum, two threads, random images.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def measure(args: argparse.Namespace) -> dict[str, float]:
  import jax
  import jax.numpy as jnp
  import numpy as np
  import optax

  from histojax import models

  model = models.create(args.model, num_classes=3, attention=args.attention)
  optimizer = optax.sgd(0.001, momentum=0.9)
  rng = np.random.default_rng(0)
  shape = (args.batch, args.size, args.size, 3)
  images = jnp.asarray(rng.normal(size=shape), jnp.float32)
  labels = jnp.asarray(rng.integers(0, 3, args.batch))

  @jax.jit
  def initialise(key):
    variables = model.init(key, images[:1], train=False)
    return variables, optimizer.init(variables["params"])

  def train(variables, opt_state, images, labels):
    def loss(params):
      (logits, _), updates = model.apply(
        {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
      )
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return losses.mean(), updates

    (value, updates), gradient = jax.value_and_grad(loss, has_aux=True)(
      variables["params"]
    )
    step, opt_state = optimizer.update(gradient, opt_state)
    params = optax.apply_updates(variables["params"], step)
    return {"params": params, **updates}, opt_state, value

  def infer(variables, images):
    return model.apply(variables, images, train=False)[0]

  state = jax.block_until_ready(initialise(jax.random.key(0)))
  start = time.perf_counter()
  step = jax.jit(train, donate_argnums=(0, 1))
  step = step.lower(*state, images, labels).compile()
  seconds = time.perf_counter() - start
  times = []
  for _ in range(args.steps + 2):
    start = time.perf_counter()
    *state, value = step(*state, images, labels)
    jax.block_until_ready((state, value))
    times.append(time.perf_counter() - start)
  infer = jax.jit(infer)
  views = jnp.concatenate([images, images])
  inference = []
  for _ in range(args.steps + 2):
    start = time.perf_counter()
    jax.block_until_ready(infer(state[0], views))
    inference.append(time.perf_counter() - start)
  return {
    "train": args.batch / statistics.median(times[2:]),
    "infer": 2 * args.batch / statistics.median(inference[2:]),
    "compile": seconds,
  }


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--size", type=int, default=64)
  parser.add_argument("--batch", type=int, default=32)
  parser.add_argument("--steps", type=int, default=8)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--model", default="resnet50")
  parser.add_argument("--attention", default="se(ratio=16)")
  parser.add_argument("--torch-model", default="seresnet50")
  parser.add_argument("--torch-python", help="leave out to measure only ours")
  parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.worker:
    print(json.dumps(measure(args)))
    return
  shared = [f"--{key}={getattr(args, key)}" for key in ("size", "batch", "steps")]
  ours = [sys.executable, __file__, "--worker", *shared]
  sides = {"ours": [*ours, f"--model={args.model}", f"--attention={args.attention}"]}
  if args.torch_python:
    theirs = [args.torch_python, str(HERE / "step_speed_torch.py"), *shared]
    for layout in ("contiguous", "channels_last"):
      command = [*theirs, f"--layout={layout}", f"--model={args.torch_model}"]
      sides[f"torch {layout}"] = command
  results = {side: [] for side in sides}
  for _ in range(args.rounds):
    for side, command in sides.items():
      output = subprocess.run(command, check=True, capture_output=True, text=True)
      results[side].append(json.loads(output.stdout.splitlines()[-1]))
      print(side, results[side][-1], flush=True)
  medians = {
    side: {key: statistics.median(r[key] for r in rows) for key in rows[0]}
    for side, rows in results.items()
  }
  for side, row in medians.items():
    print(side, {key: round(value, 1) for key, value in row.items()})
  if args.torch_python:
    for key in ("train", "infer"):
      best = max(row[key] for side, row in medians.items() if side != "ours")
      print(f"{key}: {medians['ours'][key] / best:.2f} of PyTorch's")


if __name__ == "__main__":
  from histojax import allocator

  allocator.use_huge_pages()  # as launch.py does
  main()
