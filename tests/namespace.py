"""A mount namespace of a test's own: real full disks, real read-only folders."""

import os
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT


class Namespace:
  """Programs run in it see mounts that nobody else sees; all of it ends with the test.

  Skips the test where nothing can be mounted.
  """

  def __init__(self):
    self._user = [] if os.geteuid() == 0 else ["--user"]
    self._keeper = subprocess.Popen(
      ["unshare", "--mount", *(["--map-root-user"] if self._user else [])]
      + ["sh", "-c", "mount --make-rprivate / && echo ready && exec sleep 3600"],
      stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    if self._keeper.stdout.readline() != "ready\n":
      pytest.skip("no mount namespace can be made here")

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self._keeper.kill()
    self._keeper.communicate()

  def start(self, *command, **options) -> subprocess.Popen:
    enter = ["nsenter", f"--target={self._keeper.pid}", "--mount", *self._user, "--"]
    inside = ["sh", "-c", f'cd {ROOT} && exec "$@"', "sh", *map(str, command)]
    return subprocess.Popen(enter + inside, **options)

  def run(self, *command) -> tuple[str, int]:
    """(everything that was printed, exit code)."""
    options = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process = self.start(*command, **options)
    return process.communicate(timeout=300)[0], process.returncode

  def mount(self, path: Path, options: str) -> None:
    """A disk in memory; `options` such as 'size=64k' or 'ro'."""
    path.mkdir(parents=True, exist_ok=True)
    self._must("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)

  def remount(self, path: Path, options: str) -> None:
    self._must("mount", "-o", f"remount,{options}", path)

  def protect(self, path: Path) -> None:
    """Makes an existing folder read-only, whoever writes."""
    self._must("mount", "--bind", path, path)
    self.remount(path, "ro,bind")

  def seen(self, path: Path) -> Path:
    """`path` as programs in here see it, for reading from outside."""
    return Path(f"/proc/{self._keeper.pid}/root{path}")

  def _must(self, *command) -> None:
    output, code = self.run(*command)
    if code:
      pytest.skip(f"cannot mount here: {output.strip()}")
