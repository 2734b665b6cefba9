"""What all figures share: one look, a width that a phone can show, atomic files.

No pyplot: nothing is left behind in matplotlib's global state.
"""

import contextlib
import io
import threading
import unicodedata
import warnings
from pathlib import Path

from histojax import atomic

WIDTH = 4.6  # inches; at 358 px on a phone 9 pt text is still 10 px tall
INK, FAINT, GRID = "#1b2530", "#7a858f", "#e8ebee"
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
# Okabe & Ito's colours, which colour-blind readers tell apart; yellow is too pale here
COLOURS = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", "#E69F00", "#5b4fa2", "#444c54")

_DRAWING = threading.RLock()  # matplotlib's settings are those of the whole process


@contextlib.contextmanager
def style():
  """Our style while it lasts, then matplotlib's own again."""
  import matplotlib

  file = Path(__file__).with_name("figures.mplstyle")
  with _DRAWING, matplotlib.rc_context(fname=file), warnings.catch_warnings():
    # a name in a script that the font lacks is drawn as boxes; the tables have it
    warnings.filterwarnings("ignore", message="Glyph .* missing from")
    yield


def figure(width: float, height: float, layout: str | None = "constrained"):
  """An empty figure, in inches."""
  from matplotlib.figure import Figure

  return Figure(figsize=(width, height), layout=layout)


def save(figure, path: str | Path, synthetic: bool) -> Path:
  """Writes the figure as PNG, stamped where the images are synthetic."""
  look = {"ha": "right", "va": "top", "size": 6.5, "color": ORANGE}
  figure.text(0.995, 0.995, "SYNTHETIC IMAGES" * synthetic, **look)
  data = io.BytesIO()
  figure.savefig(data, format="png", metadata={"Software": None})
  atomic.write(path, data.getvalue())
  return Path(path)


def colour(k: int) -> tuple[str, str]:
  """(colour, line style) of class `k`; both repeat after 32 classes."""
  return COLOURS[k % len(COLOURS)], ("-", "--", ":", "-.")[k // len(COLOURS) % 4]


def short(name, length: int) -> str:
  """The name in one line, cut by an ellipsis to `length` characters at most."""
  name = "".join(
    c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in str(name)
  )
  return name if len(name) <= length else name[: length - 1] + "…"
