"""The scratch memory of a step is not cleared page by page at every step."""

import os
import subprocess
import sys

import pytest

from histojax import allocator

PROGRAM = """
import resource, sys
from histojax import allocator
if sys.argv[1] == "huge":
  allocator.use_huge_pages()
import jax
import jax.numpy as jnp

@jax.jit
def step(x):  # writes 64 MB of scratch: the barrier keeps it from being fused away
  y = jax.lax.optimization_barrier(jnp.tanh(x[:, None] + x[None, :]))
  return y.sum(0) / len(x)

x = jax.block_until_ready(step(step(jnp.ones(4096))))
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
  x = jax.block_until_ready(step(x))
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 8)
"""


def faults(mode, **settings):
  environment = {k: v for k, v in os.environ.items() if k != allocator.TUNABLES}
  command = [sys.executable, "-c", PROGRAM, mode]
  done = subprocess.run(
    command, check=True, capture_output=True, env=environment | settings
  )
  return int(done.stdout)


def test_scratch_memory_comes_in_large_pages():
  small = faults("as it comes")
  if small < 5_000 or "[madvise]" not in allocator._KERNEL.read_text():
    pytest.skip("this kernel or C library does without")
  assert faults("huge") < small / 10
  # settings of the user's own stand
  assert faults("huge", **{allocator.TUNABLES: "glibc.malloc.check=0"}) > small / 2
