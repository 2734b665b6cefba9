"""A grid of the command line: `model.attention=none,se(ratio=8);seed=0,1,2`."""

import ast
import itertools

from histojax import runs, spec
from histojax.errors import InputError, nearest

FLAG = "--config.study.grid"
AXES = {"seed": "seeds", "split.fold": "folds"}  # no variants, but axes of a study
MOST = 10_000  # variants


def read(text: str, config) -> tuple[dict, dict]:
  """(axes, variants) of a grid over a config.

  Keys are separated by ';' and values by ',', outside of brackets and quotes.

  Returns:
    axes: of `seed` and `split.fold` the values that are given.
    variants: {name: {key: value}} of all the other keys, each value with each.

  Raises:
    InputError: what cannot be read, a key that the config lacks, a value that it could
      not hold, or one given twice.
  """
  found = {}
  try:
    for part in filter(None, spec.split(text, ";")):
      key, equals, values = part.partition("=")
      key = key.strip()
      if not equals:
        raise InputError(f"{part!r} has no '=': write key=value,value;key=value,value")
      if key in found:
        raise InputError(f"{key} stands there twice")
      words = spec.split(values, ",")
      if not all(words):
        raise InputError(f"{part!r} has an empty value: write '' for an empty text")
      found[key] = {word: parse(config, key, word) for word in words}
      if len({repr(value) for value in found[key].values()}) < len(words):
        raise InputError(f"{part!r} gives a value twice")
  except InputError as error:
    raise InputError(f"{FLAG}: {error}") from error
  if not found:
    raise InputError(f"{FLAG} is empty: write key=value,value;key=value,value")
  axes = {key: tuple(found.pop(key).values()) for key in AXES if key in found}
  count = 1
  for values in found.values():
    count *= len(values)
  if count > MOST:
    raise InputError(f"{FLAG} has {count:,} variants: at most {MOST:,} are run")
  variants = {}
  for words in itertools.product(*found.values()) if found else ():
    values = {k: found[k][w] for k, w in zip(found, words, strict=True)}
    short = [f"{k.rpartition('.')[2]}={w}" for k, w in zip(found, words, strict=True)]
    variants[words[0] if len(found) == 1 else ", ".join(short)] = values
  return axes, variants


def keys(text: str) -> list[str]:
  """The keys of a grid."""
  return [part.partition("=")[0].strip() for part in spec.split(text, ";") if part]


def parse(config, key: str, word: str):
  """The value that `word` is for a key of the config, by the type it has there.

  Raises:
    InputError: no such key, or a word that its type cannot hold.
  """
  held = _held(config, key, key)
  if isinstance(held, str):
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "'\""
    return word[1:-1] if quoted else word
  kinds = {bool: "True or False", int: "a whole number", float: "a number"}
  expected = kinds.get(type(held), f"a value such as {held!r}")
  try:
    value = ast.literal_eval({"true": "True", "false": "False"}.get(word, word))
    if type(held) is float and type(value) is int:
      value = float(value)
    if held is not None and type(value) is not type(held):
      raise ValueError
  except (ArithmeticError, ValueError, TypeError, SyntaxError, RecursionError,
          MemoryError):  # fmt: skip
    raise InputError(f"{key}={word}: expected {expected}") from None
  return value


def put(config, key: str, value, where: str) -> None:
  """Sets a key that the config has to a value of its type.

  Raises:
    InputError: it has no such key, or the value is of another type.
  """
  held = _held(config, key, f"{where}: {key}")
  try:
    config.update_from_flattened_dict({key: value})
  except (TypeError, ValueError, OverflowError) as error:
    raise InputError(
      f"{where}: {key}={value!r} must be like the config's own value, {held!r}"
    ) from error


def _held(config, key: str, what: str):
  flat = runs.flatten(config.to_dict())
  if key not in flat:
    words = nearest(key, flat)
    if "did you mean" in words:
      words = words.partition(" (known")[0]
    else:
      words = "keys are those of the config file, such as model.attention"
    raise InputError(f"{what}: the config has no such key; {words}")
  return flat[key]
