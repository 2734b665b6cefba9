"""Where a step's time goes, by layer and by kind, read from a real profiler trace.

The trace names the operation of the optimised HLO that runs on each thread or stream;
the HLO's op_name says which layer of the source it came from. A fusion counts as what
its last operation is, or as a convolution if there is one in it. Every instant of the
traced time is shared equally by the operations that run in it, wherever they run, so
the shares add up to the time that was traced, however many threads there are.
"""

import collections
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax

from histojax.profiling.counts import layer_of

CONVOLUTION, NORM = "convolution, dense", "normalisation, ReLU, add"
ATTENTION, OPTIMIZER, AUGMENT = "attention", "optimizer", "augmentation"
OTHER, BETWEEN, INPUT = "other", "between operations", "waiting for input"
KINDS = (CONVOLUTION, NORM, ATTENTION, OPTIMIZER, AUGMENT, OTHER, BETWEEN, INPUT)
SCOPES = {"augment": AUGMENT, "optimizer": OPTIMIZER}  # named scopes of the step
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = .*?[\])}] ([a-z][\w\-]*)\(")
_HEAVY = re.compile(r"conv(?!ert)|dot|gemm|matmul")  # an opcode or a library's call


class Row(NamedTuple):
  """A share of the traced time."""

  layer: str  # a top-level module or scope, '' where nothing names it
  kind: str
  backward: bool


def record(run, steps: int, text: str, layers, keep: Path | None = None):
  """Traces `run()`, which does `steps` steps of the program with HLO `text`.

  Args:
    layers: names of the model's top-level modules.
    keep: a folder for the trace, else it is thrown away.

  Returns:
    ({Row: seconds per step}, seconds per step from the first to the last operation).
  """
  with tempfile.TemporaryDirectory() as scratch:
    folder = Path(keep or scratch)
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0  # the interpreter's own events would slow the host
    with jax.profiler.trace(str(folder), profiler_options=options):
      run()
    newest = max(folder.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime)
    module = re.match(r"HloModule ([\w.\-]+)", text)[1]
    held, span = shares(events(newest, module))
  described = describe(text, {*layers, *SCOPES})
  rows = collections.Counter()
  for name, seconds in held.items():
    rows[described.get(name, Row("", OTHER, False))] += seconds / steps
  return dict(rows), span / steps


def events(path: Path, module: str) -> list[tuple[int, int, str]]:
  """(start, end, operation) in ns of a module's operations on one device."""
  planes = list(jax.profiler.ProfileData.from_file(str(path)).planes)
  devices = [p for p in planes if p.name.startswith("/device:")]
  found = []
  for plane in sorted(devices, key=lambda p: p.name)[:1] or planes:
    for line in plane.lines:
      for event in line.events:
        stats = dict(event.stats)
        if "hlo_op" in stats and stats.get("hlo_module") == module:
          found.append((event.start_ns, event.end_ns, stats["hlo_op"]))
  return found


def shares(found) -> tuple[dict[str, float], float]:
  """Seconds of each operation, every instant split among those that run in it."""
  held, running, before = collections.Counter(), collections.Counter(), 0
  marks = [(start, 1, name) for start, _, name in found]
  marks += [(end, -1, name) for _, end, name in found]
  marks.sort()
  for now, change, name in marks:
    for other in running:
      held[other] += (now - before) / len(running)
    running[name] += change
    if not running[name]:
      del running[name]
    before = now
  span = marks[-1][0] - marks[0][0] if marks else 0
  return {k: v / 1e9 for k, v in held.items()}, span / 1e9


def describe(text: str, layers) -> dict[str, Row]:
  """What every instruction of an optimised HLO is, by its name."""
  bodies, labels, called, opcode, operands = {}, {}, {}, {}, {}
  for line in text.splitlines():
    head = re.match(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$", line)
    if head:
      body = bodies[head[1]] = []
    elif found := _INSTRUCTION.match(line):
      name, opcode[name] = found.groups()
      body.append(name)
      label = re.search(r'op_name="([^"]*)"', line)
      labels[name] = label[1] if label else ""
      called[name] = re.findall(r"(?:calls|to_apply|body)=%?([\w.\-]+)", line)
      target = re.search(r'custom_call_target="([^"]*)"', line)
      opcode[name] = target[1] if target else opcode[name]
      operands[name] = re.findall(r"%([\w.\-]+)", line[found.end() :].split("), ")[0])

  def inside(name):
    return [i for body in called[name] for i in bodies.get(body, ())]

  def label(name, depth=0):
    """Its own op_name, else the commonest within, else that of what it reads."""
    within = [labels[i] for i in inside(name) if layer_of(labels[i], layers)]
    if layer_of(labels[name], layers) or depth > 4:
      return labels[name]
    if within:
      return collections.Counter(within).most_common(1)[0][0]
    read = (label(i, depth + 1) for i in operands[name][:2] if i in labels)
    return next(filter(None, read), labels[name])

  rows = {}
  for name in labels:
    path = label(name)
    parts = [i for i in [name, *inside(name)] if _HEAVY.search(opcode[i])]
    layer = layer_of(path, layers)
    kind = _kind(path, layer, [labels[i] for i in parts])
    rows[name] = Row(layer, kind, "transpose(" in path)
  return rows


def _kind(path: str, layer: str, products: list[str]) -> str:
  """The kind of what `path` names and `products` (op_names of products) are part of."""
  if layer in SCOPES:
    return SCOPES[layer]
  if re.search(r"/attention\b|/mixer\b(?!.*/(conv|norm)_)", path):
    return ATTENTION
  # a norm's own products are statistics; its other scopes are named after the layer
  if re.search(r"/conv(?!ert)", path) or any("/norm" not in p for p in products):
    return CONVOLUTION
  pool = re.search(r"max_pool|reduce_window|select_and_scatter", path)
  return NORM if layer and layer != "head" and not pool else OTHER
