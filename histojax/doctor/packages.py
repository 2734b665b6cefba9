"""Python and the packages, against the versions that requirements.txt pins."""

import collections
import importlib.metadata
import os
import platform
import re
import shlex
import sys
from pathlib import Path

from histojax.doctor.line import BROKEN, NOTE, OK, Line
from histojax.doctor.probe import IMPORTS, Probe

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
PYTHON = (3, 11)  # the pins are of wheels for this one
MODULES = {  # of packages that are imported by another name
  "absl-py": "absl",
  "array_record": "array_record.python.array_record_data_source",
  "jax": "jax.numpy",
  "orbax-checkpoint": "orbax.checkpoint",
  "pillow": "PIL.Image",
  "protobuf": "google.protobuf.message",
  "scikit-learn": "sklearn.model_selection",
  "tensorflow-datasets": "tensorflow_datasets",
}
NEEDLESS = ("tensorflow", "torch")


def pins(file: Path = REQUIREMENTS) -> dict[str, str]:
  """{package: version} of the lines `package==version`."""
  found = re.findall(r"^([\w.-]+)==([\w.+!-]+)", file.read_text(), re.MULTILINE)
  return dict(found)


def version(package: str) -> str | None:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


def start(pinned: dict[str, str]) -> Probe:
  """Imports every package that is here, in a process of its own."""
  here = [name for name in pinned if version(name)]
  modules = [MODULES.get(name, name.replace("-", "_")) for name in here]
  return Probe(IMPORTS, *modules, seconds=60)


def look(pinned: dict[str, str], probe: Probe) -> list[Line]:
  found = {name: version(name) for name in pinned}
  missing = ", ".join(name for name in pinned if not found[name])
  wrong = [
    f"{name} {found[name]} where {pin} is pinned"
    for name, pin in pinned.items()
    if found[name] not in (None, pin)
  ] + [f"missing: {missing}"] * bool(missing)
  install = f"{pip()} -r {shlex.quote(os.path.relpath(REQUIREMENTS))}"
  lines = [_python()]
  if wrong:
    lines.append(Line(BROKEN, "packages", ", ".join(wrong), install))
  else:
    text = f"{len(pinned)} as pinned in {REQUIREMENTS.name}"
    lines.append(Line(OK, "packages", text))
  for text, names in _broken(probe, pinned).items():
    others = f" (nor {', '.join(names[1:])})" if names[1:] else ""
    first = f"{names[0]}=={pinned[names[0]]}"
    lines.append(
      Line(
        BROKEN,
        "packages",
        f"{names[0]}{others} cannot be imported: {text}",
        f"{pip()} --force-reinstall --no-deps {first}",
      )
    )
  if needless := [f"{n} {version(n)}" for n in NEEDLESS if version(n)]:
    lines.append(Line(OK, "not needed", ", ".join(needless)))
  return lines


def pip() -> str:
  return f"{shlex.quote(sys.executable)} -m pip install"


def _python() -> Line:
  text = f"{platform.python_version()}, {sys.executable}"
  if sys.version_info[:2] == PYTHON:
    return Line(OK, "Python", text)
  wanted = ".".join(map(str, PYTHON))
  fix = f"python{wanted} -m venv venv && venv/bin/pip install -r {REQUIREMENTS.name}"
  return Line(NOTE, "Python", f"{text}: all is tested on {wanted}", fix)


def _broken(probe: Probe, pinned: dict[str, str]) -> dict[str, list[str]]:
  """{what is wrong: packages that are here but fail so}; the first is the cause."""
  answer, found, last = probe.answer(), collections.defaultdict(list), None
  names = {MODULES.get(n, n.replace("-", "_")): n for n in pinned}
  for line in answer.lines:
    kind, _, rest = line.partition(" ")
    if kind == "trying":
      last = names.get(rest)
    elif kind == "failed" and last:
      found[rest.partition(" ")[2]].append(last)
  if answer.ended and last:
    found[f"Python {answer.ended}"].append(last)
  return found
