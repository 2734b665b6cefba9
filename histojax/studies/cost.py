"""What a variant costs: parameters, multiply-accumulates, speed, memory, minutes."""

import functools
import json

import numpy as np

from histojax.errors import InputError


def of(reports: list[dict]) -> dict:
  """Of the reports of one variant's trainings, JSON-ready; None where not recorded.

  Returns:
    parameters, trained_parameters, macs (of one image, forward), images_per_second (in
    training, mean), peak_memory (bytes, the largest), peak_memory_bound (""; "at most"
    where the process had held more before), peak_memory_whose (device, process or ""),
    minutes (of one training, mean), total_minutes, resumed (trainings whose minutes are
    of their last session only), on_features (trainings of a head on cached features).
  """
  told = [report["training"] for report in reports]
  seconds = [t["seconds"] for t in told if t.get("seconds") is not None]
  rates = [t["images_per_second"] for t in told if t.get("images_per_second")]
  peaks = [t["peak_memory"] for t in told if t.get("peak_memory")]
  largest = max(peaks, key=lambda peak: peak["bytes"], default=None)
  return {
    "parameters": told[0].get("parameters"),
    "trained_parameters": told[0].get("trained_parameters"),
    "macs": macs(reports[0]),
    "images_per_second": float(np.mean(rates)) if rates else None,
    "peak_memory": largest and largest["bytes"],
    "peak_memory_bound": largest["bound"] if largest else "",
    "peak_memory_whose": largest["whose"] if largest else "",
    "minutes": float(np.mean(seconds)) / 60 if seconds else None,
    "total_minutes": sum(seconds) / 60,
    "resumed": sum(bool(t.get("resumed_from_step")) for t in told),
    "on_features": sum("heads_at_once" in t for t in told),
  }


def macs(report: dict) -> int | None:
  """Of the network of a report, per image; None where it cannot be built here."""
  try:
    config = {k: report["config"][k] for k in ("model", "augment", "optimizer")}
    text = json.dumps(config, sort_keys=True)
    return _macs(text, len(report["dataset"]["classes"]))
  except (InputError, KeyError, TypeError, ValueError):
    # a report of another version of this program: the rest of the table stands
    return None


@functools.cache
def _macs(text: str, classes: int) -> int:
  import jax
  import jax.numpy as jnp
  from ml_collections import ConfigDict

  from histojax import steps
  from histojax.engine import parts
  from histojax.profiling import counts

  config = ConfigDict(_tuples(json.loads(text)))
  model, tx, view = parts(config, classes)
  start = functools.partial(steps.init, model=model, tx=tx, view=view)
  state = jax.eval_shape(start, jax.random.key(0))
  images = jax.ShapeDtypeStruct((1, view.size, view.size, 3), jnp.float32)
  return counts.count(model, state, images).macs


def _tuples(value):
  """Lists, which JSON made of tuples, as tuples again."""
  if isinstance(value, dict):
    return {k: _tuples(v) for k, v in value.items()}
  return tuple(map(_tuples, value)) if isinstance(value, list) else value
