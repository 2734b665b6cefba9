"""Memory of the streaming path against the number of images.

    python tests/benchmarks/streaming_memory.py [result.json]

For each count, in a process of its own: opens a decode cache of that many 64 px images
(holes in a file: nothing is decoded), splits it by group, plans, and streams 300
batches of 32 to the device, as a run does. `anon` is memory that is the process's own
and can only be swapped; `file` is what is mapped of the cache, which the kernel takes
back when it needs it. Peaks are sampled every 5 ms. The rest of a run (network, step,
checkpoints) does not know how many images there are. Prints a table, writes JSON.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

COUNTS = (1_000, 10_000, 50_000, 100_000)
SIZE, BATCH, BATCHES, CLASSES, PER_GROUP = 64, 32, 300, 4, 20
CONFIG = Path(__file__).parents[2] / "configs" / "folder.py"


def write(folder: Path, count: int) -> None:
  """What `fill` writes for `count` images."""
  shape = count, SIZE, SIZE, 3
  np.lib.format.open_memmap(folder / "tiles.npy", "w+", np.uint8, shape)
  rows = range(count)
  group = [f"patient-{i // PER_GROUP:05d}" for i in rows]
  label = [i // PER_GROUP % CLASSES for i in rows]
  meta = {
    "image_id": [f"class-{label[i]}/{group[i]}/tile_{i:06d}.png" for i in rows],
    "group": group,
    "label": label,
    "split": [""] * count,
    "digest": [f"{i:032x}" for i in rows],
    "extent": [(SIZE, SIZE)] * count,
    "classes": [f"class-{k}" for k in range(CLASSES)],
    "skipped": [],
  }
  (folder / "tiles.json").write_text(json.dumps(meta))


def opened(count: int):
  """The tiles, through the front door; their cache is written where it is missing."""
  from histojax.data import tiles
  from histojax.data.catalogue import DataSet

  tiles._build = lambda dataset: None
  tiles.fill = lambda builder, partial, *_: write(partial, count)
  dataset = DataSet("benchmark", count, f"{count}", None, "")
  return tiles.prepare(dataset, lambda *size: size, "as they are")


def used() -> dict[str, int]:
  status = Path("/proc/self/status").read_text()
  names = {"anon": "RssAnon", "file": "RssFile"}
  return {
    k: int(re.search(rf"{v}:\s+(\d+)", status)[1]) * 1024 for k, v in names.items()
  }


class Peak(threading.Thread):
  """The largest of each kind of memory since the last look."""

  def __init__(self):
    super().__init__(daemon=True)
    self.most = used()
    self.start()

  def run(self):
    while True:
      now = used()
      self.most = {k: max(v, now[k]) for k, v in self.most.items()}
      time.sleep(0.005)

  def look(self) -> dict[str, int]:
    found, self.most = {"peak": self.most, "now": used()}, used()
    return found


def measure(count: int) -> dict:
  import jax
  from absl import flags

  from histojax import planning, startup
  from histojax.data import splits
  from histojax.engine import Engine

  flags.FLAGS.mark_as_parsed()  # grain reads absl flags
  config = startup.load_config(f"{CONFIG}:quick")
  config.model.name, config.batch_size = "resnet_tiny", BATCH
  config.data.device_memory_gib = 0.0
  config.epochs = 1_000
  jax.block_until_ready(jax.numpy.zeros(1))
  opened(20)  # what the first opening imports is no matter of the count
  peak, found = Peak(), {}
  found["start"], began = peak.look(), time.perf_counter()
  data = opened(count)
  found["opened"], open_seconds = peak.look(), time.perf_counter() - began
  split = splits.make(data, config.split)
  json.dumps(splits.record(data, split))
  plan = planning.make_plan(config, split.train, data)
  engine = Engine(config, data)
  batches = engine.batches(plan)
  jax.block_until_ready(next(batches))
  found["first batch"], start_seconds = peak.look(), time.perf_counter() - began
  began = time.perf_counter()
  for _ in range(BATCHES):
    jax.block_until_ready(next(batches))
  seconds = time.perf_counter() - began
  found["streamed"] = peak.look()
  return {
    "images": count,
    "tiles_bytes": data.image.nbytes,
    "metadata_bytes": sum(
      getattr(data, k).nbytes
      for k in ("extent", "label", "group", "image_id", "split", "digest")
    ),
    "memory": found,
    "seconds_to_open": round(open_seconds, 2),
    "seconds_to_first_batch": round(start_seconds, 2),
    "batches_per_second": round(BATCHES / seconds, 1),
  }


def curve(counts) -> dict:
  """One row per count, and what an image costs of the process's own memory."""
  rows = []
  with tempfile.TemporaryDirectory() as folder:
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"XDG_CACHE_HOME": folder, "PYTHONPATH": root}
    for count in counts:
      for job in ("write", "measure"):
        command = [sys.executable, __file__, job, str(count)]
        output = subprocess.run(
          command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
      rows.append(json.loads(output.splitlines()[-1]))
      print(line(rows[-1]), flush=True)
  first, last = rows[0], rows[-1]
  grown, more = anon(last) - anon(first), last["images"] - first["images"]
  result = {
    "size": SIZE, "batch": BATCH, "batches": BATCHES, "cores": os.cpu_count(),
    "anon_bytes_per_image": round(grown / more, 1), "rows": rows,
  }  # fmt: skip
  print(f"own memory per image: {result['anon_bytes_per_image']:,} bytes")
  return result


def anon(row: dict, when: str = "streamed", kind: str = "peak") -> int:
  return row["memory"][when][kind]["anon"]


def line(row: dict) -> str:
  mib = 2**20
  start = anon(row, "start", "now")
  peak = max(anon(row, when) for when in row["memory"])
  return (
    f"{row['images']:>8,} images, {row['tiles_bytes'] / mib:7.1f} MiB of tiles:"
    f" own memory +{(anon(row) - start) / mib:.1f} MiB while streaming"
    f" (+{(peak - start) / mib:.1f} at most while starting),"
    f" mapped {row['memory']['streamed']['now']['file'] / mib:.0f} MiB,"
    f" first batch after {row['seconds_to_first_batch']} s,"
    f" {row['batches_per_second']} batches/s"
  )


if __name__ == "__main__":
  job = sys.argv[1] if len(sys.argv) > 1 else ""
  if job == "write":
    opened(20)
    opened(int(sys.argv[2]))
  elif job == "measure":
    print(json.dumps(measure(int(sys.argv[2]))))
  else:
    results = Path(__file__).parent / "results" / "streaming_memory.json"
    found = json.dumps(curve(COUNTS), indent=1) + "\n"
    (Path(job) if job else results).write_text(found)
