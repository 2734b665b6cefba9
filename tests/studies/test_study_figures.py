"""A study's pictures can be read."""

import itertools

import pytest

from histojax.evaluation import canvas
from histojax.studies import figures


@pytest.mark.parametrize("count", [2, 9, 12])
def test_no_name_covers_another_or_its_point(tmp_path, monkeypatch, count):
  drawn = []
  monkeypatch.setattr(canvas, "save", lambda figure, *_: drawn.append(figure))
  points = {f"variant number {k}": (50.0 + k % 3, 0.5, None) for k in range(count)}
  figures.pareto(tmp_path / "pareto.png", points, "accuracy", synthetic=False)
  (figure,) = drawn
  figure.draw_without_rendering()
  (axes,) = figure.axes
  boxes = [label.get_window_extent() for label in axes.texts]
  assert len(boxes) == count
  assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
  places = [axes.transData.transform(point[:2]) for point in points.values()]
  assert not any(box.contains(*place) for box in boxes for place in places)
