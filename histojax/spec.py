"""The one parser of every string key: `se(ratio=16)+sam|none`.

The grammar is a small part of Python's expressions, so Python's own parser reads it:

    spec  = stage ("|" stage)*        one stage for all, or one per stage
    stage = term ("+" term)*          a series: the second sees what the first made
    term  = name | name(key=literal, ...)        `none` is the empty series

Values are literals (numbers, strings, booleans, None, tuples, dicts) or a bare word,
which is a string: `sam(gate=none)`. Nothing is evaluated.
"""

import ast
import dataclasses
import gc
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from histojax.errors import InputError, nearest

Term = tuple[str, dict[str, Any]]
Stage = tuple[Term, ...]

NONE = "none"
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
LONGEST = 8  # terms of a series: each is traced in every block
_PARSING = threading.Lock()


def parse(
  text: str, *, known: Mapping[str, type] | Iterable[str], what: str
) -> tuple[Stage, ...]:
  """Reads a spec into stages, each a series of (name, kwargs); `none` is ().

  Args:
    text: the spec, such as 'none|none|se(ratio=8)|se'.
    known: the valid names. A mapping name -> dataclass (a linen module is one) also
      has its keyword arguments checked, name and type, against the class's fields.
    what: the key that held the text, for the error sentence.

  Raises:
    InputError: not of the grammar, an unknown name, an unknown or mistyped argument.
  """
  if not isinstance(text, str):
    raise InputError(f"{what}={text!r} is not a string such as 'se(ratio=16)'")
  try:
    tree = syntax_tree(text.strip(), mode="eval").body
  except (SyntaxError, ValueError, RecursionError, MemoryError):
    raise _malformed(text, what) from None
  classes = known if isinstance(known, Mapping) else dict.fromkeys(known)
  stages = []
  for stage in _flatten(tree, ast.BitOr):
    nodes = _flatten(stage, ast.Add)
    if len(nodes) > LONGEST:
      raise InputError(
        f"{what}={text!r} has a series of {len(nodes)} blocks: write at most {LONGEST}"
      )
    terms = [_term(node, text, classes, what) for node in nodes]
    stages.append(tuple(term for term in terms if term[0] != NONE))
  return tuple(stages)


def syntax_tree(text: str, mode: str = "exec") -> ast.AST:
  """`ast.parse`, which in Python 3.11 is not for several threads as it is.

  They share its count of the depth, and a switch between them amid a text ends in a
  SystemError. There is one where garbage is collected, as JAX then runs Python code.
  """
  with _PARSING:
    collects = gc.isenabled()
    gc.disable()
    try:
      return ast.parse(text, mode=mode)
    finally:
      if collects:
        gc.enable()


def per_stage(
  text: str, count: int, *, known: Mapping[str, type] | Iterable[str], what: str
) -> tuple[Stage, ...]:
  """`parse`, then exactly `count` stages: a single one holds for all of them.

  Raises:
    InputError: as `parse`, and where the number of stages is neither 1 nor `count`.
  """
  stages = parse(text, known=known, what=what)
  if len(stages) == 1:
    return stages * count
  if len(stages) != count:
    raise InputError(
      f"{what}={text!r} has {len(stages)} stages; give one for all, or {count} "
      "separated by '|'"
    )
  return stages


def single(text: str, *, known: Mapping[str, type] | Iterable[str], what: str) -> Term:
  """`parse`, where there is exactly one term: (name, kwargs).

  Raises:
    InputError: as `parse`, and where there is none, or more than one.
  """
  stages = parse(text, known=known, what=what)
  if len(stages) != 1 or len(stages[0]) != 1:
    raise InputError(f"{what}={text!r}: give one of {', '.join(known)}")
  return stages[0][0]


def split(text: str, separator: str) -> list[str]:
  """The parts of `text` between separators that no bracket or quote encloses, stripped.

  Raises:
    InputError: a bracket or quote that is not closed, or not opened.
  """
  parts, depth, quote = [""], [], ""
  for character in text:
    if quote:
      quote = "" if character == quote else quote
    elif character in "'\"":
      quote = character
    elif character in _CLOSED_BY:
      depth.append(_CLOSED_BY[character])
    elif character in _CLOSED_BY.values():
      if not depth or depth.pop() != character:
        raise InputError(f"{text!r}: {character!r} closes nothing")
    if character == separator and not depth and not quote:
      parts.append("")
    else:
      parts[-1] += character
  if depth or quote:
    raise InputError(f"{text!r}: {quote or depth[-1]!r} is missing")
  return [part.strip() for part in parts]


def _flatten(node: ast.expr, operator: type) -> list[ast.expr]:
  """The operands of a chain of one binary operator, from left to right."""
  operands = []
  while isinstance(node, ast.BinOp) and isinstance(node.op, operator):
    operands.append(node.right)
    node = node.left
  return [node, *reversed(operands)]


def _malformed(text: str, what: str) -> InputError:
  return InputError(
    f"{what}={text!r} cannot be read; write blocks such as 'se', 'se(ratio=16)+sam' "
    "or, per stage, 'none|none|se|se'"
  )


def _term(node: ast.expr, text: str, classes: Mapping[str, Any], what: str) -> Term:
  call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
  if not isinstance(call.func, ast.Name) or call.args:
    raise _malformed(text, what)
  name, kwargs = call.func.id, {}
  if name == NONE and not call.keywords:
    return name, kwargs
  if name not in classes:
    raise InputError(
      f"{what}={text!r}: unknown block {name!r}; {nearest(name, [NONE, *classes])}"
    )
  for keyword in call.keywords:
    try:
      word = isinstance(keyword.value, ast.Name)
      value = keyword.value.id if word else ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
      raise _malformed(text, what) from None
    if keyword.arg is None or keyword.arg in kwargs:
      raise _malformed(text, what)
    kwargs[keyword.arg] = value
  if classes[name] is not None:
    _check_arguments(name, kwargs, classes[name], text, what)
  return name, kwargs


def _check_arguments(
  name: str, kwargs: dict[str, Any], block: type, text: str, what: str
) -> None:
  # Every linen module has these two; they are not the block's own arguments.
  fields = {
    f.name: f for f in dataclasses.fields(block) if f.name not in ("parent", "name")
  }
  for key, value in kwargs.items():
    if key not in fields:
      raise InputError(
        f"{what}={text!r}: {name} takes no argument {key!r}; {nearest(key, fields)}"
      )
    default = fields[key].default
    wanted = float if type(value) is int and type(default) is float else type(value)
    if default not in (None, dataclasses.MISSING) and wanted is not type(default):
      raise InputError(
        f"{what}={text!r}: {name}({key}=...) takes a value like {default!r}, "
        f"not {value!r}"
      )
