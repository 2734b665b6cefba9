"""From a run to its figures: the features of a map are those of the very images."""

import types

import numpy as np
import pytest
from PIL import Image
from test_experiment import request

from histojax import drawings, experiment
from histojax.data import catalogue, tiles
from histojax.engine import Engine, planned_map


@pytest.mark.full
def test_the_map_is_of_upright_images(image_folder, tmp_path, cache):
  asked = request(image_folder(), tmp_path, evaluate_batch_size=8)
  dataset = catalogue.find(asked.config.data)
  held = tiles.prepare(dataset, *experiment.storage(asked.config.augment))
  engine = Engine(asked.config, held)
  state, rows = engine.init(0), np.arange(1, 30, 2)  # 15 images

  def seen(rows, *arguments, **options):
    return engine.predict(state, rows, *arguments, poll=lambda: None, **options)

  assert "features" not in seen(rows, 1)
  each = seen(rows, 1, mapped=99)  # three batches, the last one padded
  turned = seen(rows, 3, mapped=4)  # views of one image lie in two batches
  np.testing.assert_array_equal(each["mapped_rows"], rows)
  np.testing.assert_array_equal(turned["mapped_rows"], rows[[0, 5, 9, 14]])
  assert each["features"].shape == (15, each["features"].shape[1])
  kept = each["features"][[0, 5, 9, 14]]
  np.testing.assert_allclose(turned["features"], kept, rtol=1e-5, atol=1e-6)
  assert not np.allclose(kept[0], kept[1], rtol=1e-3)  # or nothing is compared


def test_a_map_shows_so_many_evenly():
  np.testing.assert_array_equal(planned_map(5, 9), np.arange(5))
  np.testing.assert_array_equal(planned_map(9, 0), [])
  shown = planned_map(30_000, 2000)
  assert len(shown) == 2000 and set(np.diff(shown)) <= {14, 15, 16}
  assert shown[0] == 0 and shown[-1] == 29_999


@pytest.fixture
def content():
  dataset = {"synthetic": True, "classes": ["a", "b"], "group_name": "slide"}
  return {"dataset": dataset, "scores": {"images": {}}}


def test_places_and_labels_belong_together(tmp_path, content, monkeypatch):
  """Rows of the tiles, in any order, and images that are numbered as they appear."""
  shown = []
  monkeypatch.setattr(
    drawings.figures_map, "embedding", lambda path, *rest, **_: shown.append(rest)
  )
  monkeypatch.setattr(drawings.figures_map, "coordinates", lambda features: features)
  views = {
    "row": np.repeat([7, 3, 9], 2),  # two views of each of three images
    "mapped_rows": np.array([7, 9]),
    "features": np.array([[1.0, 0.0], [-1.0, 0.0]]),
  }
  images = {"label": np.array([0, 1, 1]), "prediction": np.array([1, 1, 0])}
  folder = types.SimpleNamespace(figures=tmp_path)
  assert drawings.of_map(folder, views, images, content)
  place, label, prediction, classes = shown[0]
  assert label.tolist() == [0, 1] and prediction.tolist() == [1, 0]
  assert place is views["features"] and classes == ["a", "b"]
  assert drawings.of_map(folder, {"row": views["row"]}, images, content) == {}


def test_what_is_not_known_is_not_drawn(tmp_path, content):
  rng = np.random.default_rng(0)
  images = {"group": np.arange(20).astype(str), "label": np.arange(20) % 2}
  images["probability"] = rng.dirichlet([1, 1], 20)
  images["prediction"] = images["probability"].argmax(-1)
  folder = types.SimpleNamespace(figures=tmp_path)
  found = drawings.of_scores(folder, images, content)
  assert set(found) == {"roc"}  # no reliability was computed, and no group is known
  images["group"] = np.repeat(np.arange(5), 4).astype(str)
  found = drawings.of_scores(folder, images, content)
  assert set(found) == {"roc", "groups"}
  for path in found.values():
    with Image.open(path) as image:
      image.load()


def test_epochs_are_counted_from_the_metrics():
  rows = [{"step": s, "loss": 1.0, "accuracy": 0.5} for s in range(1, 13)]
  scores = {3: 0.5, 6: 0.795, 9: 0.9, 12: 0.8}
  rows += [
    {"step": s, "validation/loss": 1.0, "validation/accuracy": 0.1}
    | {"validation/balanced_accuracy": score}
    for s, score in scores.items()
  ]
  folder = types.SimpleNamespace(metric_rows=lambda: rows)
  plan = types.SimpleNamespace(steps_per_epoch=3)
  assert drawings.epochs_to_final(folder, plan) == 2
  del rows[12:]
  assert drawings.epochs_to_final(folder, plan) is None
