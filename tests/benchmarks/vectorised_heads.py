"""Ten heads x five folds on cached features: ours side by side, PyTorch one by one.

    python tests/benchmarks/vectorised_heads.py --rounds 3 --torch-path <site-packages>
    python tests/benchmarks/vectorised_heads.py --torch-python <python with PyTorch>

10,000 x 2,048 SYNTHETIC features of nine classes, batch 64, 20 epochs, SGD with
momentum, float32. PyTorch trains one head after the other with tensors in memory, two
threads, and fetches no loss; ours fetches what every run logs of every step. Each side
is a process of its own, in turns; medians of the rounds. --torch-members=2 times two
members of the fifty and takes the others to be as long, since they are the same loop.
Writes results/heads.json.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
IMAGES, WIDTH, CLASSES, BATCH, FOLDS, HEADS = 10_000, 2048, 9, 64, 5, 10
CASES = {  # what differs between the ten heads of a fold
  "linear, ten learning rates": ("linear", "rates"),
  "linear, ten seeds": ("linear", "seeds"),
  "mlp(hidden=256), ten learning rates": ("mlp(hidden=256, dropout=0.5)", "rates"),
}
SIDES, BUSY = ("ours", "theirs"), 3.0  # load that tells of others at work
RATES = [0.001 * 2**i for i in range(HEADS)]


def data():
  import numpy as np

  rng = np.random.default_rng(0)
  centres = 0.05 * rng.standard_normal((CLASSES, WIDTH))
  labels = rng.integers(0, CLASSES, IMAGES).astype(np.int32)
  noise = rng.standard_normal((IMAGES, WIDTH), dtype=np.float32)
  return np.float32(centres[labels]) + noise, labels, np.arange(IMAGES) % FOLDS


def ours(spec: str, differ: str, epochs: int) -> dict:
  import jax
  import numpy as np

  from histojax import losses, optimizer, sharding, steps
  from histojax.data.plan import TrainPlan
  from histojax.studies import features, heads, together

  array, labels, fold = data()
  held = features.Features(array[:, None, None], labels)
  tiles = held.on(sharding.shardings(sharding.mesh_for(BATCH))[1])
  model = heads.Head(CLASSES, spec, "float32")
  of_head = {"model": model, "tx": optimizer.sgd(0.9, 0.0), "ema": 0.0}
  of_head |= {
    "loss": losses.create("cross_entropy"),
    "view": heads.Lookup(1, 1, "none"),
  }
  program = together.program(**of_head)

  @jax.jit
  def init(seed):
    params_key, key = jax.random.split(jax.random.key(seed))
    params = model.init(params_key, tiles["image"][:1], train=False)["params"]
    start = of_head["tx"].init(params)
    return steps.TrainState(np.int32(0), params, {}, {}, start, key)

  def plan(rows, seed, rate):
    return TrainPlan(rows, BATCH, epochs, seed, 1, "none", lambda *_: rate)

  def train(test, members, epochs_of):
    """The heads of one stream; their share of right answers on the fold they lack."""
    plans = [plan(np.flatnonzero(fold != test), *member) for member in members]
    stacked = heads.stack([init(seed) for seed, _ in members])
    for start, stop in list(together.spans(plans[0]))[:epochs_of]:
      rows = together.rows_of(plans, start, stop)
      stacked, metrics = program(stacked, tiles, rows)
      jax.device_get(metrics)
    row = {"index": np.flatnonzero(fold == test).astype(np.int32)}
    found = evaluate(stacked, tiles, row)["probability"]
    return (np.asarray(found).argmax(-1) == labels[row["index"]]).mean(-1)

  evaluate = jax.jit(
    lambda *given: heads.eval_step(*given, model=model, view=of_head["view"])
  )
  streams = [[(0, rate) for rate in RATES]]
  if differ == "seeds":
    streams = [[(seed, RATES[0])] for seed in range(HEADS)]
  begun = time.perf_counter()
  train(0, streams[0], 1)
  compiled = time.perf_counter() - begun
  begun, right = clocks(), []
  for test in range(FOLDS):
    for members in streams:
      right.extend(train(test, members, epochs))
  told = since(begun) | {"first_epoch": compiled}
  return told | {"accuracy": float(np.mean(right))}


def theirs(spec: str, epochs: int, members: int) -> dict:
  import torch
  from torch import nn

  torch.set_num_threads(2)
  torch.manual_seed(0)
  array, labels, fold = data()
  x, y = torch.from_numpy(array), torch.from_numpy(labels).long()
  right, begun = [], clocks()
  for member in range(members):
    test, rate = member % FOLDS, RATES[member // FOLDS]
    rows, other = (torch.from_numpy(which) for which in (fold != test, fold == test))
    rows, other = rows.nonzero()[:, 0], other.nonzero()[:, 0]
    head = nn.Linear(WIDTH, CLASSES)
    if spec != "linear":
      last = nn.Dropout(0.5), nn.Linear(256, CLASSES)
      head = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), *last)
    sgd = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(epochs):
      order = rows[torch.randperm(len(rows))]
      for batch in order.split(BATCH):
        loss = loss_of(head(x[batch]), y[batch])
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    with torch.no_grad():
      right.append((head.eval()(x[other]).argmax(-1) == y[other]).float().mean().item())
  told = {k: v * FOLDS * HEADS / members for k, v in since(begun).items()}
  return told | {"members": members, "accuracy": sum(right) / members}


def clocks() -> tuple[float, float]:
  return time.perf_counter(), time.process_time()


def since(begun) -> dict:
  """Seconds on the wall, and of both cores: others' work lengthens only the first."""
  wall, cores = clocks()
  return {"seconds": wall - begun[0], "core_seconds": cores - begun[1]}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument("--epochs", type=int, default=20)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--case", action="append", choices=CASES, help="default: all")
  parser.add_argument("--torch-members", type=int, default=FOLDS * HEADS)
  parser.add_argument("--torch-python", default=sys.executable)
  parser.add_argument("--torch-path", help="PYTHONPATH of PyTorch's side")
  parser.add_argument("--out", default=str(HERE / "results" / "heads.json"))
  parser.add_argument("--worker", choices=SIDES, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.worker:
    spec, differ = CASES[args.case[0]]
    if args.worker == "ours":
      found = ours(spec, differ, args.epochs)
    else:
      found = theirs(spec, args.epochs, args.torch_members)
    print(json.dumps(found))
    return

  cases, found = args.case or list(CASES), {}
  for turn in range(args.rounds):
    for case in cases:
      for side in SIDES:
        if (side, CASES[case][1]) == ("theirs", "seeds"):
          continue  # to a loop over heads, seeds and rates are the same work
        found.setdefault(case, {}).setdefault(side, []).append(run(side, case, args))
        told = found[case][side][-1]
        print(turn, side, case, {k: round(v, 3) for k, v in told.items()}, flush=True)
  for row in found.values():
    other = row if "theirs" in row else found.get(cases[0], {})
    for key in ("seconds", "core_seconds"):
      middle = [
        statistics.median(r[key] for r in rows)
        for rows in (row["ours"], other.get("theirs", []))
        if rows
      ]
      row[key] = middle[0]
      row[f"ratio_{key}"] = middle[1] / middle[0] if len(middle) > 1 else None
  write(args, found)


def run(side: str, case: str, args) -> dict:
  """One side in a process of its own, and the load of the machine before it."""
  python = args.torch_python if side == "theirs" else sys.executable
  command = [python, __file__, f"--worker={side}", f"--case={case}"]
  command += [f"--epochs={args.epochs}", f"--torch-members={args.torch_members}"]
  environment = os.environ | {"OMP_NUM_THREADS": "2"}
  root = str(HERE.parent.parent)
  environment["PYTHONPATH"] = args.torch_path or "" if side == "theirs" else root
  load = os.getloadavg()[0]
  output = subprocess.run(
    command, check=True, stdout=subprocess.PIPE, text=True, env=environment
  )
  return json.loads(output.stdout.splitlines()[-1]) | {"load": load}


def write(args, found: dict) -> None:
  from histojax import environment

  path = pathlib.Path(args.out)
  held = json.loads(path.read_text())["cases"] if path.exists() else {}
  for row in found.values():
    row["epochs"] = args.epochs
    row["quiet"] = max(r["load"] for side in SIDES for r in row.get(side, [])) < BUSY
    if not row["quiet"]:  # PyTorch's two threads wait for each other: no fair ratio
      row["ratio_seconds"] = row["ratio_core_seconds"] = None
    row["command"] = " ".join(["python", *sys.argv])
  content = {
    "processor": environment.processor(),
    "cores": len(os.sched_getaffinity(0)),
    "what": f"{HEADS} heads x {FOLDS} folds, batch {BATCH}, {IMAGES:,} x {WIDTH:,}"
    " SYNTHETIC features; seconds without compiling, core_seconds of both cores",
    "cases": held | found,
  }
  path.write_text(json.dumps(content, indent=1) + "\n")
  for case, row in found.items():
    ratio = f"PyTorch {row['ratio_seconds'] or 0:.1f} times as long"
    told = ratio if row["quiet"] else "too busy a machine to compare"
    print(
      f"{case}: {row['seconds']:.1f} s ({row['core_seconds']:.1f} of cores), {told}"
    )


if __name__ == "__main__":
  sys.path.insert(0, str(HERE.parent.parent))
  main()
