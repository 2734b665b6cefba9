"""Images/s of the view of a batch: python tests/benchmarks/warp_speed.py [repeats]"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from histojax import augment

CASES = (  # batch, height, width, size, canvas
  (32, 181, 181, 64, "inscribed"),
  (8, 343, 287, 224, "expand"),
)


def measure(batch, height, width, size, canvas, repeats):
  """Median seconds of one compiled batch."""
  rng = np.random.default_rng(0)
  images = rng.integers(0, 256, (batch, height, width, 3), dtype=np.uint8)
  extent = np.tile(np.int32([height, width]), (batch, 1))
  angle = np.float32(10 * (np.arange(batch) % 36))
  arguments = jax.device_put((images, extent, angle, jax.random.key(0)))
  view = jax.jit(
    lambda *a: augment.view(
      *a,
      size=size,
      canvas=canvas,
      fill=(0, 0, 0),
      flip="both",
      normalise="fixed",
      mean=(0.5, 0.5, 0.5),
      std=(0.25, 0.25, 0.25),
      dtype=jnp.bfloat16 if jax.default_backend() == "gpu" else jnp.float32,
      train=True,
    )
  )
  jax.block_until_ready(view(*arguments))
  seconds = []
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(view(*arguments))
    seconds.append(time.perf_counter() - start)
  return float(np.median(seconds))


if __name__ == "__main__":
  repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 50
  print(f"{jax.devices()[0].device_kind}, jax {jax.__version__}")
  for case in CASES:
    seconds = measure(*case, repeats)
    batch, height, width, size, canvas = case
    print(
      f"{batch} x {height}x{width} -> {size}, {canvas}: {seconds * 1e3:.2f} ms,"
      f" {batch / seconds:,.0f} images/s"
    )
