"""The images that are shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from histojax.explain import choosing


def drawn(count, classes, seed):
  rng = np.random.default_rng(seed)
  label = rng.integers(-1, classes, count)
  return label, rng.dirichlet(np.ones(classes), count)


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 10**6))
def test_ten_different_images_and_the_worst_errors_first(count, classes, seed):
  label, probability = drawn(count, classes, seed)
  shown = choosing.choose(label, probability)
  assert len(set(shown)) == len(shown) == min(count, 10)
  np.testing.assert_array_equal(shown, choosing.choose(label, probability))
  said, sure = probability.argmax(1), probability.max(1)
  wrong = (said != label) & (label >= 0)
  errors = shown[wrong[shown]]
  assert len(errors) >= min(5, wrong.sum())
  assert list(errors) == list(shown[: len(errors)])  # before all others
  left = np.setdiff1d(np.flatnonzero(wrong), errors)
  assert not len(left) or sure[errors].min() >= sure[left].max()


def test_right_ones_take_turns_and_are_typical():
  label = np.repeat([0, 1], 5)
  sure = np.tile([0.5625, 0.625, 0.75, 0.875, 1.0], 2)
  probability = np.where(np.eye(2)[label] > 0, sure[:, None], 1 - sure[:, None])
  shown = choosing.choose(label, probability, 4)
  assert list(shown) == [2, 7, 1, 6]  # the middle one, then its neighbour


def test_views_are_averaged_as_in_the_report():
  from histojax.evaluation import aggregate

  rng = np.random.default_rng(0)
  row = np.repeat([4, 2, 9], 3)
  views = {"row": row, "label": row % 2, "probability": rng.dirichlet([1, 1], 9)}
  found = choosing.averaged(views)
  names = row.astype(str)
  want = aggregate.images_from_views(names, names, row % 2, views["probability"])
  order = np.argsort(want["image_id"].astype(int))
  np.testing.assert_allclose(found["probability"], want["probability"][order])
  np.testing.assert_array_equal(found["row"], [2, 4, 9])
