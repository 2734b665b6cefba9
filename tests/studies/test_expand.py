"""From a grid or a study's description to its members; mistakes are one sentence."""

from pathlib import Path

import pytest
from conftest import ROOT
from test_experiment import request

from histojax import runs, spec, startup
from histojax.errors import InputError
from histojax.studies import execute, expand, grid, layouts


@pytest.fixture
def asked(tmp_path):
  return request("images", tmp_path, mode="ablate")


def members(asked, text=""):
  study = expand.describe(asked, text)
  return study, expand.members(study, asked, runs.StudyFolder(Path(asked.workdir)))


@pytest.mark.parametrize(
  ("text", "parts"),
  [
    ("a,b", ["a", "b"]),
    (
      " none , se(ratio=4, x=(1,2)) ,se+sam",
      ["none", "se(ratio=4, x=(1,2))", "se+sam"],
    ),
    ("'a,b',\"c)\",d", ["'a,b'", '"c)"', "d"]),
    ("[1,2],{3,4}", ["[1,2]", "{3,4}"]),
    ("a,,b", ["a", "", "b"]),
    ("", [""]),
  ],
)
def test_separators_in_brackets_and_quotes_do_not_split(text, parts):
  assert spec.split(text, ",") == parts


@pytest.mark.parametrize("text", ["(", ")", "(]", "'a", "a(b,[c)"])
def test_brackets_that_do_not_fit_are_refused(text):
  with pytest.raises(InputError):
    spec.split(text, ",")


def test_a_grid_is_every_value_with_every_other(asked):
  text = "model.attention=none,se(ratio=4,groups=1);optimizer.learning_rate=1,0.1"
  study, found = members(asked, f"{text};seed=3,4;split.fold=0,2")
  assert list(study["variants"]) == [
    "attention=none, learning_rate=1", "attention=none, learning_rate=0.1",
    "attention=se(ratio=4,groups=1), learning_rate=1",
    "attention=se(ratio=4,groups=1), learning_rate=0.1",
  ]  # fmt: skip
  assert len(found) == 4 * 2 * 2
  last = found[-1]
  assert (last.seed, last.fold) == (4, 2)
  config = last.request.config
  assert config.model.attention == "se(ratio=4,groups=1)"
  assert (config.optimizer.learning_rate, config.seed, config.split.fold) == (0.1, 4, 2)
  assert len({member.folder.path for member in found}) == len(found)
  assert study["baseline"] == "attention=none, learning_rate=1"


@pytest.mark.filterwarnings("ignore:the load_module")
def test_the_command_of_a_member_gives_its_config(asked, monkeypatch):
  import shlex
  import sys

  from absl import flags
  from ml_collections import config_flags

  _, found = members(asked, "augment.fill=(1,2,3),(4,5,6);split.fold=1")
  command = shlex.split(found[1].request.command)
  assert command[:2] == ["python", "launch.py"]
  monkeypatch.setattr(sys, "argv", command[1:])
  values = flags.FlagValues()
  flag = config_flags.DEFINE_config_file("config", flag_values=values)
  flags.DEFINE_string("workdir", "", "", flag_values=values)
  values(command[1:])
  assert flag.value.to_dict() == found[1].request.config.to_dict()
  assert values.workdir == str(found[1].folder.path)
  assert flag.value.augment.fill == (4, 5, 6)


def test_folds_of_kfold_stand_where_all_in_turn_would_put_them(asked):
  asked.config.split.protocol = "kfold"
  asked.config.split.fold = -1
  _, found = members(asked, "seed=0,1")
  assert [m.fold for m in found] == [0, 1, 2] * 2
  assert (
    found[4].folder.path == runs.RunFolder(found[4].folder.path.parent).fold(1).path
  )
  assert found[4].request.workdir == str(found[4].folder.path.parent)


@pytest.mark.parametrize(
  ("text", "sentence"),
  [
    ("model.attenton=se", "no such key; did you mean 'model.attention'"),
    ("epochs=many", "epochs=many: expected a whole number"),
    ("epochs=1.5", "epochs=1.5: expected a whole number"),
    ("optimizer.learning_rate=x", "expected a number"),
    ("split.validation_fraction=7", "'7': split.validation_fraction=7.0: must be"),
    ("model.stride_in_1x1=1", "expected True or False"),
    ("epochs=1,1", "gives a value twice"),
    ("optimizer.learning_rate=1,1.0", "gives a value twice"),
    ("seed=0;seed=1", "seed stands there twice"),
    ("epochs=1,", "has an empty value"),
    ("epochs", "has no '='"),
    ("epochs=(1", "')' is missing"),
    (" ", "is empty"),
    ("seed=-1", "seed=-1: must be a whole number"),
    ("split.protocol=paper;split.fold=0,1", "split.protocol=paper has no folds"),
    ("=1", "no such key"),
    ("optimizer.learning_rate=" + 400 * "9", "expected a number"),
  ],
)
def test_mistakes_in_a_grid_are_one_sentence(asked, text, sentence):
  with pytest.raises(InputError) as caught:
    members(asked, text)
  assert sentence in str(caught.value)


def config_file(tmp_path, study):
  path = tmp_path / "ablate_x.py"
  path.write_text(
    "from configs import folder\n"
    "VARIANTS = folder.VARIANTS\n"
    "get_config = folder.get_config\n"
    f"def study(variant=''):\n  return {study}\n"
  )
  base, config = (startup.load_config(f"{path}:quick") for _ in range(2))
  config.epochs = 7
  return startup.Request(config, base, str(path), "quick", "ablate", str(tmp_path), "x")


def test_a_study_file_may_take_other_files_as_a_base(tmp_path):
  other = "configs/liver_vgg16.py"
  asked = config_file(
    tmp_path,
    {
      "baseline": "b",
      "variants": {"a": {"config": other, "batch_size": 4}, "b": {"epochs": 9}},
      "seeds": (5,),
    },
  )
  study, (first, second) = members(asked)
  assert first.request.file == other and first.request.variant == "quick"
  assert first.request.config.model.name == "vgg16"
  assert first.request.config.epochs == 7  # what was typed holds for every variant
  assert second.request.config.epochs == 9  # but for what makes one
  assert first.request.config.batch_size == 4
  assert {m.request.config.seed for m in (first, second)} == {5}
  assert study["baseline"] == "b"
  study, found = members(asked, "seed=1,2;sampling=uniform,balanced")
  assert list(study["variants"]) == [
    "a, uniform", "a, balanced", "b, uniform", "b, balanced"
  ]  # fmt: skip
  assert study["baseline"] == "b" and len(found) == 8  # b's kind
  assert layouts.baseline_of(study, "a, balanced") == "b, balanced"
  assert layouts.baseline_of(study, "b, balanced") == "b, balanced"


@pytest.mark.parametrize("name", ["dala", "attention", "liver"])
def test_a_grid_over_a_shipped_study_is_compared_value_by_value(name, monkeypatch):
  monkeypatch.chdir(ROOT)
  file = f"configs/ablate_{name}.py"
  config = startup.load_config(f"{file}:quick")
  asked = startup.Request(config, config, file, "quick", "ablate", "", "")
  rate = "optimizer.learning_rate=0.1,0.01"
  study = expand.describe(asked, f"{rate};optimizer.clip=0.0,1.0")
  for variant in study["variants"]:
    baseline = layouts.baseline_of(study, variant)
    assert baseline in study["variants"]
    assert baseline.split(", ")[-2:] == variant.split(", ")[-2:]
  assert study["layout"] == ""


def test_what_is_typed_is_not_passed_over_for_the_study_s_own(tmp_path):
  asked = config_file(tmp_path, {"variants": {"a": {}}, "seeds": (0, 1)})
  asked.config.seed = 5
  with pytest.raises(InputError, match="seed=5: this study has seeds of its own, 0,1"):
    members(asked)
  assert [m.seed for m in members(asked, "seed=5,6")[1]] == [5, 6]
  asked = config_file(tmp_path, {"variants": {"a": {}}, "folds": (0, 1)})
  asked.config.split.fold = 2
  with pytest.raises(InputError, match="split.fold=2: this study has folds of its own"):
    members(asked)
  asked = config_file(tmp_path, {"variants": {"a": {}}})
  asked.config.seed = 5
  assert [m.seed for m in members(asked)[1]] == [5]


def test_what_is_typed_stands_over_what_all_variants_share(tmp_path):
  variants = {"a": {"epochs": 9, "batch_size": 4}, "b": {"epochs": 9, "batch_size": 8}}
  asked = config_file(tmp_path, {"variants": variants})
  _, found = members(asked)
  assert [m.request.config.epochs for m in found] == [7, 7]  # as typed
  asked.config.epochs = asked.base.epochs  # the file's own value, but not the study's
  assert [m.request.config.epochs for m in members(asked)[1]] == [9, 9]
  asked = asked._replace(keys=("epochs",))
  assert [m.request.config.epochs for m in members(asked)[1]] == [asked.base.epochs] * 2
  asked.config.batch_size = 2
  with pytest.raises(InputError, match="batch_size=2: the variants of this study diff"):
    members(asked)


def test_a_grid_does_not_undo_what_makes_the_variants(tmp_path):
  variants = {"a": {"batch_size": 4}, "b": {}}
  with pytest.raises(InputError, match="variants of this study differ in batch_size"):
    members(config_file(tmp_path, {"variants": variants}), "batch_size=2,8")


@pytest.mark.parametrize(
  ("study", "sentence"),
  [
    (
      {"variants": {"a": {"epoch": 3}}},
      "variant 'a': epoch: the config has no such key",
    ),
    (
      {"variants": {"a": {"epochs": "3"}, "b": {}}},
      "must be like the config's own value, 7",
    ),
    ({"variants": {"a": {}}, "seed": (1,)}, "did you mean 'seeds'"),
    ({"variants": {"a": {}}, "baseline": "b"}, "baseline 'b' is no variant"),
    ({"variants": {"a": {"config": "configs/live_vgg16.py"}}}, "did you mean"),
    ({}, "must return a dict with variants"),
    ({"variants": ["a"]}, "must return a dict with variants"),
    ({"variants": {2: {}}}, "must give each variant a name and a dict of its keys"),
    ({"variants": {"a": {"config": 3}}}, "must give variant 'a' a config file by its"),
    (
      {"variants": {"a": {}}, "seeds": 3},
      "must list seeds as whole numbers, each once",
    ),
    ({"variants": {"a": {}}, "seeds": (0, 0)}, "must list seeds as whole numbers"),
    ({"variants": {"a": {}}, "folds": ("x",)}, "must list folds as whole numbers"),
    ({"variants": {"a": {}}, "metric": "acuracy"}, "did you mean 'accuracy'"),
    ({"variants": {"a": {}}, "layout": "livr"}, "did you mean 'liver'"),
  ],
)
def test_mistakes_in_a_study_file_are_one_sentence(tmp_path, study, sentence):
  with pytest.raises(InputError) as caught:
    members(config_file(tmp_path, study))
  assert sentence in str(caught.value)


def test_a_config_without_a_study_needs_a_grid(asked):
  with pytest.raises(InputError, match="describes no study: add a grid"):
    members(asked)


def test_a_study_keeps_its_folder_while_it_grows(asked):
  asked = asked._replace(config=asked.config.copy_and_resolve_references())
  asked.config.data.source = ""
  asked.config.data.name = "liver"
  at = execute.default_workdir
  first = at(asked, "model.attention=none,se;seed=0")
  assert first == at(asked, "model.attention=none,se,cbam;seed=0,1;split.fold=0,1")
  assert first != at(asked, "model.attention=none,se;epochs=1,2")
  assert first.parts[0] == "runs" and first.name.startswith("ablate_folder-quick-")


def test_the_keys_of_a_grid_are_known_before_its_values():
  assert grid.keys("model.attention=none,se(a=1;b);seed=0;") == [
    "model.attention",
    "seed",
  ]
