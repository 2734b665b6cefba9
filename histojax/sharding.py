"""The mesh and its two shardings: data parallel over every device of every process."""

import jax
import jax.numpy as jnp
import numpy as np

from histojax import processes
from histojax.errors import InputError


def mesh_for(*batch_sizes: int, devices=None) -> jax.sharding.Mesh:
  """One axis `data` over all devices, or `devices`; a batch is split evenly along it.

  Raises:
    InputError: a batch cannot be split evenly.
  """
  count = len(devices) if devices else jax.device_count()
  for size in batch_sizes:
    if size < 1 or size % count:
      raise InputError(
        f"a batch of {size} cannot be split over {count} devices: set batch_size and"
        f" evaluate_batch_size to multiples of {count}"
      )
  auto = (jax.sharding.AxisType.Auto,)
  return jax.make_mesh((count,), ("data",), axis_types=auto, devices=devices)


def shardings(mesh):
  """(split along the batch, replicated)."""
  return jax.NamedSharding(mesh, jax.P("data")), jax.NamedSharding(mesh, jax.P())


def meet(mesh) -> None:
  """Waits for the other processes, and connects with their devices.

  Gloo gives up where they come 30 s late to their first sum, as they may when one finds
  a program in the compilation cache and the other does not; later it is patient.
  """
  if processes.count() == 1:
    return
  processes.wait()
  split, replicated = shardings(mesh)
  ones = put(np.ones(mesh.size, np.float32), split)
  jax.block_until_ready(jax.jit(jnp.sum, out_shardings=replicated)(ones))


def rows_here(split, batch_size: int) -> np.ndarray:
  """The places in a batch that the devices of this process hold, int [b], ascending."""
  places = np.arange(batch_size)
  found = split.addressable_devices_indices_map((batch_size,)).values()
  return np.unique(np.concatenate([places[index] for index in found]))


def put(arrays, sharding):
  """Host arrays onto the devices: of each one, the rows that belong to this process.

  `sharding` is one for all, or a tree like `arrays`.
  """
  with jax.transfer_guard_host_to_device("allow"):  # meant, as a device_put would be
    return jax.make_array_from_process_local_data(sharding, arrays)
