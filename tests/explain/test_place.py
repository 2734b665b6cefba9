"""Maps back on their images."""

import numpy as np
import pytest

from histojax import augment
from histojax.augment.rotation import CANVASES
from histojax.explain import place
from histojax.explain.layers import Grid


def test_a_place_keeps_its_value_where_it_is_centred():
  values = np.arange(6.0).reshape(2, 3)
  found = place.onto(values, Grid(3.5, 8), 16, (16, 24), (16, 24))
  # 16 pixels of input over 24 columns of image: column c is input pixel 2 c / 3 - 1/6
  assert found.shape == (16, 24)
  columns = (np.array([3.5, 11.5]) - 7.5) * 24 / 16 + 11.5
  for row, value in ((3, 0.0), (4, 0.0), (11, 3.0), (12, 3.0)):
    near = found[row, :4]  # left of the first place its value stays
    assert np.ptp(near) == 0
    assert near[0] == pytest.approx(value, abs=0.25)
  between = found[5, int(columns[0]) : int(columns[1])]
  assert (np.diff(between) > 0).all()


@pytest.mark.parametrize("name", CANVASES)
@pytest.mark.parametrize("extent", [(30, 50), (64, 33)])
def test_what_the_network_sees_at_a_pixel_lands_on_that_pixel(name, extent):
  """A picture of its own coordinates goes through the view and comes back."""
  size, (height, width) = 48, extent
  image = np.zeros((1, 64, 64, 3), np.uint8)
  image[0, :height, :width, 0] = 3 * np.arange(height)[:, None]
  image[0, :height, :width, 1] = 3 * np.arange(width)
  view = augment.view(
    image, np.array([extent], np.int32), np.zeros(1, np.float32), None, size=size,
    canvas=name, fill=(0, 0, 0), flip="none", normalise="fixed", mean=(0, 0, 0),
    std=(1 / 255,) * 3, dtype="float32", train=False,
  )  # fmt: skip
  (seen,) = place.canvas([extent], size, name)
  back = [
    place.onto(np.asarray(view)[0, :, :, k], Grid(0.0, 1), size, seen, extent)
    for k in (0, 1)
  ]
  looked = ~np.isnan(back[0])
  assert looked.all() == (name != "inscribed")
  if name == "inscribed":
    assert looked.sum() == pytest.approx(min(extent) ** 2 / 2, rel=0.08)
  rows, columns = np.nonzero(looked)
  inner = (np.abs(rows - (height - 1) / 2) < height / 2 - 3) & (
    np.abs(columns - (width - 1) / 2) < width / 2 - 3
  )
  if name == "inscribed":  # at its rim the last place's value stays
    half = min(extent) / 8**0.5 - 2
    inner &= np.abs(rows - (height - 1) / 2) < half
    inner &= np.abs(columns - (width - 1) / 2) < half
  for got, want in ((back[0], rows), (back[1], columns)):
    assert np.abs(got[looked] / 3 - want)[inner].max() < 0.35


def test_a_place_is_marked_where_its_value_is_drawn():
  grid, seen, shape = Grid(4.0, 8), (60, 40), (60, 40)
  values = np.zeros((4, 4))
  values[2, 1] = 1.0
  drawn = place.onto(values, grid, 32, seen, shape)
  row, column = place.pixel((2, 1), grid, 32, seen, shape)
  top = np.unravel_index(drawn.argmax(), shape)
  assert abs(row - top[0]) < 1 and abs(column - top[1]) < 1
  corner = place.pixel((0, 0), Grid(0.0, 8), 32, seen, shape)
  assert (0 <= corner).all() and (corner < 1).all()  # not outside of the image
