"""All figures of one config: counted, timed, traced, and put into words."""

import collections
import itertools
import re
from pathlib import Path

import jax
import numpy as np

from histojax import models, runs
from histojax.profiling import counts, figure, memory, trace
from histojax.profiling.measure import Bench
from histojax.profiling.roofline import Ceilings

GIB = 2**30
SHARES = (
  "Shares come from a trace of {} steps, scaled to the step time measured without it:"
  " every instant is shared equally by the operations that run in it, on whichever"
  " thread. A fusion counts as its last operation, or as a convolution if one is in it;"
  " a gate folded into a normalisation counts there."
)
ON_GPU = (
  "While a profiler listens, XLA launches kernels one by one instead of in command"
  " buffers, so the gaps between them are longer than in training."
)


class Result:
  """What one bench came to.

  Attributes:
    step: seconds per step of the real loop, its input included, p50.
    rows: {trace.Row: seconds per step}; with the gaps and the wait they add up to step.
  """

  def __init__(self, bench: Bench, ceilings: Ceilings, keep_trace: Path | None, tick):
    self.bench, self.ceilings = bench, ceilings
    state, size = bench.engine.abstract(), bench.config.augment.size
    images = jax.ShapeDtypeStruct((bench.batch, size, size, 3), bench.engine.dtype)
    self.counts = counts.count(bench.engine.model, state, images)
    self.layers = [*state.params, *state.frozen]
    self.frozen = sorted(state.frozen)
    self.parameters = models.parameter_count(state.all_params)

    self.step = bench.median("loop")
    self.traced = int(np.clip(3 / self.step, 3, 20))
    batches = itertools.repeat(bench.given)
    held, span = trace.record(
      lambda: bench.run(self.traced, batches), self.traced, bench.step.as_text(),
      self.layers, keep_trace,
    )  # fmt: skip
    scale = (self.step - bench.stall) / span if span else 0.0
    self.rows = {row: seconds * scale for row, seconds in held.items()}
    tick("trace")
    self.needed, self.budget = memory.of_step(bench), memory.budget()
    self.peak = memory.peak()
    self.largest = memory.largest_batch(bench, self.budget)
    tick("largest batch")

  def kinds(self) -> dict[str, float]:
    """Seconds per step by kind; together the step."""
    found = dict.fromkeys(trace.KINDS, 0.0)
    for row, seconds in self.rows.items():
      found[row.kind] += seconds
    found[trace.INPUT] = self.bench.stall
    found[trace.BETWEEN] = max(0.0, self.step - sum(found.values()))
    return found

  def by_layer(self, whole_stages: bool) -> dict[str, dict]:
    """{layer or stage: {"kinds": {kind: s}, "forward", "backward": s, "ops": [Op]}}."""
    ops, found = self.counts.by_layer(self.layers), {}
    for name in sorted({row.layer for row in self.rows} | {*ops}, key=_order):
      group = (re.sub(r"_.*", "", name) if whole_stages else name) or trace.OTHER
      blank = {"kinds": collections.Counter(), "forward": 0.0, "backward": 0.0}
      entry = found.setdefault(group, blank | {"ops": []})
      entry["ops"] += ops.get(name, [])
      for row, seconds in self.rows.items():
        if row.layer == name:
          entry["kinds"][row.kind] += seconds
          entry["backward" if row.backward else "forward"] += seconds
    return found

  def stages(self) -> dict[str, float]:
    """Seconds per step by stage."""
    stages = self.by_layer(whole_stages=True)
    return {name: entry["kinds"].total() for name, entry in stages.items()}

  def facts(self) -> list[dict]:
    """Everything that is one number."""
    b, top, on_cpu = self.bench, self.ceilings, jax.default_backend() == "cpu"
    loop, (peak, whose) = np.array(b.seconds["loop"]) * 1e3, self.peak
    flops, moved = self.counts.total("flops"), self.counts.total("bytes")
    best, rate = top.step_seconds(self.counts), b.batch / self.step
    fed = "streamed from disk" if b.engine.streamed else "resident: only indices"
    limit = f"of {self.budget / GIB:.1f} GiB {'free' if on_cpu else 'usable'}"
    m, o = "measured", "modelled"
    groups = {
      "Speed": [
        ("step, p50", np.median(loop), "ms", m, f"{len(loop)} steps, input included"),
        ("step, p95", np.percentile(loop, 95), "ms", m, ""),
        ("whole step", rate, "images/s", m, "as in training"),
        ("forward only", b.rate("forward"), "images/s", m, "training mode"),
        ("augmentation only", b.rate("augment"), "images/s", m, "on the device"),
        ("input only", b.rate("input"), "images/s", m, fed),
        ("evaluation", b.rate("evaluate"), "images/s", m, "rotated views"),
        ("waiting for input", b.stall * 1e3, "ms", m, _share(b.stall / self.step)),
      ],
      "Compilation": [
        ("tracing the step", b.compiling["trace"], "s", m, ""),
        ("compiling, cold", b.compiling["cold"], "s", m, "empty cache"),
        ("compiling, cached", b.compiling["warm"], "s", m, "from a cache on disk"),
      ],
      "Memory": [
        ("peak", peak / GIB, "GiB", m, whose),
        ("training step", self.needed / GIB, "GiB", o, "by the compiler"),
        ("largest batch", self.largest, "images", o if on_cpu else m, limit),
      ],
      "Roofline": [
        ("forward", self.counts.macs, "MAC/image", o, "without additions"),
        ("training", flops / 1e9, "GFLOP/image", o, "with gradients"),
        ("least traffic", moved / 1e6, "MB/image", o, "each tensor once per use"),
        ("large copy", top.bandwidth / 1e9, "GB/s", m, "ceiling"),
        ("large product", top.rate / 1e9, "GFLOP/s", m, f"ceiling, {b.engine.dtype}"),
        ("arithmetic used", 100 * flops * rate / top.rate, "%", o, "MFU"),
        ("bandwidth used", 100 * moved * rate / top.bandwidth, "%", o, "least traffic"),
        ("roofline step", best * 1e3, "ms", o, f"{b.batch / best:,.0f} images/s"),
        ("reached", 100 * best / self.step, "%", o, "roofline / step, p50"),
      ],
    }
    if "decode" in b.seconds:
      once = ("decoding", b.rate("decode"), "images/s", m, "once, one thread")
      groups["Speed"].insert(6, once)
    keys = ("name", "value", "unit", "kind", "note")
    return [
      dict(zip(keys, fact, strict=True)) | {"group": group}
      for group, facts in groups.items()
      for fact in facts
    ]

  def tables(self) -> list[dict]:
    """Time by kind, by stage and by layer."""
    kinds = self.kinds().items()
    by_kind = [[k, s * 1e3, _share(s / self.step)] for k, s in kinds if s]
    columns = ["ms", "share", "forward", "backward", "GFLOP", "of peak", "roofline ms"]
    note = "Per step, in ms. GFLOP and roofline are modelled."
    made = [{"title": "Time by kind", "columns": ["kind", "ms", "share"]}]
    made[0] |= {"rows": by_kind, "brief": len(by_kind)}
    for word, whole in (("stage", True), ("layer", False)):
      rows = []
      for name, entry in self.by_layer(whole).items():
        taken, flops, best = self._work(entry)
        peak = flops / taken / self.ceilings.rate if taken else 0.0
        halves = entry["forward"] * 1e3, entry["backward"] * 1e3
        row = [name, taken * 1e3, _share(taken / self.step), *halves]
        rows.append([*row, flops / 1e9, f"{peak:.0%}", best * 1e3])
      table = {"title": f"Time by {word}", "columns": [word, *columns], "rows": rows}
      made.append(table | {"brief": len(rows) * whole, "note": note})
    return [table | {"kind": "measured"} for table in made]

  def _work(self, entry) -> tuple[float, float, float]:
    """(seconds, training FLOPs, least seconds) of a layer."""
    ops = counts.Counts(tuple(entry["ops"]), self.bench.batch, 0)
    flops = sum(op.flops for op in ops.ops)
    return entry["kinds"].total(), flops, self.ceilings.step_seconds(ops)

  def picture(self) -> bytes:
    """Where the time goes, beside the roofline: a PNG."""
    stages, dots = {}, {}
    for name, entry in self.by_layer(whole_stages=True).items():
      stages[name] = {kind: s * 1e3 for kind, s in entry["kinds"].items()}
      taken, flops, _ = self._work(entry)
      moved = sum(op.bytes for op in entry["ops"])
      if taken > self.step / 1000 and moved:
        dots[name] = flops / moved, flops / taken
    for kind in (trace.BETWEEN, trace.INPUT):
      if self.kinds()[kind]:
        stages[kind] = {kind: self.kinds()[kind] * 1e3}
    return figure.draw(stages, dots, self.ceilings)

  def profile(self, name: str, command: str) -> dict:
    """The structure that `page.write` takes."""
    bench, model, found = self.bench, self.bench.config.model, runs.environment()
    frozen = f"; frozen: {', '.join(self.frozen)}" * bool(self.frozen)
    size, dtype = bench.config.augment.size, bench.engine.dtype
    versions = [f"{k} {found['versions'][k]}" for k in ("jax", "jaxlib", "flax")]
    about = {
      "device": f"{found['devices']}, {found['processor']}, {found['cores']} cores",
      "versions": ", ".join(versions),
      "model": f"{model.name}, attention {model.attention},"
      f" {self.parameters:,} parameters{frozen}",
      "work": f"batch {bench.batch}, {size} px, {dtype}, {bench.dataset.name}",
      "command": command,
    }
    title = "Where the time goes, and how far it is from the roofline"
    notes = [SHARES.format(self.traced)]
    return {
      "title": f"Profile of {name}",
      "about": about,
      "facts": self.facts(),
      "tables": self.tables(),
      "figures": [{"title": title, "png": self.picture()}],
      "notes": notes + [ON_GPU] * (jax.default_backend() == "gpu"),
    }


def _share(fraction: float) -> str:
  return f"{fraction:.1%}"


def _order(name: str) -> tuple:
  """The network's order: stem, stages by number, head; then the step's own scopes."""
  fixed = {"augment": 0, "stem": 1, "head": 3, "optimizer": 4, "": 5}
  return fixed.get(name, 2), [int(n) for n in re.findall(r"\d+", name)], name
