"""Studies: each member as if it ran alone, nothing made twice, and none lost."""

import copy
import csv
import json
import os
import shlex
import signal
import subprocess
import sys

import jax
import pytest
from conftest import ROOT
from kills import RESULTS, TIMES
from test_experiment import SMALL, request, state_bytes
from test_folds import images  # noqa: F401, a fixture

from histojax import compilation, experiment, runs, steps
from histojax.errors import InputError
from histojax.evaluation import baselines
from histojax.studies import execute

TINY = {
  "epochs": 1,
  "split.protocol": "kfold",
  "split.folds": 3,
  "split.validation_fraction": 0.0,
  "select_on": "last",
  "log_every": 1,
}
DECAYED = {"optimizer.weight_decay": 1.0}
TABLE = ("study.json", "study.csv", "study.tex", "study.html")
NOISY = (  # of report.json: when, in what memory, and on how many devices
  "handouts", "environment.devices", "training.peak_memory.bytes",
)  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    patch.setattr(baselines, "TREES", 10)
    yield tmp_path_factory.mktemp("studies")


def asked(images, folder, **changes):  # noqa: F811
  return request(images, folder, mode="ablate", **(TINY | changes))


def compiled(work) -> tuple[int, int]:
  """How often `work` compiles a training step, and one of evaluation."""
  steps.compiled.cache_clear()  # as in a process of its own
  before = compilation.programs().copy()
  work()
  made = compilation.programs() - before
  return made["jit(train_step)"], made["jit(eval_step)"]


def member(asked, folder):
  """What must be the same of a member, whoever ran it."""
  found = {name: (folder / name).read_bytes() for name in RESULTS}
  config = copy.deepcopy(asked.config)
  found["state"] = state_bytes(asked._replace(config=config, workdir=str(folder)))
  report = runs.flatten(json.loads((folder / "report.json").read_text()))
  kept = {k: v for k, v in report.items() if k not in {*TIMES, *NOISY}}
  return found | kept


def differing(one: dict, other: dict) -> list[str]:
  return [k for k in one.keys() | other.keys() if one.get(k) != other.get(k)]


@pytest.mark.parametrize("free", [0, 2**40])
def test_a_study_without_room_says_so(images, home, capsys, monkeypatch, free):  # noqa: F811
  """And begins: the room may be made while it runs."""

  class Begun(Exception):
    pass

  def begin(*_):
    raise Begun

  monkeypatch.setattr(execute.running, "run", begin)
  monkeypatch.setattr(execute.room, "free", lambda _: free)
  with pytest.raises(Begun):
    execute.run(asked(images, home / f"full{free}"), "seed=0,1;split.fold=0")
  told = " ".join(capsys.readouterr().out.split())
  assert ("make room, or --workdir=..." in told) == (free == 0)


@pytest.mark.full
def test_one_that_fails_is_told_and_stops_no_other(images, home, capsys):  # noqa: F811
  """Two variants of one program; the weights of the first leave the numbers."""
  folder = home / "failing"
  wanted = asked(images, folder, epochs=12, **DECAYED)
  text = "optimizer.learning_rate=100,0.03;split.fold=0"

  def work():
    with pytest.raises(SystemExit) as caught:
      execute.run(wanted, text)
    assert caught.value.code == 1

  assert compiled(work) == (1, 1)
  members = folder / "members"
  lost, whole = (members / n / "seed0" / "fold0" for n in ("100", "0.03"))
  told = json.loads((lost / "failed.json").read_text())["error"]
  assert told.startswith("the loss is") and "lower optimizer.learning_rate" in told
  said = capsys.readouterr().out
  assert f"{lost}: {told}" in said and "1 of 2 members failed" in said
  assert (whole / "report.json").exists() and not (whole / "failed.json").exists()
  assert all((folder / name).exists() for name in (*TABLE, "plan.json", "log.txt"))
  before = (whole / "report.json").stat().st_mtime_ns
  work()  # the same command: tries the first again, and leaves the other
  assert (whole / "report.json").stat().st_mtime_ns == before
  assert "member 2 of 2 (100, fold 0, seed 0)" in capsys.readouterr().out


@pytest.mark.parametrize(
  ("changes", "text", "sentence"),
  [
    ({}, "model.attention=none,sE", "variant 'sE': attention='sE': unknown block"),
    ({}, "model.name=resnet_tiny,resnet51", "variant 'resnet51': .*did you mean"),
    ({}, "model.head=linear,fused(stages=(3,9))", "variant 'fused"),
    ({}, "split.fold=0,5", "split.fold=5: must be 0..2"),
    ({"select_on": "validation"}, "seed=0,1", "no validation part"),
    ({}, "optimizer.name=sgd,adm", "variant 'adm': .*did you mean"),
    ({}, "data.name=folder,foldr", "variant 'foldr': .*did you mean"),
  ],
)
def test_mistakes_are_told_before_anything_runs(images, home, changes, text, sentence):  # noqa: F811
  with pytest.raises(InputError, match=sentence):
    execute.run(asked(images, home / "none", **changes), text)
  assert not (home / "none").exists()


def test_what_a_failure_says(images, home, monkeypatch, capsys):  # noqa: F811
  """Of memory, and of a bug: that one is raised, as it is of no member."""
  errors = [
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"),
    InputError("one sentence"),
    ZeroDivisionError("a bug"),
  ]

  def fails(*_):
    raise errors.pop(0)

  monkeypatch.setattr(experiment, "one", fails)
  folder = home / "errors"
  with pytest.raises(ZeroDivisionError):
    execute.run(asked(images, folder), "seed=0,1,2;split.fold=0")
  told = [
    json.loads((folder / f"members/base/seed{i}/fold0/failed.json").read_text())
    for i in (0, 1)
  ]
  assert told[0]["error"].startswith("out of memory: lower batch_size")
  assert told[1] == {"error": "one sentence", "kind": "InputError"}
  assert not (folder / "members/base/seed2").exists()


@pytest.mark.full
def test_a_dry_run_probes_and_writes_nothing(images, home, capsys):  # noqa: F811
  wanted = asked(images, home / "dry", **DECAYED)  # of a program that is compiled
  execute.run(wanted, "seed=0,1;split.fold=0,1;epochs=1,2", dry_run=True)
  said = capsys.readouterr().out
  assert "8 members (8 to run) of 2 variants, 2 seeds; 1 program to compile" in said
  assert "by a probe of a few steps" in said
  assert "the checkpoints of 8 members take up to " in said
  assert not (home / "dry").exists()


@pytest.fixture
def unreported(monkeypatch):
  """Reports are left out: 150 of them take longer than what is counted."""

  def finish(request, folder, *_):
    folder.report.write_text("{}")

  monkeypatch.setattr(experiment.reporting, "finish", finish)
  monkeypatch.setattr(
    "histojax.evaluation.verdict.verdict", lambda _: {"sentences": []}
  )
  monkeypatch.setattr("histojax.studies.table.write", lambda *_: None)
  monkeypatch.setattr("histojax.studies.table.show", lambda *_: None)


@pytest.mark.parametrize(
  ("blocks", "folds", "seeds"),
  [
    ("none", 2, 2),
    pytest.param("none,se,cbam", 2, 2, marks=pytest.mark.full),
    pytest.param(
      "none,se,cbam,sam,eca,se+sam,se(ratio=4),se(ratio=8),none|none|se|se,"
      "none|none|none|se",
      5, 3, marks=pytest.mark.slow,
    ),
  ],
)  # fmt: skip
def test_a_variant_compiles_once(images, home, unreported, blocks, folds, seeds):  # noqa: F811
  """3 x 2 x 2 members: 3 compilations; 10 x 5 x 3: 10; and as many of evaluation."""
  variants = blocks.count(",") + 1
  folder = home / f"many{variants}"
  wanted = asked(images, folder, **{"split.folds": folds})
  axes = {"seed": range(seeds), "split.fold": range(folds)}
  text = ";".join(f"{k}={','.join(map(str, v))}" for k, v in axes.items())
  text += f";model.attention={blocks}"
  assert compiled(lambda: execute.run(wanted, text)) == (variants, variants)
  found = list(folder.glob("members/*/*/*/report.json"))
  assert len(found) == variants * folds * seeds
  assert compiled(lambda: execute.run(wanted, text)) == (0, 0)  # nothing is due


def launch(images, folder, text, *before, **changes):  # noqa: F811
  """`launch.py --mode=ablate` in a process of its own, ended by signal_at.py or not."""
  values = SMALL | TINY | changes | {"data.source": images}
  program = [str(ROOT / "tests" / "signal_at.py"), *before] if before else []
  command = [
    sys.executable, *program, str(ROOT / "launch.py"), "--mode=ablate",
    f"--config={ROOT / 'configs' / 'folder.py'}:quick", f"--workdir={folder}",
    f"--config.study.grid={text}", *(f"--config.{k}={v}" for k, v in values.items()),
  ]  # fmt: skip
  return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


GRID = "model.attention=none,se;seed=0,1;split.fold=0"
MOMENTS = {
  "in the plan": ("SIGKILL", r"os.rename .*/plan.json", "1"),
  "in a member": ("SIGKILL", r"os.rename .*/predictions.csv", "2"),
  "between a member's steps": ("SIGTERM", r"open .*/metrics.jsonl a", "9"),
  "in the table": ("SIGKILL", r"os.rename .*/study.html", "1"),
  "before the table's numbers": ("SIGKILL", r"os.rename .*/study.json", "1"),
}


@pytest.fixture(scope="module")
def whole(images, home):  # noqa: F811
  """A study that nothing disturbed."""
  done = launch(images, home / "whole", GRID)
  assert done.returncode == 0, done.stderr
  assert "the training step 2 times, evaluation 2 times" in done.stdout
  return home / "whole"


def members(folder):
  return [p.relative_to(folder) for p in sorted(folder.glob("members/*/*/*"))]


@pytest.mark.full
def test_members_are_those_of_launch_alone(whole, images, home):  # noqa: F811
  """The second of a compiled step, and the second of one that was compiled ahead."""
  for i, path in enumerate(members(whole)):
    report = json.loads((whole / path / "report.json").read_text())
    flags = shlex.split(report["command"])[2:-1]
    if report["seed"] == 0:
      continue
    alone = home / f"alone{i}"
    done = subprocess.run(
      [sys.executable, str(ROOT / "launch.py"), *flags, f"--workdir={alone}"],
      cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = asked(images, home)
    wanted.config.model.attention = report["model"]["attention"]
    ours, theirs = (member(wanted, at) for at in (whole / path, alone / path.name))
    assert differing(ours, theirs) == []


@pytest.mark.full
def test_killed_at_any_moment_it_ends_in_the_same_bytes(whole, images, home):  # noqa: F811
  folder = home / "killed"
  for moment, before in MOMENTS.items():
    done = launch(images, folder, GRID, *before)
    expected = -signal.SIGKILL if before[0] == "SIGKILL" else 128 + signal.SIGTERM
    assert done.returncode == expected, (moment, done.stdout, done.stderr)
  done = launch(images, folder, GRID)
  assert done.returncode == 0, done.stderr
  assert not [p for p in folder.rglob(".*")]
  same_bytes(whole, folder, images)
  assert table(whole) == table(folder)


def table(folder):
  """study.csv but for the columns that are measured: how fast, in what memory."""
  rows = list(csv.reader((folder / "study.csv").read_text().splitlines()))
  return [row[: rows[0].index("macs") + 1] for row in rows]


@pytest.mark.full
def test_two_devices_train_two_members_at_once(whole, images, home, monkeypatch):  # noqa: F811
  """The bytes are those of one device."""
  two = " --xla_force_host_platform_device_count=2"
  monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", "") + two)
  done = launch(images, home / "two", GRID)
  assert done.returncode == 0, done.stderr
  same_bytes(whole, home / "two", images)
  lines = done.stdout.splitlines()
  begun = [i for i, line in enumerate(lines) if line.startswith("member ")]
  ended = [i for i, line in enumerate(lines) if "Balanced accuracy" in line]
  assert len(begun) == 4 and begun[1] < ended[0]  # at once
  before = "SIGTERM", r"open .*/metrics.jsonl a", "4"
  stopped = launch(images, home / "stopped", GRID, *before, epochs=4)
  assert stopped.returncode == 143, stopped.stderr
  assert "is saved; the same command continues" in stopped.stdout


def same_bytes(whole, folder, images):  # noqa: F811
  paths = members(whole)
  assert len(paths) == 4 and members(folder) == paths
  for path in paths:
    wanted = asked(images, folder)
    wanted.config.model.attention = path.parts[1]
    ours, theirs = (member(wanted, at / path) for at in (folder, whole))
    lines = differing(ours, theirs)
    assert [k for k in lines if k != "notes"] == []  # one may have been resumed
