"""Where a process stands, from the environment alone."""

import pytest

from histojax import cluster
from histojax.errors import InputError

GIVEN = {
  "JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234",
  "JAX_NUM_PROCESSES": "2",
  "JAX_PROCESS_ID": "1",
}
SLURM = {
  "SLURM_JOB_ID": "7",
  "SLURM_STEP_NODELIST": "node[1-2]",
  "SLURM_STEP_NUM_TASKS": "8",
  "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
  "SLURM_NTASKS": "8",
  "SLURM_PROCID": "6",
  "SLURM_LOCALID": "2",
}


@pytest.mark.parametrize(
  ("environ", "place"),
  [
    ({}, None),
    ({"JAX_NUM_PROCESSES": "1"}, None),
    (SLURM | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, None),
    (SLURM | {"JAX_NUM_PROCESSES": "1"}, None),  # as many runs as tasks
    # the shell of a batch job, in which nothing was started by srun
    ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, None),
    (GIVEN, ("10.0.0.1:1234", 2, 1)),
    (SLURM, (None, 8, 6)),
    (SLURM | {"JAX_COORDINATOR_ADDRESS": "a:1"}, ("a:1", 8, 6)),
    (
      {
        "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:3",
        "OMPI_COMM_WORLD_SIZE": "2",
        "OMPI_COMM_WORLD_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
      },
      (None, 2, 1),
    ),
    (
      {k: v for k, v in GIVEN.items() if k != "JAX_PROCESS_ID"}
      | {"JOB_COMPLETION_INDEX": "0"},
      ("10.0.0.1:1234", 2, 0),
    ),
  ],
)
def test_the_place_of_a_process(environ, place):
  found = cluster.find(environ)
  assert (found and tuple(found[:3])) == place


@pytest.mark.parametrize("lacking", GIVEN)
def test_a_place_given_in_part_is_refused(lacking):
  environ = {k: v for k, v in GIVEN.items() if k != lacking}
  with pytest.raises(InputError, match=f"{lacking} is not known"):
    cluster.find(environ)


@pytest.mark.parametrize(
  ("change", "sentence"),
  [
    ({"JAX_PROCESS_ID": "2"}, "process 2 of 2: JAX_PROCESS_ID runs from 0"),
    ({"JAX_PROCESS_ID": "one"}, "JAX_PROCESS_ID='one': expected a whole number"),
    ({"JAX_COORDINATOR_ADDRESS": "10.0.0.1"}, "expected host:port of process 0"),
  ],
)
def test_a_place_that_makes_no_sense_is_refused(change, sentence):
  with pytest.raises(InputError, match=sentence):
    cluster.find(GIVEN | change)


@pytest.mark.parametrize(
  ("environ", "gpus"),
  [
    # one of the four that all processes of the machine see
    (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, [2]),
    # two each of eight
    (SLURM | {"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"}, [4, 5]),
    # each process is shown its own: --gpus-per-task, --gpu-bind
    (SLURM | {"CUDA_VISIBLE_DEVICES": "3"}, [0]),
    (
      SLURM | {"CUDA_VISIBLE_DEVICES": "0,1,2,3", "SLURM_GPUS_PER_TASK": "4"},
      [0, 1, 2, 3],
    ),
    # one process a machine
    (
      SLURM
      | {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "SLURM_STEP_TASKS_PER_NODE": "1(x8)",
        "SLURM_LOCALID": "0",
      },
      [0, 1],
    ),
    (GIVEN | {"CUDA_VISIBLE_DEVICES": "0,1"}, [0, 1]),
    (GIVEN | {"CUDA_VISIBLE_DEVICES": "0,1", "JAX_LOCAL_DEVICE_IDS": "1"}, None),
  ],
)
def test_the_gpus_of_a_process(environ, gpus):
  assert cluster.find(environ).local_device_ids == gpus
