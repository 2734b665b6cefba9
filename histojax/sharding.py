"""The mesh and its two shardings: data parallel over every device of this process."""

import jax

from histojax.errors import InputError


def mesh_for(*batch_sizes: int) -> jax.sharding.Mesh:
  """One axis `data` over all devices; a batch is split evenly along it.

  Raises:
    InputError: a batch cannot be split evenly.
  """
  devices = jax.device_count()
  for size in batch_sizes:
    if size < 1 or size % devices:
      raise InputError(
        f"a batch of {size} cannot be split over {devices} devices: set batch_size and"
        f" evaluate_batch_size to multiples of {devices}"
      )
  return jax.make_mesh((devices,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))


def shardings(mesh):
  """(split along the batch, replicated)."""
  return jax.NamedSharding(mesh, jax.P("data")), jax.NamedSharding(mesh, jax.P())
