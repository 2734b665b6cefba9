"""What a machine can lack: one sentence, the last good state intact, and on it goes."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from namespace import Namespace
from test_experiment import as_flags, request

from histojax import (
  atomic,
  checkpoint,
  console,
  experiment,
  runs,
  tensorboard,
)
from histojax.data import catalogue, synthetic_liver, tiles
from histojax.errors import InputError, naming, of_machine


@contextlib.contextmanager
def limited(kind: int, most: int):
  """Within, the kernel holds this process to a limit of `most`."""
  old = resource.getrlimit(kind)
  resource.setrlimit(kind, (most, old[1]))
  try:
    yield
  finally:
    resource.setrlimit(kind, old)


def files_of(most: int):
  """Within, no file can grow beyond `most` bytes: the system's own EFBIG."""
  return limited(resource.RLIMIT_FSIZE, most)


def told(output: str) -> str:
  """The one sentence of a program that failed as it should."""
  assert "Traceback" not in output, output
  (sentence,) = [x for x in output.splitlines() if x.startswith("error: ")]
  assert "same command continues" in sentence
  return sentence


def prepare(root):
  config = request(root, "").config
  dataset = catalogue.find(config.data)
  return tiles.prepare(dataset, *experiment.storage(config.augment))


def names_below(folder) -> set[str]:
  return {path.name for path in folder.rglob("*")}


@pytest.mark.parametrize(
  "most", [0, 4_000, 20_000]
)  # of 45 kB of shards, 43 kB of tiles
def test_no_room_for_the_data_set(cache, image_folder, most):
  root = image_folder()
  with (
    files_of(most),
    pytest.raises(InputError, match="cannot write the cache.*file too"),
  ):
    prepare(root)
  assert not {"tiles.npy", "tiles.json"} & names_below(cache)
  assert len(prepare(root)) == 30  # what is whole of the shards serves again


def test_no_room_for_the_tiles_alone(cache, image_folder):
  root = image_folder()
  whole = prepare(root)
  (folder,) = (cache / "tiles").iterdir()
  (folder / "tiles.npy").unlink()
  with (
    files_of(20_000),
    pytest.raises(InputError, match="cannot write the cache.*file too"),
  ):
    prepare(root)
  assert "tiles.npy" not in names_below(cache)
  np.testing.assert_array_equal(prepare(root).image, whole.image)


def test_room_is_taken_before_a_map_is_written(tmp_path):
  """Else the kernel ends the process (SIGBUS) at the first page that has no room."""
  (tmp_path / "map").write_bytes(b"12")
  atomic.reserve(tmp_path / "map", 100_000)
  assert (tmp_path / "map").stat().st_blocks * 512 >= 100_000
  assert (tmp_path / "map").read_bytes()[:3] == b"12\0"
  with files_of(1_000), pytest.raises(OSError) as caught:
    atomic.reserve(tmp_path / "map", 200_000)
  assert caught.value.filename == str(tmp_path / "map")


def state(value):
  return {"a": jax.numpy.asarray(np.random.default_rng(value).normal(size=200_000))}


@pytest.mark.parametrize("wait", [True, False])
def test_a_save_without_room_leaves_the_one_before(tmp_path, wait):
  with (
    contextlib.suppress(InputError),
    checkpoint.Checkpoints(tmp_path, keep=1) as saved,
  ):
    saved.save("last", 1, state(1), wait=True)
    with (
      files_of(100_000),
      pytest.raises(InputError, match="last: file too large; raise"),
    ):
      saved.save("last", 2, state(2), wait=wait)
      for _ in range(1_000):  # as the loop does: a save in the background fails later
        saved.check()
        time.sleep(0.01)
  with checkpoint.Checkpoints(tmp_path, keep=1) as saved:
    assert saved.latest("last") == 1
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = {"a": jax.ShapeDtypeStruct((200_000,), np.float32, sharding=here)}
    np.testing.assert_array_equal(saved.restore("last", abstract)["a"], state(1)["a"])
    saved.save("last", 3, state(2), wait=True)  # threads of the failed one may linger
    assert saved.latest("last") == 3
  assert not [n for n in names_below(tmp_path) if "tmp" in n]


def test_lines_without_room_name_their_file(tmp_path, capsys):  # which has no file
  folder = runs.RunFolder(tmp_path)
  rows = [{"step": i, "loss": 0.5} for i in range(100)]
  folder.append_metrics(rows)
  with files_of(folder.metrics.stat().st_size + 40):
    with pytest.raises(OSError) as caught:
      folder.append_metrics([row | {"step": 100 + row["step"]} for row in rows])
    assert "metrics.jsonl: file too large" in of_machine(caught.value)
    with pytest.raises(OSError) as caught, console.log_to(folder.log):
      for _ in range(1_000):
        console.say("a line")
    assert "log.txt: file too large" in of_machine(caught.value)
    with pytest.raises(OSError) as caught:
      with tensorboard.Scalars(folder.tensorboard, 0) as scalars:
        for step in range(1_000):
          scalars.add_scalar("loss", 0.5, step)
    assert "file too large; raise" in of_machine(caught.value)
  assert folder.metric_rows()[:100] == rows  # and what is torn behind them is dropped
  assert len(folder.truncate_metrics(99)) == len(folder.metric_rows()) == 100


def test_tensorboard_reads_the_scalars(tmp_path):
  from tensorboardX.proto.event_pb2 import Event

  for start in (0, 2):
    with tensorboard.Scalars(tmp_path / str(start), start) as scalars:
      scalars.add_scalar("train/loss", 0.5, start + 1)
  (file,) = (tmp_path / "2").iterdir()
  data, events = file.read_bytes(), []
  while data:
    size = int.from_bytes(data[:8], "little")
    events.append(Event.FromString(data[12 : 12 + size]))
    data = data[16 + size :]
  version, purge, scalar = events
  assert version.file_version == "brain.Event:2"
  assert purge.step == 2 and purge.session_log.status == 1  # what came later is void
  assert scalar.step == 3 and scalar.summary.value[0].tag == "train/loss"
  assert scalar.summary.value[0].simple_value == 0.5


def test_a_bug_keeps_its_traceback():
  assert of_machine(KeyError("x")) is None
  assert of_machine(ValueError("/a/b is wrong")) is None
  assert of_machine(FileNotFoundError("without a name")) is None
  try:
    try:
      open("/nowhere/x")
    except OSError:
      raise TypeError("while that was dealt with") from None
  except TypeError as error:
    assert of_machine(error) is None


def test_the_cause_of_a_wrapped_error_is_told():
  wrapped = RuntimeError("Failed to write: /a/b/c; No space left on device; at 3")
  assert of_machine(wrapped).startswith("/a/b/c: no space left on device; make room")
  try:
    with naming("/x"):
      raise OSError(28, "No space left on device")
  except OSError as error:
    outer = ValueError("something else")
    outer.__cause__ = error
  assert of_machine(outer).startswith("/x: no space left")
  spilled = RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes.")
  assert "lower batch_size" in of_machine(spilled)
  assert "lower batch_size" in of_machine(MemoryError())


@pytest.fixture
def namespace():
  with Namespace() as found:
    yield found


def test_a_full_disk_while_decoding_ends_in_a_sentence(
  namespace, image_folder, tmp_path, monkeypatch
):
  """A disk in memory, where the map's first page without room would be SIGBUS."""
  root, cache = image_folder(groups=8, size=(60, 60)), tmp_path / "cache"
  monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
  command = [*as_flags(root, tmp_path / "run"), "--mode=prepare"]
  namespace.mount(cache, "size=900k")  # 0.5 MB of shards, 0.5 MB of tiles
  output, code = namespace.run(*command)
  assert code == 2, output
  assert f"{cache}/histojax: no space left on device; make room" in told(output)
  left = names_below(namespace.seen(cache))
  assert "dataset_info.json" in left and "tiles.npy" not in left
  namespace.remount(cache, "size=8m")
  output, code = namespace.run(*command)
  assert code == 0 and "48 images" in output, output


def test_pictures_are_drawn_without_shared_memory(namespace):
  """Its processes take locks from /dev/shm; nothing else of ours goes there."""
  draw = (
    "from histojax.data import synthetic_liver as s\n"
    "print(*(hash(r.image) for r, _ in zip(s.render_all(0, 32, 40), range(3))))\n"
  )
  namespace.mount(Path("/dev/shm"), "ro")
  output, code = namespace.run("env", "PYTHONHASHSEED=0", sys.executable, "-c", draw)
  assert code == 0, output
  first = [
    synthetic_liver._record(0, place, 32, 40).image
    for place in synthetic_liver.plan()[:3]
  ]
  check = subprocess.run(
    [sys.executable, "-c", f"print(*map(hash, {first!r}))"],
    env=os.environ | {"PYTHONHASHSEED": "0"}, capture_output=True, text=True,
  )  # fmt: skip
  assert output.split() == check.stdout.split()
