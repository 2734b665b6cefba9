"""Rows reach the step in order, resident or streamed, from any step on."""

import functools

import jax
import numpy as np
import pytest
from test_splits import cohort

from histojax.data import pipeline
from histojax.data.plan import EvalPlan, TrainPlan


def training_plan():
  rows = np.arange(3, 60)
  return TrainPlan(rows, 8, 2, 0, 36, "random", lambda step, num_steps: 0.1)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_resumed_pipeline_yields_the_rest_of_the_rows(streamed):
  plan, tiles = training_plan(), cohort()
  whole = list(pipeline.rows(plan, tiles, start=0, streamed=streamed))
  rest = list(pipeline.rows(plan, tiles, start=9, streamed=streamed))
  assert len(whole) == plan.num_steps == 16 and len(rest) == 7
  jax.tree.map(np.testing.assert_array_equal, whole[9:], rest)


def test_a_streamed_row_brings_what_a_resident_row_points_to():
  plan, tiles = EvalPlan(np.arange(5, 40), 8, 2), cohort()
  resident = pipeline.rows(plan, tiles, start=0, streamed=False)
  streamed = pipeline.rows(plan, tiles, start=0, streamed=True)
  for here, there in zip(resident, streamed, strict=True):
    assert "index" not in there and len(there["image"]) == 8
    for name, values in pipeline.host_arrays(tiles).items():
      np.testing.assert_array_equal(there[name], values[here["index"]])
    np.testing.assert_array_equal(here["angle"], there["angle"])
    np.testing.assert_array_equal(here["weight"], there["weight"])


def test_every_row_reaches_the_device_once():
  plan, tiles = training_plan(), cohort()
  here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
  put = functools.partial(jax.device_put, device=here)
  resident = put(pipeline.host_arrays(tiles))
  rows = pipeline.rows(plan, tiles, start=0, streamed=False)
  seen = [
    row["index"].tolist()
    for arrays, row in pipeline.on_device(rows, resident, put)
    if arrays is resident
  ]
  assert seen == [plan.batch(s)["index"].tolist() for s in range(plan.num_steps)]
