"""A damaged cache is noticed and built again; two processes share one."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT
from test_tiles import dataset, prepare

from histojax.data import cache as cache_folder
from histojax.data import tiles


def truncate(path):
  os.truncate(path, path.stat().st_size // 2)


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) * 2 // 3] ^= 0x10
  path.write_bytes(data)


def zero(path):
  path.write_bytes(bytes(path.stat().st_size))


DAMAGES = (truncate, flip, zero, os.unlink)


def contents(found):
  names = ("extent", "label", "group", "image_id", "split", "digest")
  held = {name: getattr(found, name).tolist() for name in names}
  return held | {"image": np.array(found.image).tobytes(), "classes": found.classes}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
  """(source, cache folder, contents) of one build that tests copy."""
  from PIL import Image

  root = tmp_path_factory.mktemp("built")
  for k, name in enumerate("ab"):
    (root / "images" / name).mkdir(parents=True)
    for i in range(6):
      pixels = np.random.default_rng([k, i]).integers(0, 255, (9, 11, 3), np.uint8)
      Image.fromarray(pixels).save(root / "images" / name / f"{i}.png")
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    held = contents(prepare(root / "images"))
  return root / "images", root / "cache" / "histojax", held


@pytest.mark.parametrize("name", ["tiles.npy", "tiles.json", "checksums.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_decode_cache_is_built_again(built, cache, capsys, name, damage):
  source, whole, held = built
  shutil.copytree(whole, cache)
  (path,) = cache.glob(f"tiles/*/{name}")
  damage(path)
  assert contents(prepare(source)) == held
  said = capsys.readouterr().out.replace("\n", "")
  assert said.count("building it again") == 1 and name in said
  assert len(list(cache.glob("tiles/*"))) == 1
  assert contents(prepare(source)) == held
  assert "again" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["*array_record*", "dataset_info.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_data_set_is_built_again(built, cache, capsys, name, damage):
  source, whole, held = built
  shutil.copytree(whole, cache)
  shutil.rmtree(cache / "tiles")
  path, *_ = cache.glob(f"tfds/**/{name}")
  damage(path)
  assert contents(prepare(source)) == held
  said = capsys.readouterr().out.replace("\n", "")
  assert said.count("building it again") == 1 and path.name in said


def test_every_bit_of_the_cache_counts(built, cache):
  source, whole, _ = built
  shutil.copytree(whole, cache)
  (folder,) = cache.glob("tiles/*")
  assert not cache_folder.damage(folder)
  rng = np.random.default_rng(0)
  for name in ("tiles.npy", "tiles.json", "checksums.json"):
    whole = (folder / name).read_bytes()
    for at in rng.integers(0, len(whole), 60):
      data = bytearray(whole)
      data[at] ^= 1 << rng.integers(8)
      (folder / name).write_bytes(data)
      assert cache_folder.damage(folder), (name, at)
    (folder / name).write_bytes(whole)


def test_what_a_killed_process_left_is_removed(built, cache):
  source, whole, held = built
  shutil.copytree(whole, cache)
  (folder,) = cache.glob("tiles/*")
  folder.rename(folder.with_name(f"{folder.name}.x1y2"))  # killed before its renaming
  assert contents(prepare(source)) == held
  assert list(cache.glob("tiles/*")) == [folder]


def test_two_that_build_without_locks_end_well(tmp_path):
  """As on a file system that knows no locks: both build, both publish."""
  folder = tmp_path / "folder"

  def slow(partial):
    (partial / "file").write_text("whole")
    cache_folder.kept(tmp_path / "other", lambda p: (p / "file").write_text("whole"))
    os.rename(tmp_path / "other", folder)

  assert cache_folder.kept(folder, slow) == folder
  assert (folder / "file").read_text() == "whole" and not cache_folder.damage(folder)
  assert list(tmp_path.iterdir()) == [folder]


def test_two_processes_that_build_the_same_cache_end_well(image_folder, cache):
  source = image_folder(groups=20)
  script = (
    "import hashlib, os, sys, time\n"
    "import grain, tensorflow_datasets\n"
    "from absl import flags\n"
    "flags.FLAGS.mark_as_parsed()\n"
    "from test_tiles import prepare\n"
    "open(sys.argv[2] + str(os.getpid()), 'w').close()\n"
    "while not os.path.exists(sys.argv[2]):\n"
    "  time.sleep(0.001)\n"
    "found = prepare(sys.argv[1])\n"
    "print('pixels', hashlib.sha256(found.image.tobytes()).hexdigest())\n"
  )
  go = cache.parent / "go"
  go.parent.mkdir()
  paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "data")))
  processes = [
    subprocess.Popen(
      [sys.executable, "-c", script, str(source), str(go)],
      env=os.environ | {"PYTHONPATH": paths},
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for _ in range(2)
  ]
  while len(list(go.parent.glob("go*"))) < 2 and all(
    p.poll() is None for p in processes
  ):
    time.sleep(0.01)
  go.touch()
  said = [process.communicate(timeout=120)[0] for process in processes]
  assert [process.returncode for process in processes] == [0, 0], said
  assert len({text.splitlines()[-1] for text in said}) == 1
  assert "another process is building" in said[0] + said[1]
  for kind in ("tiles", "tfds"):
    (folder,) = cache.glob(f"{kind}/*")
    assert not cache_folder.damage(folder)
  assert len(prepare(source)) == 120


def test_a_cache_from_before_the_seal_is_built_again(built, cache, capsys):
  source, whole, held = built
  shutil.copytree(whole, cache)
  for seal in cache.glob("*/*/checksums.json"):
    seal.unlink()
  assert contents(prepare(source)) == held
  assert capsys.readouterr().out.count("building it again") == 2


def test_a_data_set_that_is_not_whole_is_not_kept(cache, image_folder):
  whole = dataset(image_folder())
  with pytest.raises(ValueError, match="30 of 31 images were built"):
    tiles.prepare(whole._replace(images=31), lambda h, w: (h, w), "full")
  assert not list(cache.glob("t*/*"))
