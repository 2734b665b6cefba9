"""The doctor's one screen, and its exit code."""

import platform
import time

from histojax import __version__, console
from histojax.doctor import devices, holdings, machine, packages
from histojax.doctor.line import BROKEN, NOTE, OK, Line

STYLES = {OK: "green", NOTE: "bold yellow", BROKEN: "bold red"}


def run(request=None) -> int:
  """Looks, shows, and returns the exit code: 1 where something is broken, else 0.

  Args:
    request: a `startup.Request`, whose config may be None; None where the flags could
      not be read for want of a package.
  """
  began = time.monotonic()
  lines = examine(request)
  system = f"{platform.system()} {platform.release()}, {platform.node()}"
  _print([(f"histojax {__version__} on {system}", "bold")])
  width = max(len(line.name) for line in lines)
  for line in lines:
    parts = [
      (f" {line.state:<7}", STYLES[line.state]),
      (f"{line.name:<{width}}  ", "bold"),
    ]
    parts += [(line.text, "" if line.state == OK else STYLES[line.state])]
    parts += [("  fix: ", ""), (line.fix, "bold cyan")] if line.fix else []
    _print(parts)
  broken, notes = (sum(n.state == kind for n in lines) for kind in (BROKEN, NOTE))
  told = f"{broken} broken" if broken else "healthy"
  told += f", {notes} to look at" if notes else ""
  style = STYLES[BROKEN if broken else NOTE if notes else OK]
  _print([(told, style), (f"  ({time.monotonic() - began:.1f} s)", "dim")])
  return 1 if broken else 0


def examine(request=None) -> list[Line]:
  """All lines, from the interpreter to the images."""
  pinned = packages.pins()
  probes = devices.start(), packages.start(pinned)  # both look while we do
  here = machine.look(request.workdir if request else "")
  found = holdings.look(request)
  seen = devices.look(probes[0], pinned["jax"])
  return [*packages.look(pinned, probes[1]), *seen, *here, *found]


def _print(parts: list[tuple[str, str]]) -> None:
  """One line of (text, style); plain where rich is missing."""
  try:
    from rich.text import Text

    console.show(Text.assemble(*parts), soft_wrap=True)
  except ImportError:
    print("".join(text for text, _ in parts))
