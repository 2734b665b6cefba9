"""One line of the doctor's screen."""

from typing import NamedTuple

OK, NOTE, BROKEN = "ok", "note", "broken"


class Line(NamedTuple):
  """`state` of OK, NOTE (runs, but look) and BROKEN; `fix` is a command."""

  state: str
  name: str
  text: str
  fix: str = ""


def size(count: float) -> str:
  """Bytes in MB, MiB's larger cousin GiB from there on: '35 MiB', '61.9 GiB'."""
  return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
