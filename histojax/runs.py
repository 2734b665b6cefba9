"""The run folder: the only file that knows its names.

Files are written to a temporary name and renamed, so a kill leaves the old one or
the new. A folder that holds another config is refused with the difference shown.
"""

import contextlib
import hashlib
import json
import os
import platform
from pathlib import Path

from histojax import atomic, processes
from histojax.errors import InputError, naming


def default_workdir(config_file: str, variant: str, overrides: dict, seed: int) -> Path:
  """`runs/<config>[-<variant>][-<short hash of overrides>]/seed<k>`."""
  parts = [Path(config_file).stem] + [variant] * bool(variant)
  if overrides:
    text = json.dumps(overrides, sort_keys=True)
    parts.append(hashlib.sha256(text.encode()).hexdigest()[:6])
  return Path("runs") / "-".join(parts) / f"seed{seed}"


def profile_folder(workdir: Path, target: str = "") -> Path:
  """Where the profile of a run's config is kept, on this device or for another."""
  return workdir.parent / "-".join(filter(None, ["profile", target]))


def flatten(config: dict, prefix: str = "") -> dict:
  """{'model.name': 'resnet50', ...}."""
  flat = {}
  for key, value in config.items():
    nested = isinstance(value, dict)
    flat |= flatten(value, f"{prefix}{key}.") if nested else {prefix + key: value}
  return flat


def difference(old: dict, new: dict) -> dict:
  """{key: (old, new)} of two nested configs, over all keys of both."""
  old, new = flatten(_plain(old)), flatten(_plain(new))
  keys = sorted(old.keys() | new.keys())
  return {k: (old.get(k), new.get(k)) for k in keys if old.get(k) != new.get(k)}


def _plain(config: dict) -> dict:
  return json.loads(json.dumps(config))  # tuples become lists, as in the file


class RunFolder:
  """Names and files of one run."""

  def __init__(self, path: Path):
    self.path = path
    self.config, self.split = path / "config.json", path / "split.json"
    self.environment = path / "environment.json"
    self.metrics, self.log = path / "metrics.jsonl", path / "log.txt"
    self.tensorboard, self.checkpoints = path / "tensorboard", path / "checkpoints"
    self.predictions = path / "predictions.csv"
    self.predictions_views = path / "predictions_views.csv"
    self.report, self.page = path / "report.json", path / "report.html"
    self.figures = path / "figures"

  def fold(self, number: int) -> "RunFolder":
    """Of one fold of a run of folds: a run folder within this one."""
    return RunFolder(self.path / f"fold{number}")

  def predictions_of(self, what: str) -> Path:
    """Of a baseline on the test part, or of the network on another part."""
    return self.path / f"predictions_{what}.csv"

  def begun(self, config: dict, split: dict) -> bool:
    """True where a run of this config and split is there already, False for no run.

    Raises:
      InputError: the folder holds another config or other images, or is torn.
    """
    if not self.config.exists():
      return False
    way_out = "choose another --workdir, or delete the folder"
    try:
      held, held_split = (json.loads(p.read_text()) for p in (self.config, self.split))
    except (OSError, ValueError) as error:
      raise InputError(
        f"{self.path} is not a whole run ({error}): {way_out}"
      ) from error
    changed = difference(held, config)
    if changed:
      lines = "; ".join(f"{k}: {a!r} there, {b!r} now" for k, (a, b) in changed.items())
      raise InputError(
        f"{self.path} holds a run of another config ({lines}): {way_out}"
      )
    if held_split != _plain(split):
      raise InputError(f"{self.path} began on other images or another split: {way_out}")
    return True

  @contextlib.contextmanager
  def ours(self):
    """Holds the folder against other processes; clears what killed ones left in it.

    Raises:
      InputError: another process is at work in it, or it cannot be written.
    """
    if not processes.first():  # of several processes of one run the first one writes
      yield
      return
    busy = f"another process is at work in {self.path}: wait for it, or stop it"
    with contextlib.ExitStack() as stack:
      try:
        stack.enter_context(atomic.lock(self.log, busy, wait=False))
      except OSError as error:
        raise InputError(
          f"cannot write {self.path}: {error.strerror}; choose another --workdir"
        ) from error
      for folder in (self.path, self.figures):
        atomic.clear(folder)
      yield

  def create(self, config: dict, split: dict) -> None:
    """Writes what is known before the first step; config.json last, as the seal.

    Raises:
      InputError: the folder cannot be written.
    """
    try:
      self.figures.mkdir(parents=True, exist_ok=True)
      content = {
        self.split: split,
        self.environment: environment(),
        self.config: config,
      }
      for path, value in content.items():
        atomic.write(path, (json.dumps(value, indent=1) + "\n").encode())
    except OSError as error:
      raise InputError(
        f"cannot write {self.path}: {error.strerror}; choose another --workdir"
      ) from error

  def moved(self) -> dict:
    """{what: (where the run began, here)} of an environment that is not the same."""
    try:
      return difference(json.loads(self.environment.read_text()), environment())
    except (OSError, ValueError):  # only a note
      return {}

  def metric_rows(self) -> list[dict]:
    """The rows of metrics.jsonl; after a torn one, which a kill can leave, none."""
    rows = []
    for line in self.metrics.read_text().splitlines() if self.metrics.exists() else ():
      try:
        rows.append(json.loads(line))
      except ValueError:
        break
    return rows

  def truncate_metrics(self, step: int) -> list[dict]:
    """Drops what a killed run logged after its last checkpoint; returns the rest."""
    rows = [row for row in self.metric_rows() if row["step"] <= step]
    if processes.first():
      atomic.write(self.metrics, "".join(json.dumps(r) + "\n" for r in rows).encode())
    return rows

  def append_metrics(self, rows: list[dict]) -> None:
    with naming(self.metrics), self.metrics.open("a") as file:
      file.write("".join(json.dumps(row) + "\n" for row in rows))


def environment() -> dict:
  """Versions, device and core count: what a bit-exact resume depends on."""
  import importlib.metadata as metadata

  import jax

  packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
  device = jax.devices()[0]
  return {
    "python": platform.python_version(),
    "system": f"{platform.system()} {platform.machine()}",
    "processor": processor(),
    "cores": len(os.sched_getaffinity(0)),
    "devices": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
    "processes": processes.count(),
    "versions": {name: metadata.version(name) for name in packages},
  }


def processor() -> str:
  """The CPU's model name, as Linux tells it."""
  try:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    lines = []
  names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
  return names[0] if names else platform.machine()
