"""The whole profile: its structure, its page, and what a block costs."""

import json
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
import small
from conftest import ROOT

from histojax import attention, startup
from histojax.errors import InputError
from histojax.profiling import measure, memory, page, profile, trace


class Slow(nn.Module):
  """A gate of ones, [B, 1, 1, 1], that works hard for them."""

  @nn.compact
  def __call__(self, x, *, train):
    del train
    y = jnp.full((512, 512), jax.lax.stop_gradient(x.mean()).astype(jnp.float32))
    for _ in range(16):
      y = jnp.tanh(y @ y)
    return jnp.full((x.shape[0], 1, 1, 1), 1 + 1e-30 * y.mean())


@pytest.fixture
def asked(tmp_path, image_folder, monkeypatch, cache):
  monkeypatch.setattr(measure, "PASS", 1.0)
  monkeypatch.setattr(profile, "ROUNDS", 1)
  small.register(monkeypatch, "micro", (1, 0, 0, 0))
  monkeypatch.setitem(attention.GATES, "slow", Slow)

  def make(name, **changes):
    path = small.write_config(tmp_path / name, ROOT, image_folder(), **changes)
    config = startup.load_config(str(path))
    workdir = str(tmp_path / "profile")
    return startup.Request(config, config, str(path), "", "profile", workdir, "typed")

  return make


def value(table, row, column):
  (found,) = (r for r in table["rows"] if r[0] == row)
  return found[table["columns"].index(column)]


@pytest.mark.alone
def test_a_slow_block_is_what_the_profile_says_it_costs(asked, tmp_path, capsys):
  plain = asked("plain.py", **{"data.device_memory_gib": 0.0})  # streamed
  request = asked("slow.py", **{"model.attention": "slow"})
  profile.run(request, keep_trace=True, other=plain.file)

  folder = tmp_path / "profile"
  held = json.loads((folder / "profile.json").read_text())
  tables = {table["title"]: table for table in held["tables"]}
  by_kind = tables["Time by kind, ms per step"]
  dearer = value(by_kind, "step, p50", "difference")
  assert dearer > 20
  assert value(by_kind, trace.ATTENTION, "difference") == pytest.approx(dearer, rel=0.2)
  by_stage = tables["Time by stage, ms per step"]
  assert value(by_stage, "stage2", "difference") == pytest.approx(dearer, rel=0.2)
  total = sum(row[1] for row in tables["Time by kind"]["rows"])
  assert total == pytest.approx(value(by_kind, "step, p50", "slow"), rel=1e-6)

  facts = {fact["name"]: fact for fact in held["facts"]}
  assert facts["compiling, cold"]["value"] > facts["compiling, cached"]["value"] > 0
  assert facts["step, p95"]["value"] >= facts["step, p50"]["value"]
  assert facts["largest batch"]["value"] > 8
  assert {fact["kind"] for fact in held["facts"]} == {"measured", "modelled"}
  assert all(table["kind"] in page.KINDS for table in held["tables"])
  numbers = [f["value"] for f in held["facts"] + held["against"]["facts"]]
  assert all(isinstance(v, int | float) for v in numbers)  # null where not finite

  text = (folder / "profile.html").read_text()
  assert "data:image/png" in text
  assert "nan" not in re.sub('base64,[^"]*', "", text).lower()
  assert "measured" in text and "modelled" in text
  assert (folder / "profile-1.png").read_bytes().startswith(b"\x89PNG")
  assert list((folder / "trace").rglob("*.xplane.pb"))
  screen = capsys.readouterr().out
  assert "Side by side" in screen and "perfetto" in screen


def test_mistakes_are_input_errors(asked, tmp_path):
  with pytest.raises(InputError, match="no such file"):
    profile.run(asked("plain.py"), other="configs/none.py")
  blocked = tmp_path / "file"
  blocked.write_text("")
  with pytest.raises(InputError, match="cannot write"):
    profile.run(asked("plain.py")._replace(workdir=str(blocked / "below")))


@pytest.mark.parametrize(("limit", "unit"), [(1, 1), (37, 1), (4096, 8), (100_000, 4)])
def test_bisection_finds_the_limit_to_one_part_in_32(limit, unit):
  for guess in (1, 37, 1024, 2**18):
    found = memory.bisect(lambda batch: batch <= limit, guess, unit)
    assert found % unit == 0 and found <= limit
    assert found >= limit - max(unit, limit / 32) - unit


def test_nothing_fits():
  assert memory.bisect(lambda batch: False, 64) == 0


def test_numbers_are_short_and_honest():
  shown = [12, 12_345.6, 1.2345, 0.012345, float("nan"), None, "text", 0.0, 1_000_000]
  assert [page.number(v) for v in shown] == [
    "12", "12,346", "1.23", "0.012", "–", "–", "text", "0", "1,000,000",
  ]  # fmt: skip


def test_what_is_not_finite_is_null_in_json_and_a_dash_on_the_page(tmp_path):
  fact = {"name": "x", "value": float("nan"), "unit": "ms", "kind": "modelled"}
  page.write(tmp_path, {"title": "t", "facts": [fact | {"note": ""}], "tables": []})
  assert (
    json.loads((tmp_path / "profile.json").read_text())["facts"][0]["value"] is None
  )
  assert "<td>–</td>" in (tmp_path / "profile.html").read_text()
