"""From a grid or a study's description to its members; mistakes are one sentence."""

from pathlib import Path

import pytest
from test_experiment import request

from histojax import runs, spec, startup
from histojax.errors import InputError
from histojax.studies import execute, expand, grid


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


def test_what_is_typed_stands_over_what_all_variants_share(tmp_path):
  variants = {"a": {"epochs": 9, "batch_size": 4}, "b": {"epochs": 9, "batch_size": 8}}
  asked = config_file(tmp_path, {"variants": variants})
  _, found = members(asked)
  assert [m.request.config.epochs for m in found] == [7, 7]  # as typed
  asked.config.batch_size = 2
  with pytest.raises(InputError, match="batch_size=2: the variants of this study diff"):
    members(asked)


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


def test_a_study_folder_grows_but_holds_one_study(tmp_path):
  folder = runs.StudyFolder(tmp_path)

  def plan(seeds=(0,), folds=(0,), images="x", **variants):
    made = {k: {"config": {"epochs": v}, "images": images} for k, v in variants.items()}
    return {"variants": made, "seeds": list(seeds), "folds": list(folds)}

  assert not folder.begun(plan(a=1))
  folder.write_plan(plan(a=1, b=2))
  assert folder.begun(plan(a=1, b=2))
  assert folder.begun(plan(a=1, c=3, b=2, seeds=(1, 0), folds=(0, 1)))
  for other, sentence in (
    (plan(a=1), "holds a larger study .variants b."),
    (plan(a=1, b=2, seeds=(1,)), "seeds 0"),
    (plan(a=1, b=3), "variant 'b': epochs: 2 there, 3 now"),
    (plan(a=1, b=2, images="y"), "variant 'a': images: 'x' there, 'y' now"),
  ):
    with pytest.raises(InputError, match=sentence):
      folder.begun(other)
  folder.plan.write_text("{")
  with pytest.raises(InputError, match="is not a whole study"):
    folder.begun(plan(a=1))


def test_no_two_variants_share_a_folder(tmp_path):
  folder = runs.StudyFolder(tmp_path)
  names = (
    "se",
    "SE + SAM",
    "SE - SAM",
    "a/b",
    "a-b",
    "..",
    "é",
    "",
    "none|se",
    "x" * 9,
  )
  paths = [folder.member(name, 0, None).path for name in names]
  assert len(set(paths)) == len(names)
  assert all(path.parent.parent == tmp_path / "members" for path in paths)
  assert folder.member("se", 1, 2).path == tmp_path / "members/se/seed1/fold2"


def test_the_keys_of_a_grid_are_known_before_its_values():
  assert grid.keys("model.attention=none,se(a=1;b);seed=0;") == [
    "model.attention",
    "seed",
  ]
