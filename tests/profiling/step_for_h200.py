"""Compiles one training step for an H200 that is not here, and says what it moves.

    python tests/profiling/step_for_h200.py --model resnet50 --attention 'se(ratio=16)'

224 px, batch 256, bfloat16, SGD with momentum, 1,024 resident tiles. Needs jax[cuda13].
The last line is JSON; before it, by kind, by block, and the largest kernels.
"""

import argparse
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
SMALL = 56 * 56 * 4  # elements per image: less is a gate, a pooled map or a statistic
OUTSIDE = ("augment", "optimizer", "other")


def configured(model, attention, batch, size, **arguments):
  """A config of the liver study's form with another model in it."""
  from ml_collections import config_dict

  from histojax import startup

  c = startup.load_config(str(ROOT / "configs" / "liver_senet.py"))
  arguments |= {"name": model, "attention": attention, "dtype": "bfloat16"}
  with c.unlocked():
    c.model = config_dict.ConfigDict(arguments)
  c.batch_size, c.augment.size, c.augment.canvas = batch, size, "same"
  c.augment.normalise, c.augment.flip = "fixed", "both"
  c.optimizer.momentum, c.optimizer.weight_decay = 0.9, 0.0
  return c


def wide_activations(count, parameter_sizes) -> list[str]:
  """Kernels of the network that write a float32 array as large as an activation."""
  return [
    f"{k.name} of {k.layer}: {a.dtype}{list(a.dims)}"
    for k in count.kernels
    for a in k.results
    if a.dtype in ("f32", "f64") and a.dims and a.dims[0] % count.batch == 0
    and a.size > SMALL * count.batch and a.size not in parameter_sizes
    and k.block not in OUTSIDE
  ]  # fmt: skip


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--model", default="resnet50")
  parser.add_argument("--attention", default="none")
  parser.add_argument("--batch", type=int, default=256)
  parser.add_argument("--size", type=int, default=224)
  parser.add_argument("--classes", type=int, default=1000)
  parser.add_argument("--arguments", default="{}", help="JSON: others of the model")
  args = parser.parse_args()

  from histojax.profiling import targets

  os.environ.update(targets.environment("h200") | {"TF_CPP_MIN_LOG_LEVEL": "3"})
  more = json.loads(args.arguments)
  config = configured(args.model, args.attention, args.batch, args.size, **more)
  count = targets.count(config, "h200", args.classes, args.size)
  for key in (lambda k: k.kind, lambda k: k.block):
    for name, (kernels, gigabytes, teraflops, floor) in count.rows(key).items():
      each = gigabytes * 1e3 / args.batch, teraflops * 1e3 / args.batch
      print(
        f"{name:<42}{kernels:5} {each[0]:8.2f} MB {each[1]:7.2f} GF {floor:7.2f} ms"
      )
    print()
  for k in sorted(count.kernels, key=lambda k: -k.bytes)[:20]:
    print(f"{k.bytes / 1e6 / args.batch:8.2f} MB  {k.layer:<28} {k.kind:<36} {k.name}")

  import jax

  from histojax import engine, steps

  model, tx, view = engine.parts(config, args.classes)
  state = jax.eval_shape(
    lambda key: steps.init(key, model=model, tx=tx, view=view), jax.random.key(0)
  )
  found = {
    "megabytes_per_image": round(count.bytes_per_image / 1e6, 1),
    "kernels": count.launches,
    "gigaflops_per_image": round(count.flops / args.batch / 1e9, 2),
    "floor_images_per_second": round(args.batch / count.seconds),
    "peak_gib": round(count.memory["peak"] / 2**30, 2),
    "wide_activations": wide_activations(
      count, {leaf.size for leaf in jax.tree.leaves(state)}
    ),
    "select_and_scatter": "select-and-scatter" in count.text,
    "notes": count.notes,
  }
  print(json.dumps(found))


if __name__ == "__main__":
  main()
