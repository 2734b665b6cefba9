"""Two devices, of one process or of two, compute what one device computes.

A sum over a batch is taken in another order, so float32 agrees to rounding, which six
steps of SGD enlarge. An array may differ by TOLERANCE of its largest value, or of FLOOR
where all of it is smaller: parameters that begin at zero have gradients of 1e-6, which
are differences of numbers a million times as large.
"""

import json
import os
import re
import socket
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

TOLERANCE, FLOOR = 2e-4, 0.01


def start(path, changes=None, devices=1, place=None):
  environ = os.environ | (place or {})
  environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
  command = [sys.executable, str(ROOT / "tests" / "sharded.py"), str(path)]
  return subprocess.Popen([*command, json.dumps(changes or {})], env=environ)


def places(count=2):
  with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
  return [
    {
      "JAX_COORDINATOR_ADDRESS": address,
      "JAX_NUM_PROCESSES": str(count),
      "JAX_PROCESS_ID": str(number),
    }
    for number in range(count)
  ]


def results(processes, paths):
  assert [process.wait(timeout=300) for process in processes] == [0] * len(processes)
  return [dict(np.load(path)) for path in paths]


def disagreement(one, other):
  """{kind: the largest difference of an array, relative to its largest value}."""
  found = {}
  assert one.keys() == other.keys()
  for name, value in one.items():
    there = other[name]
    assert value.shape == there.shape and value.dtype == there.dtype, name
    if value.dtype == np.float32:
      kind = name.split("/")[0].split("[")[0]
      scale = max(np.abs(value).max(), FLOOR)
      found[kind] = max(found.get(kind, 0), np.abs(value - there).max() / scale)
    elif name != "devices":
      np.testing.assert_array_equal(value, there, err_msg=name)
  print({k: f"{v:.1e}" for k, v in found.items()})
  return found


@pytest.mark.full
def test_two_processes_equal_one(tmp_path):
  paths = [tmp_path / "one.npz", tmp_path / "two.npz"]
  started = [start(paths[0]), *(start(paths[1], place=place) for place in places())]
  one, two = results(started, paths)
  assert (one["devices"], two["devices"]) == (1, 2)
  assert max(disagreement(one, two).values()) < TOLERANCE
  assert sorted(zip(two["views/row"], two["views/angle"], strict=True)) == [
    (row, angle) for row in range(31) for angle in (0.0, 180.0)
  ]


VARIANTS = {
  "cbam": {"model.attention": "cbam"},
  "se": {},
  "without": {"model.attention": "none"},
  "sk": {"model.name": "resnext50", "model.attention": "sk", "epochs": 1},
  "frozen norms": {"model.norm": "frozen"},
  "frozen parts": {"model.freeze": "stem|stage2"},
  "expanded": {"augment.canvas": "expand", "augment.normalise": "image"},
}


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_agrees(tmp_path, variant, streamed):
  changes = VARIANTS[variant] | ({"data.device_memory_gib": 0.0} if streamed else {})
  paths = [tmp_path / f"{name}.npz" for name in ("one", "two", "processes")]
  started = [start(paths[0], changes), start(paths[1], changes, devices=2)]
  started += [start(paths[2], changes, place=place) for place in places()]
  one, *others = results(started, paths)
  for other in others:
    assert max(disagreement(one, other).values()) < TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_only_sums_travel_between_devices(tmp_path, streamed):
  path = tmp_path / "step.hlo"
  changes = {"data.device_memory_gib": 0.0} if streamed else {}
  assert start(path, changes, devices=2).wait(timeout=300) == 0
  moves = re.findall(r" (all-\w+|collective-\w+|reduce-scatter)\(", path.read_text())
  assert set(moves) == {"all-reduce"}, "a batch must stay where it was put"


@pytest.mark.slow
def test_our_step_is_pmap_with_averaged_gradients(tmp_path):
  path = tmp_path / "pmap.npz"
  (found,) = results([start(path, {"pmap": True}, devices=2)], [path])
  assert found["moved"] > 1e-3, "the step did nothing"
  assert found["difference"] < 1e-6
