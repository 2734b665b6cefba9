"""What this machine is, as far as numbers may depend on it."""

import os
import platform
from pathlib import Path

from histojax import processes


def environment() -> dict:
  """Versions, device and core count: what a bit-exact resume depends on."""
  import importlib.metadata as metadata

  import jax

  packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
  device = jax.devices()[0]
  return {
    "python": platform.python_version(),
    "system": f"{platform.system()} {platform.machine()}",
    "processor": processor(),
    "cores": len(os.sched_getaffinity(0)),
    "devices": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
    "processes": processes.count(),
    "versions": {name: metadata.version(name) for name in packages},
  }


def processor() -> str:
  """The CPU's model name, as Linux tells it."""
  try:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    lines = []
  names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
  return names[0] if names else platform.machine()
