"""The run folder: the only file that knows its names.

Files are written to a temporary name and renamed, so a kill leaves the old one or
the new. A folder that holds another config is refused with the difference shown.
"""

import contextlib
import hashlib
import json
import os
import re
from pathlib import Path

from histojax import atomic, processes
from histojax.environment import environment
from histojax.errors import InputError, naming


def default_workdir(config_file: str, variant: str, overrides: dict, seed: int) -> Path:
  """`runs/<config>[-<variant>][-<short hash of overrides>]/seed<k>`."""
  parts = [Path(config_file).stem] + [variant] * bool(variant)
  if overrides:
    text = json.dumps(overrides, sort_keys=True)
    parts.append(hashlib.sha256(text.encode()).hexdigest()[:6])
  return Path("runs") / "-".join(parts) / f"seed{seed}"


def leak_gap_folder(workdir: Path) -> Path:
  """Where both runs of a leak gap are, of the folder that the config alone has."""
  return workdir.parent.with_name(f"{workdir.parent.name}-leak_gap")


def leak_gap_member(folder: Path, side: str, seed: int) -> Path:
  """One of the runs of a leak gap: `side` is leaky or clean."""
  return folder / side / f"seed{seed}"


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
    self.handouts = path / "handouts.jsonl"  # every look at the test part
    self.tensorboard, self.checkpoints = path / "tensorboard", path / "checkpoints"
    self.predictions = path / "predictions.csv"
    self.predictions_views = path / "predictions_views.csv"
    self.report, self.page = path / "report.json", path / "report.html"
    self.figures = path / "figures"
    self.failed = path / "failed.json"  # of a study: why this member came to nothing

  def fold(self, number: int) -> "RunFolder":
    """Of one fold of a run of folds: a run folder within this one."""
    return RunFolder(self.path / f"fold{number}")

  def predictions_of(self, what: str) -> Path:
    """Of a baseline on the test part, or of the network on another part."""
    return self.path / f"predictions_{what}.csv"

  def explained(self, images: str = "") -> "Explanation":
    """What --mode=explain writes of the test part, or of the user's folder `images`."""
    if not images:
      return Explanation(self.path)
    whole = Path(images).expanduser().resolve()
    key = hashlib.sha256(str(whole).encode("utf-8", "surrogateescape")).hexdigest()
    return Explanation(self.path / "explain" / f"{whole.name}-{key[:6]}")

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
      changed = difference(held, config)
    except (OSError, ValueError, AttributeError) as error:
      raise InputError(
        f"{self.path} is not a whole run ({error}): {way_out}"
      ) from error
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
    with _held(self.log, self.path, self.figures):
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

  def append_handout(self, row: dict) -> None:
    """Notes one look at the test part; of several processes the first one writes."""
    if processes.first():
      with naming(self.handouts), self.handouts.open("a+b") as file:
        held = file.seek(0, os.SEEK_END)
        file.seek(max(0, held - 1))
        torn = b"\n" * (file.read() not in (b"", b"\n"))  # by a full disk
        file.write(torn + json.dumps(row).encode() + b"\n")

  def handout_rows(self) -> list[dict]:
    """The rows of handouts.jsonl; a torn one still stands for a look."""
    rows = []
    text = self.handouts.read_text() if self.handouts.exists() else ""
    for line in text.splitlines():
      try:
        rows.append(json.loads(line))
      except ValueError:
        rows.append({"why": "an unreadable line of the log"})
    return rows


class Explanation:
  """Names of the files of an explanation, in a run folder or below one."""

  def __init__(self, path: Path):
    self.path, self.figures = path, path / "figures"
    self.content, self.page = path / "explain.json", path / "explain.html"
    self.maps = path / "explain.npz"
    self.overview = self.figures / "attention.png"  # as of every finished run
    self.channels = self.figures / "channels.png"

  def image(self, number: int) -> Path:
    return self.figures / f"attention_{number:02d}.png"


class StudyFolder:
  """Names and files of a study: a run folder for each member, and what they come to."""

  def __init__(self, path: Path):
    self.path, self.log = path, path / "log.txt"
    self.plan = path / "plan.json"  # who its members are
    self.content, self.page = path / "study.json", path / "study.html"
    self.csv, self.latex = path / "study.csv", path / "study.tex"
    self.figures, self.slurm = path / "figures", path / "slurm"

  def member(self, variant: str, seed: int, fold: int | None) -> RunFolder:
    """`members/<variant>/seed<s>[/fold<k>]`: where launch.py continues it, too."""
    name = re.sub(r"[^\w.,=()+-]+", "-", variant)[:60].strip("-.") or "variant"
    if name != variant:  # what no folder should be called; no two share one
      name += f"-{hashlib.sha256(variant.encode()).hexdigest()[:12]}"
    seeded = RunFolder(self.path / "members" / name / f"seed{seed}")
    return seeded if fold is None else seeded.fold(fold)

  def begun(self, plan: dict) -> bool:
    """True where this plan, or a smaller one that it extends, is there already.

    Args:
      plan: `variants` {name: {config, images}}, `seeds`, `folds`.

    Raises:
      InputError: the folder holds another study, or is torn.
    """
    if not self.plan.exists():
      return False
    way_out = "choose another --workdir, or delete the folder"
    try:
      held, plan = json.loads(self.plan.read_text()), _plain(plan)
      axes = {k: [v for v in held[k] if v not in plan[k]] for k in plan}
      changes = {
        name: difference(about, plan["variants"].get(name, {}))
        for name, about in held["variants"].items()
      }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
      raise InputError(
        f"{self.plan} cannot be read ({error}): delete it; the same command makes a new"
        " one, and finds what its members have done"
      ) from error
    lost = [f"{k} {', '.join(map(str, gone))}" for k, gone in axes.items() if gone]
    if lost:
      raise InputError(
        f"{self.path} holds a larger study ({'; '.join(lost)}), which can only grow:"
        f" name them too, or {way_out}"
      )
    for name, changed in changes.items():
      if changed:
        found = "; ".join(
          f"{k.removeprefix('config.')}: {a!r} there, {b!r} now"
          for k, (a, b) in changed.items()
        )
        raise InputError(
          f"{self.path} holds another study (variant {name!r}: {found}): {way_out}"
        )
    return True

  @contextlib.contextmanager
  def ours(self):
    """As `RunFolder.ours`."""
    with _held(self.log, self.path, self.figures):
      yield

  def write_plan(self, plan: dict) -> None:
    text = json.dumps(plan, indent=1) + "\n"
    if not self.plan.exists() or self.plan.read_text() != text:
      atomic.write(self.plan, text.encode())


@contextlib.contextmanager
def _held(log: Path, path: Path, *others: Path):
  """Holds the folder `path` by its log; see `RunFolder.ours`."""
  if not processes.first():  # of several processes of one run the first one writes
    yield
    return
  busy = f"another process is at work in {path}: wait for it, or stop it"
  with contextlib.ExitStack() as stack:
    try:
      stack.enter_context(atomic.lock(log, busy, wait=False))
    except OSError as error:
      raise InputError(
        f"cannot write {path}: {error.strerror}; choose another --workdir"
      ) from error
    for folder in (path, *others):
      atomic.clear(folder)
    yield
