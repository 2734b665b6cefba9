"""PyTorch's half of gpu_table.py: timm, compiled, channels_last, AMP in bfloat16."""

import argparse
import json
import statistics
import time

import torch

if not torch.cuda.is_available():
  # torchvision's operators have no CPU schema in some builds; the names suffice.
  _stubs = torch.library.Library("torchvision", "DEF")
  for _operator in ("nms", "qnms"):
    _stubs.define(
      f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    )

import timm  # noqa: E402


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  for key in ("size", "batch", "classes", "steps"):
    parser.add_argument(f"--{key}", type=int, required=True)
  parser.add_argument("--kind", choices=("train", "infer"), required=True)
  parser.add_argument("--model", required=True, help="name, or name:attention layer")
  args = parser.parse_args()
  gpu = torch.cuda.is_available()
  device = "cuda" if gpu else "cpu"
  torch.backends.cudnn.benchmark = True
  torch.set_float32_matmul_precision("high")
  name, _, attention = args.model.partition(":")
  more = {"block_args": {"attn_layer": attention}} if attention else {}
  if name == "vgg16":
    more = {"global_pool": "avg"}
  model = timm.create_model(name, num_classes=args.classes, **more).to(device)
  model = model.to(memory_format=torch.channels_last)
  batch = args.batch * (1 if args.kind == "train" else 2)
  images = torch.randn(batch, 3, args.size, args.size, device=device)
  images = images.to(memory_format=torch.channels_last)
  labels = torch.randint(args.classes, (batch,), device=device)
  cast = torch.autocast(device, torch.bfloat16)
  if args.kind == "train":
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
    forward = torch.compile(model) if gpu else model

    def step():
      optimizer.zero_grad(set_to_none=True)
      with cast:
        loss = torch.nn.functional.cross_entropy(forward(images), labels)
      loss.backward()
      optimizer.step()

  else:
    forward = torch.compile(model.eval()) if gpu else model.eval()

    def step():
      with torch.inference_mode(), cast:
        forward(images)

  def wait():
    if gpu:
      torch.cuda.synchronize()

  start = time.perf_counter()
  for _ in range(3):
    step()
  wait()
  compiling, waited = time.perf_counter() - start, []
  for _ in range(args.steps):
    start = time.perf_counter()
    step()
    wait()
    waited.append(time.perf_counter() - start)
  start = time.perf_counter()
  for _ in range(args.steps):
    step()
  wait()
  seconds = (time.perf_counter() - start) / args.steps
  found = {
    "images_per_second": batch / seconds,
    "p50_ms": 1e3 * statistics.median(waited),
    "compile_s": compiling,
    "torch": torch.__version__,
    "timm": timm.__version__,
    "device": torch.cuda.get_device_name() if gpu else "cpu, eager",
  }
  print(json.dumps(found))


if __name__ == "__main__":
  main()
