"""Names and lists inside sentences."""

import unicodedata

_LONGEST = 40
_TURNING = {
  "R",
  "AL",
  "AN",
  "RLE",
  "RLO",
  "LRO",
  "LRE",
  "RLI",
  "LRI",
  "FSI",
  "PDI",
  "PDF",
}


def named(name) -> str:
  """A class or group as a sentence can hold it: in one line, not too long, and set
  apart where its script runs from right to left (it would turn the words around it)."""
  text = "".join(" " if c.isspace() else c for c in str(name))
  text = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cs"))
  text = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
  if any(unicodedata.bidirectional(c) in _TURNING for c in text):
    return f"\u2068{text}\u2069"  # first strong isolate ... pop
  return text


def listed(words) -> str:
  """'a', 'a and b', 'a, b and c'."""
  *most, last = words
  return f"{', '.join(most)} and {last}" if most else last


def known(held: dict, **names: str) -> list[str]:
  """'<name> <value>' of each key that is there and not none."""
  return [
    f"{name} {held[key]}"
    for key, name in names.items()
    if held.get(key) not in (None, "", "none")
  ]
