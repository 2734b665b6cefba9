"""Views become images, images become slides, by mean probability."""

import numpy as np
import pytest

from histojax.evaluation import aggregate

VIEWS = {
  "image_id": ["z", "a", "z", "a", "m"],
  "group": ["s2", "s1", "s2", "s1", "s1"],
  "label": [1, 0, 1, 0, 0],
  "probability": [[0.6, 0.4], [0.9, 0.1], [0.1, 0.9], [0.3, 0.7], [0.4, 0.6]],
}


def test_views_become_images_in_order_of_appearance():
  images = aggregate.images_from_views(**VIEWS)
  assert images["image_id"].tolist() == ["z", "a", "m"]
  assert images["group"].tolist() == ["s2", "s1", "s1"]
  assert images["label"].tolist() == [1, 0, 0]
  assert images["views"].tolist() == [2, 2, 1]
  expected = [[0.35, 0.65], [0.6, 0.4], [0.4, 0.6]]
  np.testing.assert_allclose(images["probability"], expected, atol=1e-15)
  assert images["prediction"].tolist() == [1, 0, 1]


@pytest.mark.parametrize(
  "name,values", [("label", [1, 0, 0, 0, 0]), ("group", "tsssr")]
)
def test_views_that_disagree_are_refused(name, values):
  with pytest.raises(ValueError, match=f"'z'.*{name}"):
    aggregate.images_from_views(**VIEWS | {name: list(values)})


def test_images_become_groups():
  images = aggregate.images_from_views(**VIEWS)
  keys = ("group", "label", "probability")
  groups, reason = aggregate.groups_from_images(*(images[k] for k in keys))
  assert reason is None
  assert groups["group"].tolist() == ["s2", "s1"]
  assert groups["images"].tolist() == [1, 2]
  np.testing.assert_allclose(groups["probability"][1], [0.5, 0.5])
  assert groups["prediction"].tolist() == [1, 0]  # of equals, the first


def test_groups_of_several_classes_have_no_score():
  rows, reason = aggregate.groups_from_images(
    ["a", "a", "b", "b"], [0, 1, 1, 1], np.full((4, 2), 0.5)
  )
  assert rows is None and "1 of 2 groups" in reason


def test_groups_of_one_image_have_no_score_of_their_own():
  rows, reason = aggregate.groups_from_images(["a", "b"], [0, 1], np.eye(2))
  assert rows is None and "single image" in reason
