"""The text of an optimised HLO module as computations of instructions."""

import dataclasses
import math
import re

ITEM_BITS = {"pred": 8, "bf16": 16}  # other types end with their width
_ARRAY = re.compile(r"\b(pred|bf16|[suc]\d+|f\d+\w*)\[([\d,<=]*)\]")
_HEAD = re.compile(r"\s*(?:ROOT )?%?([\w.\-]+) = ")
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\{\s*$")


@dataclasses.dataclass(frozen=True)
class Array:
  dtype: str
  dims: tuple[int, ...]

  @property
  def size(self) -> int:
    return math.prod(self.dims)

  @property
  def bytes(self) -> int:
    bits = ITEM_BITS.get(self.dtype) or int(re.search(r"\d+", self.dtype)[0])
    return math.ceil(self.size * bits / 8)


@dataclasses.dataclass(frozen=True)
class Instruction:
  name: str
  arrays: tuple[Array, ...]  # more than one where the result is a tuple
  opcode: str
  operands: tuple[str, ...]  # names; of a parameter its number
  rest: str = ""  # the text after the operands

  @property
  def size(self) -> int:
    return sum(a.size for a in self.arrays)

  @property
  def bytes(self) -> int:
    return sum(a.bytes for a in self.arrays)

  @property
  def target(self) -> str:
    """Of a custom call, such as '__cudnn$convForward'."""
    return self._first(r'custom_call_target="([^"]+)"')

  @property
  def op_name(self) -> str:
    return self._first(r'op_name="([^"]*)"')

  def called(self, *keys: str) -> list[str]:
    """Names of the computations under the keys, such as calls=%fused_add.2."""
    found = (self._first(rf"\b{key}=(\{{[^}}]*\}}|%[\w.\-]+)") for key in keys)
    return re.findall(r"%([\w.\-]+)", " ".join(found))

  def numbers(self, key: str) -> list[int]:
    """Those of key={1,2} or "key":["1","2"]."""
    found = self._first(rf'\b{key}"?[=:][{{\[]([\d,"]*)')
    return [int(d) for d in re.findall(r"\d+", found)]

  def _first(self, pattern: str) -> str:
    found = re.search(pattern, self.rest)
    return found[1] if found else ""


def parse(text: str) -> tuple[dict[str, list[Instruction]], str]:
  """({computation: its instructions in order}, the name of the entry).

  Raises:
    ValueError: not the text of an HLO module.
  """
  computations, current, entry = {}, [], ""
  for line in text.splitlines():
    if _HEAD.match(line):
      current.append(_instruction(line))
    elif head := _COMPUTATION.match(line):
      current = computations.setdefault(head[2], [])
      entry = head[2] if head[1] else entry
  if not entry:
    raise ValueError("no ENTRY computation: this is not the text of an HLO module")
  return computations, entry


def _instruction(line: str) -> Instruction:
  head = _HEAD.match(line)
  text = line[head.end() :]
  end = _closing(text) if text.startswith("(") else text.index(" ")
  shape, (opcode, _, text) = text[:end], text[end:].lstrip().partition("(")
  end = _closing("(" + text) - 1
  arrays = tuple(
    Array(dtype, tuple(int(d.lstrip("<=")) for d in dims.split(",") if d))
    for dtype, dims in _ARRAY.findall(shape)
  )
  inside = text[: end - 1]
  names = [inside] if opcode == "parameter" else re.findall(r"%([\w.\-]+)", inside)
  return Instruction(head[1], arrays, opcode, tuple(names), text[end:])


def _closing(text: str) -> int:
  """The end of the parenthesis that `text` begins with."""
  depth = 0
  for place, character in enumerate(text):
    depth += (character == "(") - (character == ")")
    if not depth:
      return place + 1
  raise ValueError(f"unbalanced parentheses in {text[:60]!r}")
