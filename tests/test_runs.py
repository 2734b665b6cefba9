import json

import pytest

from histojax import runs
from histojax.errors import InputError

CONFIG = {"seed": 0, "model": {"name": "resnet50", "mean": (0.5, 0.5)}}
SPLIT = {"train": ["a"], "test": ["b"]}


def test_every_look_at_the_test_part_is_kept(tmp_path):
  folder = runs.RunFolder(tmp_path)
  assert folder.handout_rows() == []
  for step in (1, 2):
    folder.append_handout({"why": "final evaluation", "step": step})
  text = folder.handouts.read_text()
  assert len(text.splitlines()) == 2
  folder.handouts.write_text(text[:-9])  # what a full disk leaves
  folder.append_handout({"why": "evaluate again", "step": 2})
  why = [row["why"] for row in folder.handout_rows()]
  assert why == ["final evaluation", "an unreadable line of the log", "evaluate again"]


def test_default_workdir_follows_file_variant_overrides_and_seed():
  def name(variant="", overrides=None, seed=0):
    return str(runs.default_workdir("configs/liver.py", variant, overrides or {}, seed))

  assert name() == "runs/liver/seed0"
  assert name("quick", seed=3) == "runs/liver-quick/seed3"
  first = name("quick", {"model.attention": "none"})
  assert first.startswith("runs/liver-quick-") and first.endswith("/seed0")
  assert first != name("quick", {"model.attention": "se"})
  assert first == name("quick", {"model.attention": "none"})


def test_a_folder_is_begun_once_and_refuses_another_config(tmp_path):
  folder = runs.RunFolder(tmp_path / "run")
  assert folder.begun(CONFIG, SPLIT) is False
  assert not (tmp_path / "run").exists()
  folder.create(CONFIG, SPLIT)
  assert folder.begun(CONFIG, SPLIT) is True
  before = folder.config.read_bytes()
  changed = {"seed": 0, "model": {"name": "vgg16", "mean": (0.5, 0.5)}, "epochs": 3}
  with pytest.raises(InputError, match="model.name: 'resnet50' there, 'vgg16' now"):
    folder.begun(changed, SPLIT)
  with pytest.raises(InputError, match="epochs: None there, 3 now"):
    folder.begun(changed, SPLIT)
  with pytest.raises(InputError, match="began on other images"):
    folder.begun(CONFIG, SPLIT | {"train": ["c"]})
  assert folder.config.read_bytes() == before


def test_a_torn_config_is_named(tmp_path):
  folder = runs.RunFolder(tmp_path / "run")
  folder.create(CONFIG, SPLIT)
  folder.split.write_text('{"train": [')
  with pytest.raises(InputError, match="is not a whole run"):
    folder.begun(CONFIG, SPLIT)
  folder.split.write_text("{}")
  folder.config.write_text("[]")
  with pytest.raises(InputError, match="is not a whole run"):
    folder.begun(CONFIG, SPLIT)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(InputError, match="cannot write"):
    runs.RunFolder(tmp_path / "file" / "run").create(CONFIG, SPLIT)


def test_metrics_are_cut_to_the_restored_step(tmp_path):
  folder = runs.RunFolder(tmp_path)
  folder.append_metrics([{"step": 1}, {"step": 2}, {"step": 2, "validation/loss": 0.5}])
  folder.append_metrics([{"step": 3}])
  with folder.metrics.open("a") as file:
    file.write('{"step": 4, "lo')  # a kill in mid-write
  assert [row["step"] for row in folder.metric_rows()] == [1, 2, 2, 3]
  assert len(folder.truncate_metrics(2)) == 3
  folder.append_metrics([{"step": 3}])
  rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
  assert [row["step"] for row in rows] == [1, 2, 2, 3]


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
  axes = '"seeds": [0], "folds": [0]'
  names, words = (f'{{"variants": {v}, {axes}}}' for v in ('["a"]', '{"a": "x"}'))
  for torn in ("{", "[]", "3", names, words):
    folder.plan.write_text(torn)
    with pytest.raises(InputError, match="plan.json cannot be read .*: delete it"):
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
    *(
      f"attention=se(ratio=16), learning_rate=0.001, decay=0.0001, x={i}"
      for i in range(600)
    ),
  )
  paths = [folder.member(name, 0, None).path for name in names]
  assert len(set(paths)) == len(names)
  assert all(path.parent.parent == tmp_path / "members" for path in paths)
  assert folder.member("se", 1, 2).path == tmp_path / "members/se/seed1/fold2"
