"""Every way that comes to mind to look at the test part during training."""

import json

import numpy as np

from histojax.data import pipeline
from histojax.data.plan import EvalPlan, TrainPlan


def attempts(engine, plan, state, folder):
  """{name: what a `Withheld` must answer} for an engine amid the run in `folder`."""
  split = json.loads((folder / "split.json").read_text())
  rows = np.flatnonzero(np.isin(engine.tiles.image_id, split["test"]))
  assert len(rows) == len(split["test"]) > 0
  some, every = rows[:1], np.arange(len(engine.tiles))

  def predict(rows):
    return engine.predict(state, rows, 1, poll=lambda: None)

  def trained(rows):
    return TrainPlan(rows, 8, 1, 0, 1, "none", lambda step, num_steps: 0.1)

  views = {"embedding": np.zeros((1, 4), np.float32)}
  return {
    "predict on test rows": lambda: predict(rows),
    "on one of them": lambda: predict(np.append(plan.rows, some)),
    "on everything": lambda: predict(every),
    "on what does not train": lambda: predict(np.setdiff1d(every, plan.rows)),
    "a plan that trains on them": lambda: engine.batches(trained(rows)),
    "from its middle on": lambda: engine.batches(trained(every), 2),
    "a plan that evaluates": lambda: engine.batches(EvalPlan(rows, 8, 4)),
    "the pipeline": lambda: pipeline.rows(
      trained(every), engine.tiles, start=0, streamed=True
    ),
    "their neighbours": lambda: engine.neighbours(
      state, views, rows, 1, poll=lambda: None
    ),
    "a copy of the engine": lambda: engine.guarded(engine.tiles).predict(
      state, rows, 1, poll=lambda: None
    ),
  }
