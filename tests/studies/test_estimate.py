"""How long a study takes: what members share is counted once."""

from types import SimpleNamespace

import pytest
from conftest import ROOT

from histojax import runs, startup
from histojax.studies import estimate, features


@pytest.fixture
def ready(tmp_path, monkeypatch):
  """(number, program, **changes) -> a member of 10 steps and 20 views on 100 images."""
  monkeypatch.chdir(ROOT)
  speed = estimate.Speed(60.0, 2.0, 0.5, "a probe")
  monkeypatch.setattr(estimate, "probe", lambda *_: speed)

  def make(number, program, **changes):
    config = startup.load_config("configs/folder.py:quick")
    config.augment.train_rotations = config.augment.flip = "none"
    config.augment.rotations = 1
    config.update_from_flattened_dict(changes)
    folder = runs.RunFolder(tmp_path / str(number))
    return SimpleNamespace(
      folder=folder, program=program, images="x", tiles=range(100),
      work=SimpleNamespace(steps=10, views=20),
      request=SimpleNamespace(config=config),
    )  # fmt: skip

  return make


def test_a_program_is_compiled_for_its_first_member(ready):
  first, second, other = ready(0, 0), ready(1, 0), ready(2, 1)
  clock = estimate.Clock([first, second, other], ["missing"] * 3, [])
  assert [clock.seconds(one) for one in (first, second, other)] == [90, 30, 90]


def test_what_a_begun_member_has_done_is_not_done_again(ready):
  begun = ready(0, 0)
  for name in ("4", "7", "9.orbax-checkpoint-tmp"):  # the last: half-written
    (begun.folder.checkpoints / "last" / name).mkdir(parents=True)
  assert estimate.steps_left(begun) == 3
  assert estimate.Clock([begun], ["begun"], []).seconds(begun) == 60 + 3 * 2 + 10


def test_the_features_of_a_backbone_are_computed_once(ready):
  heads = [
    ready(0, 0),
    ready(1, 0, **{"optimizer.learning_rate": 0.5}),
    ready(2, 1, **{"model.head": "mlp(hidden=8)"}),
    ready(3, 1, **{"model.attention": "none"}),
    ready(4, 1, **{"model.attention": "none", "seed": 7}),
  ]
  config = heads[0].request.config
  assert features.views(config, 100) == 100
  clock = estimate.Clock(heads, ["missing"] * 5, heads)
  speed = estimate.Speed(0.0, 0.0, 0.5, "a probe")
  clock._speeds = {(program, True): speed for program in (0, 1)}
  assert [clock.seconds(one) for one in heads] == [50, 0, 0, 50, 50]


def test_finished_members_tell_unless_they_are_torn(ready):
  members = [ready(k, 0) for k in range(3)]
  for one in members:
    one.folder.path.mkdir()
  members[0].folder.report.write_text("{torn")
  resumed = '{"training": {"seconds": 9, "steps": 10, "resumed_from_step": 3}}'
  members[1].folder.report.write_text(resumed)
  assert estimate.finished(members, ["finished"] * 3, 0) is None
  whole = '{"training": {"seconds": 70, "steps": 10, "resumed_from_step": 0}}'
  members[2].folder.report.write_text(whole)
  assert estimate.finished(members, ["finished"] * 3, 0).step == 7
  assert estimate.finished(members, ["finished"] * 3, 1) is None
