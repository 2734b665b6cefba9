"""The table of what each value of a config may be."""

import math

import pytest
from conftest import ROOT

from histojax import rules, runs, startup
from histojax.errors import InputError

FILE = str(ROOT / "configs" / "folder.py")
CONFIGS = sorted((ROOT / "configs").glob("*.py"))


def config(**changes):
  made = startup.load_config(f"{FILE}:quick").unlock()
  with made.ignore_type():
    made.update_from_flattened_dict(changes)
  return made


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_of_ours_keeps_the_rules(path):
  for variant in ("", "quick"):
    held = startup.load_config(f"{path}:{variant}")
    assert rules.check(held, path.name) is held


@pytest.mark.parametrize("key", rules.EVERY)
def test_a_config_without_a_key_is_told_its_name(key):
  made = config()
  *groups, last = key.split(".")
  del (made[groups[0]] if groups else made)[last]
  with pytest.raises(InputError, match=rf"mine.py sets no {key}: add c\.{key} = "):
    rules.check(made, "mine.py")


NUMERIC = [
  key
  for key, rule in rules.EVERY.items()
  if "number" in rule.words and "three" not in rule.words
]


@pytest.mark.parametrize("key", NUMERIC)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, 10**9 * 3, "1", None])
def test_numbers_that_no_run_could_use(key, value):
  with pytest.raises(InputError, match=f"^{key}=.*: must be a (whole )?number"):
    rules.check(config(**{key: value}), FILE)


def test_both_ends_of_every_range_hold():
  for key, good, bad in (
    ("optimizer.momentum", 0.0, 1.0),
    ("optimizer.learning_rate", 1e-9, 0.0),
    ("optimizer.weight_decay", 0, 1.5),
    ("split.validation_fraction", 0.5, 0.51),
    ("split.folds", 2, 1),
    ("augment.size", 32, 31),
    ("augment.rotations", 360, 361),
    ("checkpoint.keep", 1, 0),
    ("data.device_memory_gib", 0, -0.1),
    ("epochs", 1, 1.0),
    ("augment.fill", (0, 255, 7), (0, 256, 7)),
    ("augment.fill", [1, 2, 3], (1, 2)),
    ("augment.mean", (0, 1, 0.5), (0, 1.1, 0.5)),
    ("augment.std", (0.1, 1, 2), (0.1, 0, 2)),
    ("augment.std", (1.0, 1.0, 1.0), (1.0, 1.0, "1")),
  ):
    rules.check(config(**{key: good}), FILE)
    with pytest.raises(InputError, match=f"^{key}="):
      rules.check(config(**{key: bad}), FILE)


def test_a_value_that_cannot_be_written_down_is_refused():
  for value in (object(), {1, 2}, math.nan, (1, {2})):
    made = config()
    with made.unlocked():
      made.more = value
    with pytest.raises(InputError, match="^more=.* in mine.py: must be a number, text"):
      rules.check(made, "mine.py")
  assert "more" in runs.flatten(made.to_dict())


def test_a_test_source_is_not_mixed_into_the_training_images():
  both = {"data.test_source": "elsewhere", "split.protocol": "grouped"}
  with pytest.raises(InputError, match="add --config.split.protocol=predefined"):
    rules.check(config(**both), "mine.py")
  rules.check(config(**both | {"split.protocol": "predefined"}), "mine.py")


def test_all_folds_in_turn_are_for_kfold_alone():
  held = config()
  held.split.fold = -1
  with pytest.raises(InputError, match="-1, all folds in turn, is for split.protocol"):
    rules.check(held, FILE)
  held.split.protocol = "kfold"
  rules.check(held, FILE)
