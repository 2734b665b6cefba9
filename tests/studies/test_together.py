"""Heads trained side by side on cached features: each as if it had been alone."""

import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from test_experiment import request, state_bytes

from histojax import checkpoint, experiment, runs
from histojax.data import catalogue, handout, splits
from histojax.data import tiles as tile_cache
from histojax.engine import Engine
from histojax.studies import features, heads, together

RATE = "optimizer.learning_rate"
FROZEN = {
  "model.attention": "none",
  "model.freeze": "backbone",
  "model.head": "mlp(hidden=16, dropout=0.3)",
  "augment.flip": "both",
  "epochs": 3,
  "optimizer.learning_rate": 0.5,
}
OTHER = {
  "model.head": "linear(dropout=0.2)",
  "loss": "cross_entropy(weights=balanced, smoothing=0.1)",
  "sampling": "balanced",
  "optimizer.name": "adam",
  "optimizer.clip": 0.5,
  "optimizer.ema": 0.5,
  "augment.flip": "all",
  "augment.train_rotations": "all",
  "optimizer.learning_rate": 0.01,
  "epochs": 2,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    yield tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def images(home):
  from PIL import Image

  for k, name in enumerate("abc"):
    (home / "images" / name).mkdir(parents=True)
    for i in range(10):
      rng = np.random.default_rng([k, i])
      pixels = rng.integers(0, 200, (32, 36, 3)).astype(np.uint8)
      pixels[:: k + 2, :, :] //= 4
      Image.fromarray(pixels).save(home / "images" / name / f"{i}.png")
  return home / "images"


def prepared(images, workdir, **changes):
  """A member's request and what `experiment.run` makes of it before it trains."""
  asked = request(images, workdir, **(FROZEN | changes))
  config, dataset = asked.config, catalogue.find(asked.config.data)
  tiles = tile_cache.prepare(dataset, *experiment.storage(config.augment))
  split = splits.make(tiles, config.split)
  plan, _ = experiment.ready(config, tiles, split)
  return SimpleNamespace(
    request=asked, config=config, dataset=dataset, tiles=tiles, split=split, plan=plan,
    identity=(config.to_dict(), splits.record(tiles, split)),
    folder=runs.RunFolder(workdir),
  )  # fmt: skip


def member(one):
  own = one.config, one.plan, one.split, one.folder, one.identity
  return together.Member(*own)


def trained(ones):
  """(what `together.train` says, the engine) of prepared members of one network."""
  engine = Engine(ones[0].config, ones[0].tiles)
  members = [member(one) for one in ones]
  return together.train(members, [engine] * len(ones), poll=lambda: None), engine


def restored(one, engine, name="last"):
  with checkpoint.Checkpoints(one.folder.checkpoints, keep=1) as saved:
    return saved.latest(name), saved.restore(name, engine.abstract())


def alone(one, engine):
  """(state, rows logged) of the whole network, trained step by step."""
  state, rows = engine.init(one.config.seed), []
  for step, (tiles, row) in enumerate(engine.batches(one.plan), 1):
    state, metrics = engine.train_step(state, tiles, row)
    rows.append({"step": step} | {k: float(v) for k, v in metrics.items()})
  return state, rows


def agree(one, engine, atol=1e-5):
  """Asserts that a member trained side by side is what it comes to alone."""
  state, rows = alone(one, engine)
  step, found = restored(one, engine)
  assert step == int(found.step) == one.plan.num_steps
  pairs = [
    (s.params, s.opt_state, s.ema, s.frozen, s.batch_stats) for s in (found, state)
  ]
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=atol), *pairs)
  assert (jax.random.key_data(found.key) == jax.random.key_data(state.key)).all()
  start = engine.init(one.config.seed).params["head"]["out"]["kernel"]
  moved = np.abs(np.asarray(found.params["head"]["out"]["kernel"]) - start).max()
  assert moved > 0.002, "nothing was learned: nothing was compared"
  logged = [row for row in one.folder.metric_rows() if "loss" in row]
  for row, expected in zip(logged, rows, strict=True):
    assert (
      expected.items()
      <= {k: pytest.approx(v, abs=max(1e-4, atol)) for k, v in row.items()}.items()
    )
  held = features.cached(one.config, engine, state)
  quick = heads.HeadEngine(one.config, engine, held)
  test = one.split.test, one.config.augment.rotations
  ours = quick.predict(found, *test, poll=lambda: None)
  theirs = engine.predict(state, *test, poll=lambda: None)
  np.testing.assert_allclose(ours["probability"], theirs["probability"], atol=1e-5)
  for key in ("row", "angle", "label"):
    np.testing.assert_array_equal(ours[key], theirs[key])
  same = ours["probability"].argmax(-1) == theirs["probability"].argmax(-1)
  assert same.all()
  return logged


@pytest.fixture(scope="module")
def side_by_side(images, home):
  """Two learning rates on each of two folds."""
  ones = [
    prepared(
      images, home / f"fold{fold}-{rate}",
      **{"split.fold": fold, "optimizer.learning_rate": rate},
    )
    for fold in (0, 1)
    for rate in (0.5, 2.0)
  ]  # fmt: skip
  errors, engine = trained(ones)
  assert errors == [""] * 4
  return ones, engine


def test_each_head_is_what_it_is_alone(side_by_side):
  ones, engine = side_by_side
  logged = [agree(one, engine) for one in ones]
  assert len({rows[-1]["loss"] for rows in logged}) == 4  # no two are the same run


def test_heads_of_a_fold_share_their_batches(side_by_side):
  ones, _ = side_by_side
  streams = [together.stream(member(one)) for one in ones]
  assert streams[0] == streams[1] != streams[2] == streams[3]


def test_the_validation_part_chooses_the_first_of_the_best(side_by_side):
  ones, engine = side_by_side
  for one in ones:
    key = "validation/balanced_accuracy"
    scores = {row["step"]: row[key] for row in one.folder.metric_rows() if key in row}
    assert len(scores) == one.config.epochs
    step, state = restored(one, engine, "best")
    assert [row["why"] for row in one.folder.handout_rows()] == [handout.AUDIT]
    assert step == int(state.step) == max(scores, key=scores.get)
    found = engine.predict(state, one.split.validation, 1, poll=lambda: None)
    right = found["probability"].argmax(-1) == found["label"]
    each = [right[found["label"] == k].mean() for k in np.unique(found["label"])]
    assert np.mean(each) == pytest.approx(scores[step])


def test_a_head_that_diverges_stops_no_other(images, home):
  ones = [
    prepared(images, home / f"rate{rate:g}", **{"optimizer.learning_rate": rate})
    for rate in (1e30, 0.5)
  ]
  (lost, kept), _ = trained(ones)
  assert "the loss is" in lost and "lower optimizer.learning_rate" in lost and not kept
  assert not ones[0].folder.path.exists()
  assert ones[1].folder.metric_rows()[-1]["step"] == ones[1].plan.num_steps


def test_memory_that_runs_out_stops_no_other(images, home, monkeypatch):
  """Two folds are two streams: the first has no room for its features."""
  ones = [
    prepared(images, home / f"room{fold}", **{"split.fold": fold, "epochs": 1})
    for fold in (0, 1)
  ]
  errors = [jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")]
  compute = features.cached

  def cached(*arguments):
    if errors:
      raise errors.pop()
    return compute(*arguments)

  monkeypatch.setattr(features, "cached", cached)
  (lost, kept), _ = trained(ones)
  assert lost.startswith("out of memory: lower batch_size") and not kept
  assert not ones[0].folder.path.exists()
  assert ones[1].folder.metric_rows()[-1]["step"] == ones[1].plan.num_steps


def test_rows_of_a_scan_are_those_of_the_plans(images, home):
  ones = [
    prepared(images, home / "rows", **(OTHER | {"optimizer.learning_rate": rate}))
    for rate in (0.1, 0.2)
  ]
  plans = [one.plan for one in ones]
  (start, stop), *_ = list(together.spans(plans[0]))[1:]
  rows = together.rows_of(plans, start, stop)
  assert "flip" in rows and "class_weights" in rows
  for step in range(start, stop):
    for h, plan in enumerate(plans):
      for key, value in plan.batch(step).items():
        held = rows[key][step - start]
        if key == "class_weights":
          held, value = held[h], value[0]
        elif np.ndim(value) == 0:
          held = held[h]
        np.testing.assert_array_equal(held, value)


def test_long_epochs_are_cut(monkeypatch):
  monkeypatch.setattr(together, "MOST", 4)
  plan = SimpleNamespace(epochs=2, steps_per_epoch=10)
  found = list(together.spans(plan))
  assert found == [(0, 4), (4, 8), (8, 10), (10, 14), (14, 18), (18, 20)]


# Adam divides by the gradient's own size, however small: what a unit that is all but
# dead gets is rounding. A triplet pulls along the line between two images, which is
# rounding, too, where they are all but the same
@pytest.mark.full
@pytest.mark.parametrize(
  ("head", "more", "rates", "atol"),
  [
    ("linear(dropout=0.2)", {}, (0.01, 0.02), 1e-5),
    ("dual", {"optimizer.name": "sgd"}, (0.5, 1.0), 1e-5),
    (
      "multitask",
      {"optimizer.name": "sgd", "loss": "multitask(triplet=0.0)"}, (0.05, 0.1), 1e-5,
    ),
    ("multitask", {"optimizer.name": "sgd", "loss": "multitask"}, (0.02, 0.03), 1e-2),
  ],
)  # fmt: skip
def test_other_heads_losses_and_optimizers(images, home, head, more, rates, atol):
  changes = OTHER | {"model.head": head} | more
  del changes[RATE]
  if head == "multitask":
    changes |= {"evaluate_neighbours": 3}
  name = f"{head}-{more.get('loss', '')}"
  ones = [
    prepared(images, home / f"{name}-{rate}", **changes, **{RATE: rate})
    for rate in rates
  ]
  errors, engine = trained(ones)
  assert errors == ["", ""]
  for one in ones:
    agree(one, engine, atol)


@pytest.mark.full
def test_a_member_s_report_is_that_of_the_run_alone(images, home):
  """On ResNet18 at 32 px, by `experiment.run` from images to report."""
  changes = {"model.name": "resnet18", "model.attention": "se(ratio=16)"}
  one = prepared(images, home / "whole", **changes)
  (error,), engine = trained([one])
  assert not error
  held = features.cached(one.config, engine, engine.init(one.config.seed))
  experiment.one(
    one.request, one.folder, one.dataset, one.tiles, one.split, one.identity, True,
    lambda: heads.HeadEngine(one.config, engine, held),
  )  # fmt: skip
  other = one.request._replace(workdir=str(home / "whole-alone"))
  experiment.run(other)
  for name in ("last", "best"):
    (at, ours), (step, theirs) = (
      state_bytes(one.request, name),
      state_bytes(other, name),
    )
    assert at == step and ours.keys() == theirs.keys()
    for key in ours:
      if "params" in key:
        a, b = (np.frombuffer(held[key], np.float32) for held in (ours, theirs))
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
  reports = [
    json.loads((runs.RunFolder(folder).report).read_text())
    for folder in (one.folder.path, home / "whole-alone")
  ]
  confusions = [r["scores"]["images"]["confusion"] for r in reports]
  assert confusions[0] == confusions[1] and reports[0].keys() == reports[1].keys()
