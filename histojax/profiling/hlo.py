"""What a compiled program moves and computes, read from its optimised HLO.

Each instruction that XLA schedules is one kernel: it reads its operands and writes its
results once each. A kernel that reads only a slice or a gather of an operand is
charged for that part, one that updates an array in place for the update. Caches,
second reads of the same operand and the workspace of library calls are left out, so a
total is a close lower bound of the traffic with the device's memory.

FLOPs are those of convolutions and matrix products, 2 per multiply-add.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterator

from histojax.profiling.hlo_text import Array, Instruction, parse

FREE = frozenset(
  "parameter tuple get-tuple-element bitcast constant after-all partition-id"
  " replica-id opt-barrier add-dependency domain".split()
)
NO_KERNEL = frozenset({"Sharding", "AllocateBuffer", "annotate_device_placement"})
MOVING = FREE | {"copy", "copy-start", "transpose", "convert", "slice", "reshape"}
CONVOLUTIONS = {
  "__cudnn$convForward": "convolution",
  "__cudnn$convBiasActivationForward": "convolution + bias + activation",
  "__cudnn$convBackwardInput": "convolution, gradient of the input",
  "__cudnn$convBackwardFilter": "convolution, gradient of the kernel",
}
KINDS = {  # of a kernel that multiplies no matrices: the first that it contains
  "communication": r"all-.*|reduce-scatter.*|collective-.*",
  "gather and scatter": r"gather|scatter|dynamic-.*|sort",
  "reduction": r"reduce|reduce-window|select-and-scatter",
}


@dataclasses.dataclass(frozen=True)
class Kernel:
  """One launch, or `count` of them where it stands in a loop: bytes and FLOPs of all.

  `flops` is by the arithmetic: 'bf16' (and other 16 bits), 'tf32' (float32 operands at
  default precision), 'f32' (at highest), 'f64'.
  """

  name: str
  kind: str
  op_name: str
  bytes: float
  flops: dict[str, float]
  results: tuple[Array, ...]
  count: int = 1

  @property
  def layer(self) -> str:
    return layer_of(self.op_name)

  @property
  def block(self) -> str:
    return self.layer.partition("/")[0]

  @property
  def backward(self) -> bool:
    return "transpose(" in self.op_name

  def seconds(self, bandwidth: float, rates: dict[str, float]) -> float:
    """The floor: the larger of the memory's time and the arithmetic's."""
    arithmetic = sum(flops / rates[kind] for kind, flops in self.flops.items())
    return max(self.bytes / bandwidth, arithmetic)


class Module:
  """A program. `kernels()` lists what runs, and fills `notes`: what cannot be known."""

  def __init__(self, text: str):
    self.computations, self.entry = parse(text)
    self.notes: set[str] = set()

  def kernels(self) -> list[Kernel]:
    return list(self._kernels(self.entry, 1))

  def _kernels(self, computation: str, times: int) -> Iterator[Kernel]:
    known = {i.name: i for i in self.computations[computation]}
    for i in known.values():
      if i.opcode in FREE or i.opcode.endswith(("-done", "-update")):
        continue
      if i.target in NO_KERNEL:
        continue
      if i.opcode == "while":
        trips = re.search(r'"known_trip_count":\{"n":"?(\d+)', i.rest)
        if not trips:
          self.notes.add(f"{i.name}: a loop of unknown length, counted once.")
        for part in i.called("body", "condition"):
          yield from self._kernels(part, times * int(trips[1] if trips else 1))
      elif i.opcode == "conditional":
        keys = "branch_computations", "true_computation", "false_computation"
        branches = [list(self._kernels(name, times)) for name in i.called(*keys)]
        yield from max(branches, key=lambda kernels: sum(k.bytes for k in kernels))
        self.notes.add(f"{i.name}: the costliest of {len(branches)} branches counts.")
      elif i.opcode in ("call", "async-start"):
        for part in i.called("to_apply", "calls"):
          yield from self._kernels(part, times)
      else:
        yield self._kernel(i, known, times)

  def _kernel(self, i: Instruction, known, times: int) -> Kernel:
    results = i.arrays
    if i.target.startswith(("__cudnn$conv", "__cublas$")) or i.opcode == "copy-start":
      results = results[:1]  # the others are workspace, or the source again
    elif i.opcode.endswith("-start") and len(results) > 1:
      results = results[len(results) // 2 :]  # (operands, results)
    if i.opcode == "fusion":
      body = self.computations[i.called("calls")[0]]
    else:
      body = [
        Instruction(name, known[name].arrays, "parameter", (str(number),))
        for number, name in enumerate(i.operands)
        if name not in i.operands[:number]
      ] + [dataclasses.replace(i, arrays=results)]
    read, moved = traffic(body)
    buffers = collections.defaultdict(float)  # one may be handed over more than once
    for number, amount in read.items():
      buffers[_origin(i.operands[number], known)] += amount
    moved += sum(min(amount, known[b].bytes) for b, amount in buffers.items())
    everything = list(self._with_called(body))
    flops = _flops(everything)
    op_names = (x.op_name for x in (i, *reversed(body)))
    return Kernel(
      i.name,
      _kind(i, {x.opcode for x in everything}, flops),
      next(filter(None, op_names), ""),
      times * moved,
      {kind: times * n for kind, n in flops.items()},
      results,
      times,
    )

  def _with_called(self, body) -> Iterator[Instruction]:
    for i in body:
      yield i
      if i.opcode == "fusion":
        yield from self._with_called(self.computations[i.called("calls")[0]])


def traffic(body: list[Instruction]) -> tuple[dict[int, float], float]:
  """What one kernel moves: ({number of the parameter: bytes read}, bytes written).

  Walks from the results back: a slice or gather asks its operand for as many elements
  as it has itself, a reduction for all, an elementwise operation for as many as it is
  asked for. An update in place reads and writes the update only.
  """
  known = {i.name: i for i in body}
  # elements of each instruction; gathers of one array may ask for the same ones again
  needed, gathered = collections.defaultdict(float), collections.defaultdict(float)
  roots = body[-1].operands if body[-1].opcode == "tuple" else [body[-1].name]
  in_place, read, written = set(), {}, 0
  for name in roots:
    last = known[_origin(name, known)]
    place = {"dynamic-update-slice": 1, "scatter": 2}.get(last.opcode)
    if place and known[_origin(last.operands[0], known)].opcode == "parameter":
      in_place.add(name := last.name)
      size = known[last.operands[place]]
    else:
      size = known[name]
    written += size.bytes
    needed[name] = size.size
  for i in reversed(body):
    n = min(needed[i.name] + gathered[i.name], i.size)
    if i.opcode == "parameter":
      read[int(i.operands[0])] = n * i.bytes / max(i.size, 1)
    elif n:
      for position, name in enumerate(i.operands):
        if i.opcode == "gather" and not position:
          gathered[name] = max(gathered[name], n)
        elif name in known:
          updated = i.name in in_place and not position
          needed[name] += _part(i, n, known[name].size, position, updated)
  return read, written


def _part(i: Instruction, n: float, whole: int, position: int, updated: bool) -> float:
  """How many of an operand's `whole` elements `n` elements of the result take."""
  if updated:
    return n if i.opcode == "scatter" else 0  # a scatter adds to what is there
  if i.opcode == "reduce":  # one array and one start for each result
    return whole * min(1, n / i.size)
  if i.opcode in ("slice", "dynamic-slice", "broadcast", "pad") and not position:
    return n
  if whole == i.size or i.opcode in ("concatenate", "get-tuple-element"):
    return min(n, whole)
  return whole


def layer_of(op_name: str) -> str:
  """'jit(f)/transpose(jvp(Net))/stage2/conv2/dot_general' -> 'stage2/conv2'.

  The named scopes, at most two, without transformations and what they wrap (the
  network's own name) and without the operation at the end; 'other' where none is left.
  """
  parts = re.split(r"/(?![^(]*\))", op_name)[:-1]
  scopes = [p for p in parts if not re.fullmatch(r"\w*\(.*\)|while|body|cond|", p)]
  return "/".join(scopes[:2]) or "other"


def _origin(name: str, known) -> str:
  """Looks through bitcasts, which are the same buffer."""
  while known[name].opcode == "bitcast" and known[name].operands[0] in known:
    name = known[name].operands[0]
  return name


def _flops(body: list[Instruction]) -> dict[str, float]:
  known, total = {i.name: i for i in body}, collections.Counter()
  for i in body:
    if products := _multiply_adds(i, known):
      first = max((known[o].arrays[0] for o in i.operands[:2]), key=_width)
      exact = re.search(r"operand_precision.{2,12}highest", i.rest, re.IGNORECASE)
      kinds = {8: "f64", 4: "f32" if exact else "tf32"}
      total[kinds.get(_width(first), "bf16")] += 2 * products
  return dict(total)


def _width(array: Array) -> int:
  return Array(array.dtype, ()).bytes


def _multiply_adds(i: Instruction, known) -> float:
  if i.opcode == "dot" or i.target.startswith("__cublas$"):
    key = "lhs_contracting_dims" if i.opcode == "dot" else "lhs_contracting_dimensions"
    left = known[i.operands[0]].arrays[0].dims
    return i.arrays[0].size * math.prod(left[d] for d in i.numbers(key))
  if i.opcode != "convolution" and i.target not in CONVOLUTIONS:
    return 0
  left, right = (known[o].arrays[0] for o in i.operands[:2])
  output, kernel = i.arrays[0], right  # of the forward convolution
  if i.target == "__cudnn$convBackwardFilter":
    output, kernel = kernel, output
  elif i.target == "__cudnn$convBackwardInput":
    output = left
  labels = re.search(r"dim_labels=\w+_(\w+)->", i.rest)[1]
  dilated = re.search(r"lhs_dilate=([\dx]+)", i.rest)  # zeros between the elements
  zeros = math.prod(map(int, dilated[1].split("x"))) if dilated else 1
  return output.size * kernel.size / max(kernel.dims[labels.index("o")], 1) / zeros


def _kind(i: Instruction, opcodes: set[str], flops) -> str:
  """What a kernel mostly does; of a fusion, its heaviest part."""
  if i.target in CONVOLUTIONS:
    return CONVOLUTIONS[i.target]
  if flops:
    return "convolution" if "convolution" in opcodes else "matrix product"
  if i.target:
    return f"call of {i.target}"
  for kind, members in KINDS.items():
    if any(re.fullmatch(members, opcode) for opcode in opcodes):
      return kind
  return "copy and cast" if opcodes <= MOVING else "elementwise"
