"""Figures of maps: that what is drawn is what was found."""

import numpy as np
import pytest
from PIL import Image

from histojax.explain import drawing
from histojax.explain.shown import (
  Panel,
  Shown,
  block_panel,
  cam_panel,
  contrasted,
  lasting,
)

SIZE = 40


def one(values, **changes):
  grey = np.full((SIZE, SIZE, 3), 128, np.uint8)
  panel = Panel("a map", values, 0.0, 1.0, "of its maximum", (10.0, 30.0))
  held = Shown("a/<b>&$x$.png", grey, "poor", "well", 0.7, 0.2, (panel, panel, panel))
  return held._replace(**changes)


def test_colour_grows_with_the_value_and_nothing_is_drawn_where_none_has_looked():
  values = np.tile(np.linspace(0, 1, SIZE), (SIZE, 1))
  values[:5] = np.nan
  mixed = drawing.blended(one(values).pixels, values, 0.0, 1.0)
  colourful = np.ptp(mixed[5:], axis=-1)
  assert mixed.shape == (SIZE, SIZE, 3) and 0 <= mixed.min() and mixed.max() <= 1
  assert colourful[:, -8].min() > colourful[:, 0].max() + 0.1
  assert np.ptp(mixed[:5]) < 1e-9 and mixed[:5].min() > 0.8  # nearly white
  flat = drawing.blended(one(values).pixels, 0.5 + 1e-4 * values, 0.5, 0.5001)
  assert np.ptp(flat[5:].reshape(-1, 3), axis=0).max() < 1e-9  # not blown up


@pytest.mark.parametrize(("high", "wide"), [(40, 40), (20, 50), (60, 30)])
def test_pictures_are_as_wide_as_a_phone_can_show(tmp_path, high, wide):
  pixels = np.full((high, wide, 3), 128, np.uint8)
  told = one(np.ones((high, wide)), pixels=pixels)
  unknown = told._replace(true=None, of_true=None, said="c" * 60, image_id="n" * 200)
  paths = [
    drawing.overview(tmp_path / "all.png", [told, unknown], synthetic=True),
    drawing.one_image(tmp_path / "one.png", unknown, synthetic=False),
  ]
  for path in paths:
    with Image.open(path) as image:
      assert image.width == 920 and image.height > 300
  assert drawing.overview(tmp_path / "none.png", [], synthetic=True) is None


def test_scales_are_told_in_words():
  panel = one(np.ones((2, 2))).panels[0]
  assert drawing.scale_of(panel, True) == "0.00 to 1.00 of its maximum"
  assert drawing.scale_of(panel, False) == "0.00 to 1.00"
  assert "throughout" in drawing.scale_of(panel._replace(low=0.5, high=0.501), True)
  nothing = panel._replace(values=np.zeros((2, 2)))
  assert "nothing speaks for it" in drawing.scale_of(nothing, True)
  below = -np.linspace(1, 2, 16).reshape(4, 4)  # of sam(gate=none), say
  factor = block_panel("stage3_block1/sam", below, None)
  assert drawing.scale_of(factor, False) == "-2.00 to -1.00"


def test_an_error_is_contrasted_with_the_truth_and_a_hit_with_the_second_choice():
  probability = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]])
  np.testing.assert_array_equal(
    contrasted([2, 1, -1], probability), [[0, 2], [1, 0], [2, 1]]
  )


def test_of_a_stage_its_last_block_is_shown_the_last_stage_first():
  names = ["stage3_block10/sam", "stage3_block2/sam", "stage5_end/dnl, unary"]
  names += ["stage5_block1/sam"]
  found = [name for name, _ in lasting(dict.fromkeys(names, 0))]
  assert found == ["stage5_end/dnl, unary", "stage5_block1/sam", "stage3_block10/sam"]


def test_a_map_that_is_the_same_everywhere_has_no_scale():
  flat, sloped = np.full((4, 4), 3.0), np.linspace(1, 3, 16).reshape(4, 4)
  for values, said in ((flat, "1.00 throughout"), (sloped, "0.00 to 1.00")):
    assert drawing.scale_of(cam_panel(values, "poor"), False) == said
  nothing = cam_panel(np.zeros((4, 4)), "poor")
  assert drawing.scale_of(nothing, False) == "0: nothing speaks for it"
