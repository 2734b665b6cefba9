"""Reliability, ROC, groups and the map of images: what is drawn is what was said."""

import numpy as np
import pytest
from PIL import Image

from histojax.evaluation import (
  calibration,
  canvas,
  figures_map,
  figures_scores,
  ranking,
)

CLASSES = ["benign", "a class with a very long name", "$x_{1$"]


@pytest.fixture
def said():
  """label [60], probability [60, 3] and group [60], right about two times in three."""
  rng = np.random.default_rng(0)
  label = rng.integers(0, 3, 60)
  probability = rng.dirichlet(np.ones(3), 60) + 0.7 * np.eye(3)[label]
  group = np.array([f"patient {i // 6}" for i in range(60)], object)
  return label, probability / probability.sum(-1, keepdims=True), group


@pytest.fixture
def kept(monkeypatch):
  """The figures that were saved."""
  seen, save = [], canvas.save
  monkeypatch.setattr(
    canvas, "save", lambda figure, *rest: seen.append(figure) or save(figure, *rest)
  )
  return seen


def lines(axes):
  return {line.get_label(): line.get_xydata() for line in axes.get_lines()}


def size(path):
  with Image.open(path) as image:
    image.load()
    return image.size


def test_reliability_before_and_after(tmp_path, said, kept):
  label, probability, group = said
  part = {"label": label, "probability": probability, "group": group}
  found = calibration.calibrated(part, part)
  before, after, at = (found[k] for k in ("before", "after", "temperature"))
  path = figures_scores.reliability(
    tmp_path / "r.png", before, after, at, synthetic=True
  )
  assert size(path)[0] >= 900
  drawn = lines(kept[0].axes[0])
  for held, name in ((before, "as trained"), (after, f"temperature {at:.2f}")):
    bins = [row for row in held["bins"] if row["images"]]
    points = [[row["confidence"], row["accuracy"]] for row in bins]
    np.testing.assert_allclose(drawn[f"{name}: ECE {held['ece']:.3f}"], points)


def test_reliability_of_folds_and_without_intervals(tmp_path, said):
  label, probability, _ = said
  bare = calibration.reliability(label, probability)
  for after in (None, bare):  # folds have a temperature each: there is no one
    path = tmp_path / "r.png"
    size(figures_scores.reliability(path, bare, after, None, synthetic=False))


def test_roc_is_that_of_the_areas(tmp_path, said, kept):
  label, probability, _ = said
  path = figures_scores.roc(tmp_path / "c.png", *said[:2], CLASSES, synthetic=False)
  assert size(path)[0] >= 900
  upper, lower = kept[0].axes
  areas = ranking.areas(label, probability)
  curves = [line.get_xydata() for line in upper.get_lines()[1:]]  # the first is chance
  for k, curve in enumerate(curves):
    assert np.trapezoid(curve[:, 1], curve[:, 0]) == pytest.approx(areas["auroc"][k])
    np.testing.assert_array_equal(curve[[0, -1]], [[0, 0], [1, 1]])
  legend = kept[0].legends[0].get_texts()
  assert f"benign {areas['auroc'][0]:.2f}, {areas['auprc'][0]:.2f}" == (
    legend[0].get_text()
  )


def test_a_class_without_images_has_no_curve(tmp_path, said, kept):
  label, probability, _ = said
  figures_scores.roc(
    tmp_path / "c.png", np.zeros_like(label), probability, CLASSES, synthetic=False
  )
  assert len(kept[0].axes[0].get_lines()) == 1 and not kept[0].legends


def test_every_group_has_its_share_worst_first(tmp_path, said, kept):
  label, probability, group = said
  prediction = probability.argmax(-1)
  figures_scores.groups(
    tmp_path / "g.png", group, label, prediction, CLASSES, noun="patient",
    synthetic=False,
  )  # fmt: skip
  (axes,) = kept[0].axes
  names = [text.get_text() for text in axes.get_yticklabels()]
  dots = axes.collections[-1].get_offsets().data
  share = {g: np.mean((prediction == label)[group == g]) for g in set(group)}
  assert [name.rsplit("  (", 1)[0] for name in names] == sorted(
    share, key=lambda g: (share[g], g)
  )
  np.testing.assert_allclose(dots[:, 0], sorted(share.values()))
  assert all(name.endswith("(6)") for name in names)


def test_of_many_groups_the_worst_are_named(tmp_path, kept):
  group = np.repeat(np.arange(200), 3)
  label = np.zeros(600, int)
  prediction = (np.arange(600) % 3 < group // 67).astype(int)
  path = figures_scores.groups(
    tmp_path / "g.png", group, label, prediction, ["a", "b"], noun="slide",
    synthetic=True,
  )  # fmt: skip
  upper, lower = kept[0].axes
  assert upper.get_title(loc="left") == "All 200 slides"
  assert sum(bar.get_height() for bar in upper.patches) == 200
  assert len(lower.get_yticks()) == 16 and size(path)[1] < 2000


def test_the_map_keeps_neighbours_and_is_the_same_each_time():
  rng = np.random.default_rng(0)
  centre = 8 * rng.normal(size=(4, 64))
  features = np.float32(np.repeat(centre, 15, axis=0) + rng.normal(size=(60, 64)))
  place = figures_map.coordinates(features)
  assert place.shape == (60, 2) and np.isfinite(place).all()
  distance = np.linalg.norm(place[:, None] - place[None], axis=-1)
  np.fill_diagonal(distance, np.inf)
  cluster = np.arange(60) // 15
  assert np.mean(cluster[distance.argmin(1)] == cluster) == 1
  np.testing.assert_array_equal(place, figures_map.coordinates(features))


@pytest.mark.parametrize("shape", [(2, 5), (3, 1), (9, 40), (12, 1), (30, 4)])
def test_few_images_have_a_place_too(shape):
  features = np.random.default_rng(0).normal(size=shape)
  assert np.isfinite(figures_map.coordinates(features)).all()
  assert np.isfinite(figures_map.coordinates(np.ones(shape))).all()


def test_rings_are_the_errors(tmp_path, said, kept):
  label, probability, _ = said
  prediction = probability.argmax(-1)
  place = np.random.default_rng(0).normal(size=(60, 2))
  path = tmp_path / "e.png"
  figures_map.embedding(path, place, label, prediction, CLASSES, synthetic=False)
  (axes,) = kept[0].axes
  dots, rings = axes.collections
  np.testing.assert_array_equal(rings.get_offsets(), place[label != prediction])
  assert len(dots.get_offsets()) == 60 and size(path)[0] >= 900
  right = np.zeros(60, int)
  figures_map.embedding(path, place, right, right, ["a"], synthetic=True)
