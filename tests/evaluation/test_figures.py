"""Figures are drawn without warnings, leave matplotlib as it was, and stay small."""

import matplotlib
import numpy as np
import pytest
from PIL import Image

from histojax.evaluation import canvas, figures, figures_images

NAMES = ["<script>", "a$b$c", "$x_{1$", "a class with a very long name", "良性"]


@pytest.fixture
def tiles():
  rng = np.random.default_rng(0)
  return rng.integers(0, 256, (30, 20, 24, 3), dtype=np.uint8)


def drawn(path):
  with Image.open(path) as image:
    image.load()
    return image.size


def test_confusion_of_few_and_many_classes(tmp_path):
  before = dict(matplotlib.rcParams)
  for k in (2, 5, 9):
    matrix = np.arange(k * k).reshape(k, k)
    path = figures.confusion(
      tmp_path / f"{k}.png", matrix, (NAMES * 2)[:k], title="t", synthetic=k == 2
    )
    assert drawn(path)[0] >= 900
  assert dict(matplotlib.rcParams) == before, "a setting of matplotlib leaked"


def test_an_empty_row_is_no_division_by_zero(tmp_path):
  matrix = [[3, 0], [0, 0]]
  figures.confusion(tmp_path / "c.png", matrix, "ab", title="t", synthetic=False)


@pytest.mark.parametrize(
  "history",
  [
    {"train": {"x": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.6]}},
    {
      "train": {"x": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.6]},
      "validation": {"x": [1, 2], "loss": [1, 2], "balanced_accuracy": [0.5, 0.6]},
    },
    {"train": None, "test": {"x": [1], "accuracy": [0.5]}},
    {},
  ],
)
def test_curves_take_what_there_is(tmp_path, history):
  drawn(
    figures.curves(tmp_path / "c.png", history, x_label="epoch", best=1, synthetic=True)
  )


def test_curves_name_what_was_selected_on(tmp_path, monkeypatch):
  seen = []
  save = canvas.save
  monkeypatch.setattr(
    canvas, "save", lambda figure, *rest: seen.append(figure) or save(figure, *rest)
  )
  part = {"x": [1, 2], "accuracy": [0.5, 0.6]}
  history = {"train": part, "test": part}
  figures.curves(tmp_path / "c.png", history, x_label="epoch", synthetic=False)
  words = [text.get_text() for text in seen[0].legends[0].get_texts()]
  assert words == ["train", "test (used for selection)"]


def test_misclassified_shows_the_most_confident_first(tmp_path, monkeypatch, tiles):
  shown = []
  monkeypatch.setattr(figures_images, "_tile", lambda *a: shown.append(a[6]))
  probability = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
  label = [0, 0, 0, 1]
  figures_images.misclassified(
    tmp_path / "m.png",
    tiles,
    [4, 5, 6, 7],
    label,
    probability.argmax(1),
    probability,
    list("wxyz"),
    ["a", "b"],
    synthetic=True,
  )
  assert shown == [6, 5]


def test_nothing_misclassified_draws_nothing(tmp_path, tiles):
  path = tmp_path / "m.png"
  found = figures_images.misclassified(
    path, tiles, [0], [0], [0], [[1.0, 0.0]], ["i"], ["a", "b"], synthetic=False
  )
  assert found is None and not path.exists()


def test_tiles_are_shown_without_their_padding(monkeypatch, tmp_path, tiles):
  seen = []
  figure = canvas.figure(2, 2, layout=None)
  figures_images._tile(figure, 0, 0, 1, "SW", tiles, 3, np.full((30, 2), (10, 12)))
  seen = figure.axes[0].images[0].get_array()
  np.testing.assert_array_equal(seen, tiles[3, :10, :12])


def test_contact_sheet_goes_round_the_groups(tmp_path, tiles):
  label, group = np.repeat([0, 1, 2], 10), np.arange(30) // 5
  path = figures_images.contact_sheet(
    tmp_path / "s.png", tiles, label, group, NAMES[:3], synthetic=True
  )
  assert drawn(path)[0] >= 900
  many = figures_images._spread(np.arange(30), np.arange(30) // 3, 4)
  assert len(set(many // 3)) == 4
  few = figures_images._spread(np.arange(10), group[:10], 4)
  assert sorted(few) == [0, 1, 5, 6]


def test_same_picture_same_bytes(tmp_path):
  paths = [
    figures.confusion(
      tmp_path / f"{i}.png", np.eye(3), "abc", title="t", synthetic=False
    )
    for i in range(2)
  ]
  assert paths[0].read_bytes() == paths[1].read_bytes()
