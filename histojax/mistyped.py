"""What was typed wrong on the command line, in words."""

import re

from histojax.errors import InputError

LONGEST = 4_000  # characters of an argument


def check(argv: list[str]) -> None:
  """InputError where an argument is too long, or not text: none could be written down.

  Paths end at 4,096 bytes, and a spec is far shorter.
  """
  for argument in argv:
    if len(argument) > LONGEST:
      start, length = argument[:40], f"{len(argument):,}"
      raise InputError(
        f"{start!r}... is {length} characters long: at most {LONGEST:,} are read"
      )
    try:
      argument.encode()
    except UnicodeEncodeError:
      raise InputError(
        f"{argument!r} is not UTF-8: give the file or folder another name"
      ) from None


def sentence(error: Exception, argv: list[str]) -> str:
  """What the flag parser meant, in words: the flag, what is wrong, what it may be."""
  text = " ".join(str(error).split())
  if isinstance(error, AttributeError | KeyError):
    looked = re.search(r"lookup: ([\w.]+)", text)
    guess = re.search(r'Did you mean "(\w+)"', text)
    key = looked[1] if looked else re.search(r"\w+", text)[0]
    typed = next((a for a in argv if re.search(rf"\b{re.escape(key)}\b", a)), key)
    hint = f"; did you mean {guess[1]!r}?" if guess else ""
    return f"{typed}: the config has no key {key!r}{hint}"
  if unread := re.match("Could not parse '(.*?)': SyntaxError", text):
    return f"--config.{unread[1]} is no key: write --config.group.key=value"
  if found := re.match(r"Type <class '(\w+)'> of field config\.(\S+) is not", text):
    return f"{found[2]}: the config's own value is a {found[1]}, which no flag can set"
  if isinstance(error, IndexError):
    place = next((a for a in argv if a.startswith("--config.") and "[" in a), "a flag")
    return f"{place}: there is no such place; set the whole tuple, key=(a,b,c)"
  wrong = re.match(r"flag (--\S+?=.*?): (.*)", text)
  kinds = {
    "int()": "expected a whole number",
    "float": "expected a number",
    "Non-boolean": "expected True or False",
    "ConfigDict": "this is a group of keys; set one of them, group.key=value",
  }
  if wrong:
    return f"{wrong[1]}: " + next((v for k, v in kinds.items() if k in text), wrong[2])
  return text
