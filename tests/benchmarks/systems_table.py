"""README's table of systems: networks, counts, parity, published scores and ours.

    python tests/benchmarks/systems_table.py        # rewrites the table in README.md

Parameters and multiply-accumulates are counted anew, from shapes; parity comes from
results/parity.json (tests/benchmarks/parity.py), our scores from results/quick.json
(tests/benchmarks/quick_runs.py). A cell without a measurement says so.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(HERE.parent)]
BEGIN, END = "<!-- systems: begin -->", "<!-- systems: end -->"


def main():
  import os

  os.chdir(ROOT)
  rows = [row(name) for name in names()]
  table = "\n".join([*HEADER, *rows])
  readme = ROOT / "README.md"
  text = readme.read_text()
  before, rest = text.split(BEGIN)
  _, after = rest.split(END)
  readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
  print(table)


HEADER = (
  "| config | network | parameters | GMAC | parity, float32 | published | `:quick` |",
  "|---|---|---|---|---|---|---|",
)


def names() -> list[str]:
  import test_configs

  return [name for name in test_configs.PARAMETERS if name != "folder"]


def row(name: str) -> str:
  import test_configs

  config = test_configs.load(name)
  model, state = test_configs.abstract(config)
  count, expected = counted(model, state, config), test_configs.PARAMETERS[name]
  ours = sum(x.size for x in leaves(state.all_params))
  same = f"{ours:,}" if ours == expected else f"{ours:,}, NOT {expected:,}"
  cells = [f"`{name}`", network(config), same, f"{count.macs / 1e9:.3f}"]
  return f"| {' | '.join([*cells, parity(name), told(config), seen(name)])} |"


def leaves(tree):
  import jax

  return jax.tree.leaves(tree)


def counted(model, state, config):
  import jax
  import jax.numpy as jnp

  from histojax.profiling import counts

  size = config.augment.size
  images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
  return counts.count(model, state, images)


def network(config) -> str:
  """What the keys of `config.model` say, briefly."""
  said = [config.model.name]
  for key in ("attention", "stage_end"):
    value = config.model.get(key, "none")
    said += [value.replace("|", "\\|")] * (value != "none")
  if config.model.get("head", "linear") != "linear":
    said.append(config.model.head)
  return f"{', '.join(said)}; {config.augment.size} px"


def held(file: str) -> dict:
  path = HERE / "results" / file
  return json.loads(path.read_text()) if path.exists() else {}


def parity(name: str) -> str:
  found = held("parity.json").get(name)
  if not found:
    return "not measured"
  return f"{found['eval']:.0e}, train {found['train']:.0e} ({found['oracle']})"


def told(config) -> str:
  from histojax import published

  if not config.published:
    return "–"
  found = published.find(config.published)
  accuracy = found.get("accuracy")
  return "–" if accuracy is None else f"{100 * accuracy:.2f} %"


def seen(name: str) -> str:
  found = held("quick.json").get(name)
  if not found or "error" in found:
    return "not measured"
  score = found["balanced_accuracy"]
  return (
    f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f}),"
    f" {found['seconds'] / 60:.1f} min"
  )


if __name__ == "__main__":
  main()
