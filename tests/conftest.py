"""What every test shares: no caches of the user's, no flags left unparsed."""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# one compilation cache for this session, cold at its start, shared by the workers and
# the programs that tests start
if "PYTEST_XDIST_WORKER" not in os.environ:
  _cache = tempfile.TemporaryDirectory(prefix="histojax-tests-")
  os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from absl import flags  # noqa: E402

ROOT = Path(__file__).parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"


def pytest_runtest_teardown(item, nextitem):
  """A process can hold only so many compiled programs: looks between files, and after
  full tests."""
  same_file = nextitem is not None and nextitem.path == item.path
  if "jax" in sys.modules and (not same_file or item.get_closest_marker("full")):
    from histojax import compilation

    compilation.make_room()


if not flags.FLAGS.is_parsed():
  flags.FLAGS.mark_as_parsed()  # grain reads absl flags


@pytest.fixture
def cache(tmp_path, monkeypatch):
  """An empty cache folder of this test's own."""
  monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
  return tmp_path / "cache" / "histojax"


@pytest.fixture
def image_folder(tmp_path):
  """Makes `<class>/<group>_<i>.png`, pictures that differ by class and by image."""

  def make(classes=("a", "b", "c"), groups=5, per_group=2, size=(20, 24), root=None):
    from PIL import Image

    root = root or tmp_path / "images"
    for k, name in enumerate(classes):
      (root / name).mkdir(parents=True, exist_ok=True)
      for g in range(groups):
        for i in range(per_group):
          rng = np.random.default_rng([k, g, i])
          pixels = rng.integers(0, 120, (*size, 3)) + 40 * k
          Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{g}_{i}.png")
    return root

  return make


@pytest.fixture
def shared_data():
  """The folder of real images beside the project; skips where it is absent."""
  if not SHARED_DATA.is_dir():
    pytest.skip(f"needs the real images of {SHARED_DATA}")
  return SHARED_DATA
