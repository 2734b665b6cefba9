"""Whether the checkpoints of a study fit on its disk is said before it begins."""

from types import SimpleNamespace

import pytest
from test_together import home, images, prepared  # noqa: F401, fixtures

from histojax import checkpoint
from histojax.engine import Engine
from histojax.studies import room


@pytest.mark.parametrize("select_on", ["last", "validation"])
def test_of_a_member_is_what_it_leaves(images, home, select_on):  # noqa: F811
  changes = {"select_on": select_on, "model.freeze": "none", "checkpoint.keep": 2}
  changes |= {"model.name": "resnet18"}  # large enough that names count for nothing
  one = prepared(images, home / select_on, **changes)
  engine = Engine(one.config, one.tiles)
  state = engine.init(0)
  with checkpoint.Checkpoints(one.folder.checkpoints, keep=2) as saved:
    for step in (1, 2, 3):
      saved.save("last", step, state)
      if select_on != "last":
        saved.save("best", step, state)
  left = sum(p.stat().st_size for p in one.folder.checkpoints.rglob("*") if p.is_file())
  told = room.of_member(one.config, engine.abstract())
  assert told == room.of_member(one.config, state)
  assert 0.4 * told < left < 1.02 * told  # momentum is all zeros yet, and small on disk


def test_too_little_is_told(tmp_path, monkeypatch):
  due = [SimpleNamespace(saved=3 * 2**30)] * 2
  monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**32))
  folder = tmp_path / "not" / "there"
  assert room.lacks(due, folder) and not room.lacks(due[:1], folder)
  takes = "the checkpoints of 2 members take up to 6.0 GiB; 4.0 GiB are free at "
  assert room.sentence(due, folder) == takes + str(folder)
