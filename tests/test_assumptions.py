"""What a config leaves open, its own and what it derives from; configs that derive."""

import importlib
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from histojax import runs, startup
from histojax.assumptions import assumptions
from histojax.errors import InputError

BASE = """
from ml_collections import config_dict
VARIANTS = ("", "quick")

def get_config(variant=""):
  c = config_dict.ConfigDict()
  c.epochs, c.batch = 300, 32  # assumption: neither is stated
  c.rate = 0.1  # assumption: not stated
  c.size = 224  # assumption: input size not stated
  c.seed = 0  # no assumption
  c.model = config_dict.ConfigDict()
  c.model.attention = (
    "se"  # assumption: which of its blocks
  )
  c.model.note = "# assumption: only a text"
  if variant == "quick":
    c.size = 64
  return c
"""
DERIVED = """
from ml_collections import config_dict
from configs import assumed_base as base
VARIANTS = base.VARIANTS

def get_config(variant=""):
  c = base.get_config(variant)
  c.rate = 0.2  # as Table 2 says
  c.model.attention = "cbam"  # assumption: of the official code
  c.seed = 7  # assumption: any
  if variant == "quick":
    c.epochs = 3
  return c
"""


@pytest.fixture
def derived(tmp_path, monkeypatch):
  """A config in a folder of its own, whose base is in a folder `configs`."""
  place = tmp_path / "library" / "configs"
  place.mkdir(parents=True)
  (tmp_path / "elsewhere").mkdir()
  (place / "assumed_base.py").write_text(BASE)
  file = tmp_path / "elsewhere" / "derived.py"
  file.write_text(DERIVED)
  monkeypatch.syspath_prepend(tmp_path / "library")
  # a folder without __init__.py is one package over all of sys.path
  forget()
  yield file
  forget()


def forget():
  """The next import of configs reads their files."""
  importlib.invalidate_caches()
  for name in [n for n in sys.modules if n.partition(".")[0] == "configs"]:
    del sys.modules[name]


def told(file, variant=""):
  config = startup.load_config(f"{file}:{variant}")
  found = assumptions(str(file), runs.flatten(config.to_dict()))
  return {row["key"]: (row["value"], row["why"]) for row in found}


def test_every_form_of_a_line_is_read(derived):
  base = derived.parent.parent / "library" / "configs" / "assumed_base.py"
  assert told(base) == {
    "epochs": (300, "neither is stated"),
    "batch": (32, "neither is stated"),
    "rate": (0.1, "not stated"),
    "size": (224, "input size not stated"),
    "model.attention": ("se", "which of its blocks"),
  }
  assert told(base, "quick")["size"] == (64, "input size not stated")


def test_a_deriving_config_has_its_bases_and_its_own_wins(derived):
  assert told(derived) == {
    "epochs": (300, "neither is stated"),
    "batch": (32, "neither is stated"),
    "size": (224, "input size not stated"),
    "model.attention": ("cbam", "of the official code"),
    "seed": (7, "any"),
  }
  # what only a variant sets, and says nothing of, is as open as before
  assert told(derived, "quick")["epochs"] == (3, "neither is stated")


def test_the_published_configs_are_read_as_their_lines_say():
  for file in sorted((ROOT / "configs").glob("*.py")):
    text = file.read_text()
    found = {row["key"] for row in assumptions(str(file), FLAT)}
    lines = re.findall(r"^  c\.([\w.]+) = [^#\n]*# assumption:", text, re.MULTILINE)
    assert found >= set(lines), file


class _Everything(dict):
  """Holds every key."""

  def __contains__(self, key):
    return True

  def __missing__(self, key):
    return None


FLAT = _Everything()


@pytest.mark.parametrize(
  "base,own,said",
  [
    (
      "c.rate = 0.1|c.no.such = 0.1",
      "|",
      "assumed_base.py, which .*derived.py imports,",
    ),
    ("c.rate = 0.1|c.rate = (", "|", "assumed_base.py, which .* SyntaxError"),
    ("|", "c.seed = 7|c.no.such = 7", "^[^,]*derived.py is broken: AttributeError"),
    ("|", "assumed_base|assumed_bass", "derived.py is broken: ImportError: .*_bass"),
    ("|", "VARIANTS|VARIATNS", "derived.py is broken: AttributeError: .*VARIATNS"),
  ],
)
def test_the_broken_file_is_named(derived, base, own, said):
  file = derived.parent.parent / "library" / "configs" / "assumed_base.py"
  file.write_text(BASE.replace(*base.split("|"), 1))
  derived.write_text(DERIVED.replace(*own.split("|")))
  with pytest.raises(InputError, match=said):
    startup.load_config(str(derived))


def test_a_deriving_config_runs_from_any_folder(tmp_path):
  file = tmp_path / "mine.py"
  file.write_text(
    "from configs import liver_senet as base\nVARIANTS = base.VARIANTS\n\n\n"
    "def get_config(variant=''):\n  c = base.get_config(variant)\n"
    "  c.epochs = 0\n  return c\n"
  )
  command = [sys.executable, str(ROOT / "launch.py"), f"--config={file}:quick"]
  found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
  assert (found.returncode, found.stdout) == (2, "")
  # the flags' own reader has loaded it too, and its value is refused
  assert found.stderr.startswith("error: epochs=0: must be a whole number")
