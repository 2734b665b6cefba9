"""Names of files and classes: what cannot be used, and how to show it in a sentence."""

PART, WHOLE = 255, 4096  # bytes that Linux takes for a name, and for a path


def problem(name: str) -> str:
  """'' for a usable name or path, else the end of a sentence: 'is not UTF-8'."""
  try:
    encoded = name.encode()
  except UnicodeEncodeError:  # bytes that Python smuggles through as surrogates
    return "is not UTF-8"
  if "\0" in name:
    return "holds a NUL byte"
  if len(encoded) > WHOLE or any(len(part) > PART for part in encoded.split(b"/")):
    return f"is {len(name):,} characters long, more than a file system takes"
  return ""


def shown(name: object) -> str:
  """`name` quoted for a message: one line, printable, of bounded length."""
  text = ascii(str(name)) if problem(str(name)) == "is not UTF-8" else repr(str(name))
  return text if len(text) <= 160 else f"{text[:100]}...{text[-40:]}"
