"""What each value of a config may be: one row per key, checked before anything runs.

Names (models, blocks, protocols, canvases) are checked where their tables are; here it
is only seen to that they are text.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from histojax import published, runs
from histojax.errors import InputError


class Rule(NamedTuple):
  """What a value must be, as a test and in words."""

  holds: Callable[[Any], bool]
  words: str


def whole(low: int, high: int) -> Rule:
  return Rule(
    lambda v: type(v) is int and low <= v <= high,
    f"a whole number from {low:,} to {high:,}",
  )


def number(low: float, high: float) -> Rule:
  """A finite number, both ends allowed."""
  return Rule(
    lambda v: type(v) in (int, float) and low <= v <= high,  # no nan is between them
    f"a number from {low:,} to {high:,}",
  )


def above(low: float, high: float) -> Rule:
  words = f"a number greater than {low:,}, up to {high:,}"
  return Rule(lambda v: number(low, high).holds(v) and v > low, words)


def below(low: float, high: float) -> Rule:
  words = f"a number from {low:,} to less than {high:,}"
  return Rule(lambda v: number(low, high).holds(v) and v < high, words)


def three(rule: Rule) -> Rule:
  """A tuple of three, for red, green and blue."""

  def holds(value):
    return type(value) in (tuple, list) and [*map(rule.holds, value)] == [True] * 3

  one = rule.words.partition(" from ")[2]
  return Rule(holds, f"three numbers such as (a,b,c), each from {one}")


TEXT = Rule(lambda v: type(v) is str, "text")
TRUTH = Rule(lambda v: type(v) is bool, "True or False")
SEED = whole(0, 2**31 - 1)
BATCH = whole(1, 65_536)
MANY = whole(1, 1_000_000)

EVERY = {  # config has these
  "seed": SEED,
  "epochs": MANY,
  "batch_size": BATCH,
  "evaluate_batch_size": BATCH,
  "select_on": TEXT,
  "evaluate_every": MANY,
  "log_every": MANY,
  "published": TEXT,
  "data.name": TEXT,
  "data.device_memory_gib": number(0, 1_000_000),
  "split.protocol": TEXT,
  "split.seed": SEED,
  "split.folds": whole(2, 1_000),
  "split.fold": whole(-1, 999),  # -1: all in turn, kfold only
  "split.validation_fraction": number(0, 0.5),
  "augment.size": whole(32, 8_192),  # a network reduces its input 32 times
  "augment.rotations": whole(1, 360),
  "augment.train_rotations": TEXT,
  "augment.canvas": TEXT,
  "augment.fill": three(whole(0, 255)),
  "augment.flip": TEXT,
  "augment.normalise": TEXT,
  "augment.mean": three(number(0, 1)),
  "augment.std": three(number(0.001, 10)),
  "model.name": TEXT,
  "model.attention": TEXT,
  "model.dtype": TEXT,
  "optimizer.learning_rate": above(0, 100),
  "optimizer.momentum": below(0, 1),
  "optimizer.weight_decay": number(0, 1),
  "optimizer.schedule": TEXT,
  "checkpoint.keep": whole(1, 1_000),
  "checkpoint.every_minutes": above(0, 1_000_000),
}
SOME = {  # of one data set or network; a config may lack them
  "loss": TEXT,
  "sampling": TEXT,
  "evaluate_neighbours": whole(0, 1_000),
  "augment.shift": number(0, 0.5),
  "augment.zoom": number(0, 0.5),
  "optimizer.name": TEXT,
  "optimizer.nesterov": TRUTH,
  "optimizer.decay": TEXT,
  "optimizer.warmup": number(-1, 1_000_000),
  "optimizer.clip": number(0, 1_000_000),
  "optimizer.ema": below(0, 1),
  "optimizer.layer_decay": above(0, 1),
  "optimizer.unfreeze": TEXT,
  "evaluate_parts": TEXT,
  "split.grouped": TRUTH,
  "split.on_leak": TEXT,
  "split.test_fraction": number(0.01, 0.9),
  "augment.test_rotations": whole(1, 360),
  "init.weights": TEXT,
  "init.new": TEXT,
  "data.source": TEXT,
  "data.test_source": TEXT,
  "data.grid": TEXT,
  "data.magnification": TEXT,
  "data.task": TEXT,
  "data.group_by": TEXT,
  "data.fold_list": TEXT,
  "data.trial": whole(1, 5),  # of a folder of BreakHis' lists
  "data.duplicates": TEXT,
  "data.seed": SEED,
  "data.height": whole(32, 8_192),
  "data.width": whole(32, 8_192),
  "model.stride_in_1x1": TRUTH,
  "model.freeze": TEXT,
  "model.norm": TEXT,
  "model.head": TEXT,
}


def check(config, file: str):
  """Returns `config`, a ConfigDict, where every key is there and in its range.

  Raises:
    InputError: a key is missing, or its value is none that a run could use.
  """
  flat = runs.flatten(config.to_dict())
  for key, rule in EVERY.items():
    if key not in flat:
      raise InputError(f"{file} sets no {key}: add c.{key} = ..., {rule.words}")
  for key, value in flat.items():
    rule = EVERY.get(key) or SOME.get(key)
    if rule and not rule.holds(value):
      raise InputError(f"{key}={_shown(value)}: must be {rule.words}")
    if not rule and not _plain(value):
      raise InputError(
        f"{key}={_shown(value)} in {file}: must be a number, text, True, False, None"
        " or a tuple of these, as a run folder writes it down"
      )
  protocol = flat["split.protocol"]
  if flat.get("data.test_source") and protocol != "predefined":
    raise InputError(
      f"data.test_source is given, but split.protocol={protocol} would mix it with"
      " data.source: add --config.split.protocol=predefined"
    )
  if flat["split.fold"] < 0 and protocol != "kfold":
    raise InputError(
      "split.fold=-1: must be a whole number from 0 on; -1, all folds in turn, is for"
      " split.protocol=kfold"
    )
  if config.published:
    published.find(config.published)
  return config


def _shown(value) -> str:
  text = repr(value)
  return text if len(text) <= 80 else f"{text[:60]}... ({len(text):,} characters)"


def _plain(value) -> bool:
  if type(value) in (tuple, list):
    return all(map(_plain, value))
  finite = type(value) is not float or math.isfinite(value)
  return finite and (value is None or type(value) in (bool, int, float, str))
