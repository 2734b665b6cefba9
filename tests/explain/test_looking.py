"""What a `Looker` looks at."""

from types import SimpleNamespace

import numpy as np
import pytest

from histojax import models
from histojax.explain import layers, looking, mode


@pytest.mark.parametrize("freeze", ["none", "stem|stage2|stage3", "backbone"])
def test_what_is_frozen_is_explained_all_the_same(freeze, monkeypatch):
  """A frozen part stops the gradient: its maps, and those before it, would be zero."""
  asked = []
  monkeypatch.setattr(looking, "compiled", lambda *key: asked.append(key))
  engine = SimpleNamespace(
    model=models.create("resnet_tiny", num_classes=3, freeze=freeze),
    view=SimpleNamespace(size=64),
    tiles=SimpleNamespace(image=np.zeros((4, 64, 64, 3), np.uint8)),
    mesh=None,
  )
  looking.Looker(engine, "stage3")
  (model, layer, *_) = asked[0]
  assert model.freeze == "none" and layer.name == "stage3"


@pytest.mark.parametrize("name,said", [("map", "last map"), ("block3", "block3")])
def test_the_page_names_the_map_that_it_shows(name, said):
  layer = layers.Layer(name, (), 14, 14, (197, 8), layers.Grid(7.5, 16))
  first, *_ = mode.reading(SimpleNamespace(layer=layer))
  assert f"the network's {said} of 14 x 14 places, 16 pixels" in first


def test_a_batch_brings_the_classes_of_its_images():
  classes = np.array([[0, 1], [2, 0], [1, 2]])
  plan = looking.LookPlan(np.array([7, 3, 5]), 2, 1, classes)
  first, last = plan.batch(0), plan.batch(1)
  np.testing.assert_array_equal(first["index"], [7, 3])
  np.testing.assert_array_equal(first["classes"], classes[:2])
  np.testing.assert_array_equal(last["index"], [5, 5])  # padded
  np.testing.assert_array_equal(last["classes"], classes[[2, 2]])
  np.testing.assert_array_equal(last["weight"], [1, 0])
  assert (first["angle"] == 0).all() and first["classes"].dtype == np.int32
