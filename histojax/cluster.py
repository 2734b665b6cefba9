"""Which process of how many this is, as Slurm, Open MPI or the variables of JAX say."""

import glob
import os
from collections.abc import Mapping
from typing import NamedTuple

from histojax.errors import InputError

ADDRESS = "JAX_COORDINATOR_ADDRESS"
COUNT, NUMBER = "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
# the first that is set counts; the last is an indexed job of Kubernetes
COUNTS = (COUNT, "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
NUMBERS = (NUMBER, "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "JOB_COMPLETION_INDEX")
# present where JAX itself finds the address of process 0: `srun`, `mpirun`
FINDS_ADDRESS = ("SLURM_STEP_NODELIST", "OMPI_MCA_orte_hnp_uri")


class Place(NamedTuple):
  """The arguments of `jax.distributed.initialize`."""

  coordinator_address: str | None  # None: JAX finds it
  num_processes: int
  process_id: int
  local_device_ids: list[int] | None  # among the GPUs this process sees; None: all


def find(environ: Mapping[str, str] = os.environ) -> Place | None:
  """This process's place in its run, or None where the run has one process.

  Reads the environment and nothing else.

  Raises:
    InputError: a place that is given in part, or makes no sense.
  """
  ours = {name: environ.get(name, "") for name in (ADDRESS, COUNT, NUMBER)}
  count, number = (_first(environ, names) for names in (COUNTS, NUMBERS))
  if count == 1 or not (any(ours.values()) or count):
    return None
  address = ours[ADDRESS] or None
  known = address or any(name in environ for name in FINDS_ADDRESS)
  if not known or count is None or number is None:
    lacking = zip((known, count is not None, number is not None), ours, strict=True)
    names = ", ".join(name for there, name in lacking if not there)
    raise InputError(
      f"of the processes of this run, {names} is not known: set {ADDRESS}=host:port of"
      f" process 0, {COUNT} and {NUMBER} for every process, or {COUNT}=1"
    )
  if address and not address.rpartition(":")[2].isdigit():
    raise InputError(f"{ADDRESS}={address!r}: expected host:port of process 0")
  if not 0 <= number < count:
    raise InputError(
      f"process {number} of {count}: {NUMBER} runs from 0 to {COUNT} - 1"
    )
  return Place(address, count, number, _gpus(environ))


def _first(environ, names) -> int | None:
  name = next((name for name in names if environ.get(name)), None)
  if name is None:
    return None
  try:
    return int(environ[name])
  except ValueError:
    raise InputError(f"{name}={environ[name]!r}: expected a whole number") from None


def _gpus(environ) -> list[int] | None:
  """Splits the GPUs that several processes of one machine see alike.

  JAX would give process k of a machine its k-th GPU, which is wrong where Slurm shows
  each process only its own, or where there are more GPUs than processes.
  """
  if environ.get("JAX_LOCAL_DEVICE_IDS"):
    return None  # JAX reads it
  shown = environ.get("CUDA_VISIBLE_DEVICES")
  shown = glob.glob("/dev/nvidia[0-9]*") if shown is None else shown.split(",")
  here, place = _first(environ, ("OMPI_COMM_WORLD_LOCAL_SIZE",)), 0
  if "SLURM_LOCALID" in environ:
    # '2(x3),1': two processes on each of three machines, then one
    tasks = environ.get("SLURM_STEP_TASKS_PER_NODE", "1").split(",")
    here, place = max(int(part.split("(")[0]) for part in tasks), "SLURM_LOCALID"
  elif here:
    place = "OMPI_COMM_WORLD_LOCAL_RANK"
  own = any(k in environ for k in ("SLURM_GPUS_PER_TASK", "SLURM_TRES_PER_TASK"))
  if own or not here or len(shown) < max(here, 2):
    return list(range(len(shown)))
  each = len(shown) // here
  place = int(environ[place])
  return list(range(place * each, (place + 1) * each))
