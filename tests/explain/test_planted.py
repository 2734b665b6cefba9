"""Maps of a trained network lie on the object that tells the class; untrained, not.

`concentration`: the share of a map's mass inside the object over the object's share of
the area. A block's map is measured as it is drawn, from its least value upwards.
"""

import jax
import numpy as np
import planted
import pytest

from histojax import models

pytestmark = pytest.mark.full


def told(name, right, found):
  print(f"{name}: {right:.2f} right, concentration {found:.2f}")
  return found


def typical(maps, masks, least: float = 0.0) -> float:
  """The median over images whose map has mass, which must be a share of `least`."""
  found = planted.concentration(maps, masks)
  assert np.isfinite(found).mean() > least
  return float(np.nanmedian(found))


def risen(maps):
  return maps - maps.min((1, 2), keepdims=True)


def test_planted_discs():
  """The last map, of 3 x 3 places, and a spatial gate's own map of 12 x 12."""
  size, radius = 96, 10
  image, label, _ = planted.draw(768, size, radius, seed=0)
  seen, truth, mask = planted.draw(60, size, radius, seed=1)
  assert 0.03 < mask.mean() < 0.04
  model = models.create("resnet_tiny", num_classes=3, attention="sam")
  explain = planted.explained(model, seen, truth)
  for seed in range(3):
    right, cam, own = explain(planted.fresh(model, size, seed))
    assert told(f"untrained {seed}", right, typical(cam, mask)) < 2
    gate = typical(risen(own["stage3_block1/sam"]), mask)
    assert told("  its gate", right, gate) < 3
  start = model.init(jax.random.key(0), planted.scaled(seen[:1]), train=False)
  right, cam, own = explain(planted.trained(model, start, image, label, epochs=8))
  assert right > 0.9
  assert told("trained", right, typical(cam, mask, 0.9)) > 3
  for name, maps in own.items():
    told(f"  {name}", right, typical(risen(maps), mask))
  assert typical(risen(own["stage3_block1/sam"]), mask) > 3


def test_nuclei_of_synthetic_liver():
  """Lymphocytes and endothelium among a tumour's nuclei: does a window hold any?

  They are 12 pixels long, so they are looked for on the map of stride 8: the last one,
  of 2 x 2 places 32 pixels apart, cannot show them.
  """
  size = 64
  image, label, _ = planted.windows(range(16), size)
  seen, truth, mask = planted.windows(range(16, 21), size)
  one = truth == 1
  assert 0.02 < mask[one].mean() < 0.05
  model = models.create("resnet_tiny", num_classes=2)
  explain = planted.explained(model, seen[one], truth[one], "stage3")
  for seed in range(3):
    right, cam, _ = explain(planted.fresh(model, size, seed))
    assert told(f"untrained {seed}", right, typical(cam, mask[one])) < 2
  start = model.init(jax.random.key(0), planted.scaled(seen[:1]), train=False)
  variables = planted.trained(model, start, image, label, epochs=8)
  right, cam, _ = explain(variables)
  assert right > 0.7
  assert told("trained, stage 3", right, typical(cam, mask[one], 0.9)) > 3
