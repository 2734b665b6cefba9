"""What a job of a study asks Slurm for: `--slurm=partition=gpu,time=4h,gpus=1`."""

import re

from histojax.errors import InputError, nearest

EXAMPLE = "--slurm=partition=gpu,time=4h,gpus=1"
TIME = "4h"  # where none is given; a member that needs longer takes several turns
# our key: submitit's name of it
TEXTS = {
  "partition": "partition", "account": "account", "qos": "qos", "mem": "mem",
  "constraint": "constraint", "gres": "gres", "exclude": "exclude",
}  # fmt: skip
COUNTS = {
  "gpus": "gpus_per_node", "cpus": "cpus_per_task", "nodes": "nodes",
  "at_once": "array_parallelism",
}  # fmt: skip
SHORTEST = 5  # minutes
UNITS = {"min": 1, "h": 60, "d": 24 * 60}
LONGEST = 5 * 60  # seconds before its end at which a job is told to save


def read(text: str) -> dict:
  """Parameters of `submitit.SlurmExecutor` for a text of key=value,key=value.

  Keys are sbatch's own names: partition, account, qos, constraint, gres, exclude, mem,
  nodes, time; and gpus (of each node), cpus (of each node's process), at_once (how many
  members may run at the same time). `nodes` puts each member on several machines.

  Raises:
    InputError: an unknown key, or a value that is none.
  """
  found, time = {}, TIME
  for part in re.split(r",(?=\w+=)", text.strip().strip(",")):
    key, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or not value:
      raise InputError(f"--slurm: {part!r} is no key=value; say, {EXAMPLE}")
    if key == "time":
      time = value
    elif key in TEXTS:
      found[TEXTS[key]] = value
    elif key in COUNTS:
      if not re.fullmatch(r"[1-9]\d{0,5}", value):
        raise InputError(f"--slurm: {key}={value}: expected a whole number from 1")
      found[COUNTS[key]] = int(value)
    else:
      known = nearest(key, ["time", *TEXTS, *COUNTS])
      raise InputError(f"--slurm: no key {key!r}; {known}")
  found["time"] = minutes(time)
  if found["time"] < SHORTEST:  # Slurm's signal may come a minute early
    raise InputError(f"--slurm: time={time}: give a job at least {SHORTEST} minutes")
  found["signal_delay_s"] = min(LONGEST, found["time"] * 60 // 3)
  if cpus := found.get("cpus_per_task"):  # since 22.05 srun does not ask its sbatch
    found["srun_args"] = [f"--cpus-per-task={cpus}"]
  return found


def minutes(text: str) -> int:
  """Of `90`, `90min`, `4h`, `2d`, or sbatch's `H:MM:SS`, `MM:SS`, `D-HH[:MM[:SS]]`.

  Raises:
    InputError: none of these, or no time at all.
  """
  days = re.fullmatch(r"(\d{1,4})-(\d+)(?::(\d+))?(?::(\d+))?", text)
  clock = re.fullmatch(r"(?:(\d{1,6}):)?(\d{1,6}):(\d\d)", text)
  plain = re.fullmatch(r"(\d{1,7})(min|h|d|)", text)
  if days:
    day, hour, minute, _ = (int(part or 0) for part in days.groups())
    found = (day * 24 + hour) * 60 + minute
  elif clock:
    found = int(clock[1] or 0) * 60 + int(clock[2])
  else:
    found = int(plain[1]) * UNITS.get(plain[2], 1) if plain else 0
  if not found:
    raise InputError(
      f"--slurm: time={text}: expected 90min, 4h, 2d, or as sbatch has it: 4:00:00"
    )
  return found
