"""How much memory there is, and what the images take of it."""

import resource
import sys
import types
from pathlib import Path

import pytest
from conftest import ROOT
from test_resources import limited

from histojax import engine, memory
from histojax.data import tiles

MIB = 2**20


def machine(root, files: dict):
  for name, text in files.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
  return memory.available(root)


def test_memory_is_what_the_control_group_leaves(tmp_path):
  free = {"proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {4096 * 1024} kB\n"}
  assert machine(tmp_path / "bare", free) == 4096 * MIB
  group = "sys/fs/cgroup/job/step"
  files = free | {
    "proc/self/cgroup": "0::/job/step\n",
    f"{group}/memory.max": "max",
    f"{group}/memory.current": str(100 * MIB),
    "sys/fs/cgroup/job/memory.max": str(1000 * MIB),
    "sys/fs/cgroup/job/memory.current": str(300 * MIB),
    "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {50 * MIB}\n",
  }
  assert machine(tmp_path / "v2", files) == 750 * MIB
  group = "sys/fs/cgroup/memory"  # in a container: the path is that of the host
  files = free | {
    "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/1234\n",
    f"{group}/memory.limit_in_bytes": str(500 * MIB),
    f"{group}/memory.usage_in_bytes": str(600 * MIB),
    f"{group}/memory.stat": f"total_inactive_file {200 * MIB}\n",
  }
  assert machine(tmp_path / "v1", files) == 100 * MIB
  assert machine(tmp_path / "nothing", {}) is None


@pytest.mark.parametrize("kind", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_set_too_large_for_the_memory_that_is_free_is_streamed(kind, capsys):
  field = {resource.RLIMIT_AS: "VmSize", resource.RLIMIT_DATA: "VmData"}[kind]
  status = Path("/proc/self/status").read_text().split()
  used = int(status[status.index(f"{field}:") + 1]) * 1024
  assert not engine.must_stream(200 * MIB, 2.0)
  assert capsys.readouterr().out == ""
  with limited(kind, used + 300 * MIB):
    assert engine.must_stream(200 * MIB, 2.0)
    assert not engine.must_stream(100 * MIB, 2.0)
  said = capsys.readouterr().out
  assert "0.20 GiB of tiles, more than half of the 0.2" in said
  assert said.count("streamed from disk, the numbers are the same") == 1
  assert engine.must_stream(200 * MIB, 0.1)
  assert "more than data.device_memory_gib=0.1" in capsys.readouterr().out


def test_memory_of_an_accelerator_is_what_it_says():
  stats = {"bytes_limit": 1000 * MIB, "bytes_in_use": 400 * MIB}
  device = types.SimpleNamespace(platform="gpu", memory_stats=lambda: stats)
  assert memory.available_on(device) == 600 * MIB
  device.memory_stats = lambda: None
  assert memory.available_on(device) is None


def test_one_long_name_does_not_widen_every_row():
  texts = tiles.texts(["n" * 10_000] + ["".join(["gro", "up"]) for _ in range(1_000)])
  assert texts.nbytes == 8 * 1_001 and texts[1] is texts[1_000]
  assert texts.tolist()[1:] == ["group"] * 1_000


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images():
  """30,000 tiles are 350 MiB; the process's own memory grows by a few MiB."""
  sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
  import streaming_memory

  found = streaming_memory.curve((1_000, 30_000))
  assert found["anon_bytes_per_image"] < 800, found


def test_a_peak_is_of_what_came_after_it():
  import jax
  import numpy as np

  def of(size):
    peak = memory.Peak(jax.devices()[0])
    np.ones(size).sum()
    return peak.told()

  large, small = of(40_000_000), of(10)  # 320 MB, and given back
  assert large["whose"] == "process" and large["bound"] == ""
  assert large["bytes"] > small["bytes"] + 200e6


def test_a_count_that_cannot_be_begun_anew_says_at_most(tmp_path):
  """As where a container forbids it: the high mark is that of the whole process."""
  (tmp_path / "proc/self").mkdir(parents=True)
  (tmp_path / "proc/self/clear_refs").mkdir()
  status = tmp_path / "proc/self/status"
  status.write_text("VmHWM: 5 kB\n")
  peak = memory.Peak(types.SimpleNamespace(platform="cpu"), tmp_path)
  assert peak.told() == {"bytes": 5 * 1024, "bound": "at most", "whose": "process"}
  status.write_text("VmHWM: 7 kB\n")
  assert peak.told()["bound"] == ""


def test_a_device_that_held_more_before_says_at_most():
  class Device:
    platform, held = "gpu", 5

    def memory_stats(self):
      return {"peak_bytes_in_use": self.held}

  device = Device()
  peak = memory.Peak(device)
  assert peak.told() == {"bytes": 5, "bound": "at most", "whose": "device"}
  device.held = 7
  assert peak.told() == {"bytes": 7, "bound": "", "whose": "device"}
  device.memory_stats = dict
  assert memory.Peak(device).told() is None
