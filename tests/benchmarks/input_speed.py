"""Images per second from files on disk to batches in memory: ours or PyTorch's.

    PYTHONPATH=. python tests/benchmarks/input_speed.py ours|dataloader [--format png]

1,024 generated pictures of 224 px, batches of 64, two workers. `first` is the epoch
that meets the files for the first time; `later` is any epoch after it. Ours decodes
once and streams uint8 from the cache afterwards, nothing resident; a DataLoader over
Pillow decodes in every epoch. Each batch is copied out of the loader. Prints JSON.
"""

import argparse
import io
import json
import os
import pathlib
import sys
import tempfile
import time

import numpy as np

COUNT, SIZE, BATCH, CLASSES = 1024, 224, 64, ("a", "b")


def write(root: pathlib.Path, suffix: str) -> None:
  """Smooth noise, so that its files are about as large as those of tissue."""
  from PIL import Image

  rng = np.random.default_rng(0)
  for i in range(COUNT):
    coarse = Image.fromarray(rng.integers(0, 256, (28, 28, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), int)
    pixels = np.clip(pixels + rng.integers(-6, 7, pixels.shape), 0, 255)
    folder = root / CLASSES[i % len(CLASSES)]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i:04d}.{suffix}")


def ours(root: pathlib.Path):
  from absl import flags
  from ml_collections import config_dict

  from histojax.data import catalogue, pipeline, tiles
  from histojax.data.plan import EvalPlan

  flags.FLAGS.mark_as_parsed()  # grain reads absl flags
  os.environ["XDG_CACHE_HOME"] = str(root.parent / "cache")
  data = config_dict.ConfigDict(
    {"name": "folder", "source": str(root), "test_source": "", "on_error": "refuse"}
  )

  def epoch():
    found = tiles.prepare(catalogue.find(data), lambda *size: size, "as they are")
    plan = EvalPlan(np.arange(len(found)), BATCH, 1)
    for row in pipeline.rows(plan, found, start=0, streamed=True):
      yield row["image"]

  return epoch


def dataloader(root: pathlib.Path):
  import torch
  from PIL import Image
  from torch.utils.data import DataLoader, Dataset

  class Folder(Dataset):
    def __init__(self):
      self.files = sorted(root.glob("*/*"))

    def __len__(self):
      return len(self.files)

    def __getitem__(self, index):
      with Image.open(self.files[index]) as image:
        return torch.from_numpy(np.array(image.convert("RGB")))

  loader = DataLoader(Folder(), batch_size=BATCH, num_workers=2, prefetch_factor=4)
  return lambda: (batch.numpy() for batch in loader)


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("side", choices=("ours", "dataloader"))
  parser.add_argument("--format", default="png", choices=("png", "jpg"))
  args = parser.parse_args()
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder) / "images"
    write(root, args.format)
    epoch, speeds = {"ours": ours, "dataloader": dataloader}[args.side](root), []
    target = np.empty((BATCH, SIZE, SIZE, 3), np.uint8)
    stderr, sys.stderr = sys.stderr, io.StringIO()  # no progress bars in between
    for _ in range(4):
      start, seen = time.perf_counter(), 0
      for batch in epoch():
        target[: len(batch)] = batch
        seen += len(batch)
      speeds.append(seen / (time.perf_counter() - start))
    sys.stderr = stderr
  print(json.dumps({"first": speeds[0], "later": sorted(speeds[1:])[1]}))


if __name__ == "__main__":
  main()
