"""A `targets.Count` as the facts and tables of a profile's page, all modelled."""

KEYS = {
  "kind": lambda k: k.kind,
  "block": lambda k: k.block,
  "layer": lambda k: k.layer,
}


def facts(c) -> list[dict]:
  """What is one number."""
  held = {k: v / 2**30 for k, v in c.memory.items()}
  listed = (
    ("Floor", "step", 1e3 * c.seconds, "ms", "kernel by kernel: memory or arithmetic"),
    ("Floor", "whole step", c.batch / c.seconds, "images/s", "no step is faster"),
    ("Traffic", "training", c.bytes_per_image / 1e6, "MB/image", ""),
    ("Traffic", "step", c.bytes / 1e9, "GB", ""),
    ("Traffic", "arithmetic", c.flops / c.batch / 1e9, "GFLOP/image", ""),
    ("Traffic", "kernels", c.launches, "", "launched in a step"),
    ("Memory", "peak", held["peak"], "GiB", "by the compiler's analysis"),
    ("Memory", "temporary", held["temporary"], "GiB", ""),
    ("Memory", "arguments", held["arguments"], "GiB", "state, tiles, row"),
  )
  keys = ("group", "name", "value", "unit", "note")
  made = (dict(zip(keys, fact, strict=True)) for fact in listed)
  return [fact | {"kind": "modelled"} for fact in made]


def tables(c) -> list[dict]:
  """The step by kind of kernel, block and layer; its largest kernels."""
  made, whole = [], 1e3 * c.seconds
  for what, brief in (("kind", 20), ("block", 10), ("layer", 0)):
    rows = [[k, *v, f"{v[3] / whole:.1%}"] for k, v in c.rows(KEYS[what]).items()]
    columns = [what, "kernels", "GB", "TFLOP", "floor ms", "share"]
    made.append(_table(f"Step by {what}", columns, rows, brief))
  rows = [
    [k.layer, "backward" if k.backward else "forward", k.kind, k.bytes / 1e6]
    + [sum(k.flops.values()) / 1e9, 1e6 * c.floor(k), k.name]
    for k in sorted(c.kernels, key=c.floor, reverse=True)[:100]
  ]
  columns = ["layer", "pass", "kind", "MB", "GFLOP", "floor µs", "kernel"]
  return [*made, _table("Largest kernels", columns, rows, 10)]


def differences(ours, theirs, names: list[str]) -> list[dict]:
  """What ours costs more than theirs: in total, by kind, by block."""
  pairs = zip(facts(ours), facts(theirs), strict=True)
  held = [
    (f"{f['name']}, {f['unit']}".rstrip(", "), f["value"], g["value"]) for f, g in pairs
  ]
  made = [("Side by side", "figure", held)]
  for what in ("kind", "block"):
    a, b = (
      {k: 1e3 * v[1] / c.batch for k, v in c.rows(KEYS[what]).items()}
      for c in (ours, theirs)
    )
    rows = [(k, a.get(k, 0.0), b.get(k, 0.0)) for k in a | b]
    made.append((f"MB per image by {what}", what, rows))
  return [
    _table(
      title,
      [what, *names, "difference", "ratio"],
      [[k, a, b, a - b, a / b if b else None] for k, a, b in rows],
      20,
    )
    for title, what, rows in made
  ]


def _table(title: str, columns: list[str], rows: list[list], brief: int) -> dict:
  made = {"title": title, "columns": columns, "rows": rows, "brief": brief}
  return made | {"kind": "modelled"}
