"""Multiply-accumulates of the residual networks that the papers compare, exactly."""

import functools

import jax
import jax.numpy as jnp
import pytest
from test_counts import VIEW

from histojax import models, optimizer, steps
from histojax.profiling import counts

V1 = {"stride_in_1x1": True}
SERIES = "se+sam|se+sam|se+sam|none"
DNL, FUSED = {"stage_end": "none|none|none|dnl"}, {"head": "fused(stages=(3, 4, 5))"}
LIGHT = {"stage_end": "none|none|none|lam", "head": "dual"}
# (side, classes, model, attention, further arguments, MACs of one image)
EXACT = (
  (224, 1000, "resnet18", "none", {}, 1_814_073_344),
  (224, 1000, "resnet50", "se(ratio=16)", V1, 3_860_488_192),
  (224, 1000, "skresnet50", "none", {}, 4_089_422_336),
  (224, 1000, "senet154", "none", {}, 20_688_363_520),
  (80, 5, "resnet50", "none", {}, 560_977_920),
  (80, 5, "resnet50", SERIES, DNL | FUSED, 637_712_598),
)
# as printed, in GMAC
ROUNDED = (
  (224, 1000, "resnet34", "none", {}, "3.6638"),
  (224, 2, "resnet50", "none", LIGHT, "4.0888"),
  (80, 5, "resnet50", "se|se|se|none", {}, "0.5619"),
  (80, 5, "resnet50", "sam|sam|sam|none", {}, "0.5610"),
  (80, 5, "resnet50", "none", DNL, "0.6368"),
  (80, 5, "resnet50", SERIES, FUSED, "0.5619"),
  (224, 5, "resnet50", "none", DNL, "4.5058"),
  (224, 5, "resnet50", "sam|sam|sam|none", {}, "4.0872"),
  (224, 5, "resnet50", SERIES, DNL | FUSED, "4.5067"),
)


@pytest.mark.parametrize(
  ("side", "classes", "name", "attention", "more", "macs"), (*EXACT, *ROUNDED)
)
def test_multiply_accumulates(side, classes, name, attention, more, macs):
  model = models.create(
    name, num_classes=classes, attention=attention, dtype="bfloat16", **more
  )
  start = functools.partial(
    steps.init, model=model, tx=optimizer.sgd(0.9, 0.0), view=VIEW
  )
  state = jax.eval_shape(start, jax.random.key(0))
  images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.bfloat16)
  found = counts.count(model, state, images).macs
  assert (f"{found / 1e9:.4f}" if isinstance(macs, str) else found) == macs
