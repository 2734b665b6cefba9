"""The PyTorch half of step_speed.py: timm's model, eager or compiled; one JSON line."""

import argparse
import json
import statistics
import time

import torch

# torchvision's operators have no CPU schema in this combination; the names suffice.
_stubs = torch.library.Library("torchvision", "DEF")
for _operator in ("nms", "qnms"):
  _stubs.define(
    f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
  )

import timm  # noqa: E402


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--size", type=int, default=64)
  parser.add_argument("--batch", type=int, default=32)
  parser.add_argument("--steps", type=int, default=8)
  parser.add_argument("--model", default="seresnet50")
  parser.add_argument("--layout", default="contiguous")
  parser.add_argument("--compiled", action="store_true", help="by torch.compile")
  args = parser.parse_args()
  torch.set_num_threads(2)
  layout = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
  }[args.layout]
  model = timm.create_model(args.model, num_classes=3).to(memory_format=layout)
  shape = (args.batch, 3, args.size, args.size)
  images = torch.randn(shape).to(memory_format=layout)
  labels = torch.randint(3, (args.batch,))
  optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
  called = torch.compile(model) if args.compiled else model

  def train():
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.cross_entropy(called(images), labels).backward()
    optimizer.step()

  def timed(function) -> float:
    times = []
    for _ in range(args.steps + 2):
      start = time.perf_counter()
      function()
      times.append(time.perf_counter() - start)
    return statistics.median(times[2:])

  trained = args.batch / timed(train)
  model.eval()
  views = torch.cat([images, images]).contiguous(memory_format=layout)
  with torch.inference_mode():
    inferred = 2 * args.batch / timed(lambda: called(views))
  print(json.dumps({"train": trained, "infer": inferred}))


if __name__ == "__main__":
  main()
