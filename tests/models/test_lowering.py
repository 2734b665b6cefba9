"""The forms that a GPU runs compute what the CPU's do, in whole networks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from histojax.models import MODELS
from histojax.ops.platform import lowered_for

CASES = [
  ("none", {}),
  ("se(ratio=4)", {}),
  ("cbam(ratio=4)", {}),
  ("sk(groups=4)|se+cbam|cbam+se|none", {}),
  ("se", {"norm": "frozen"}),
  ("cbam", {"stride_in_1x1": True}),
  (
    "se(ratio=4)+sam|sam(gate=none)+se|eca|sk(groups=1, smallest=4, split=True)",
    {"stage_end": "none|none|lam|dnl", "head": "fused"},
  ),
  ("sam+cbam", {"block": "basic"}),
  (
    "se(ratio=4)",
    {"inner": 2, "groups": 4, "reduce_first": 2, "deep_stem": True}
    | {"shortcut_kernel": 3},
  ),
]


@pytest.mark.full
@pytest.mark.parametrize(("attention", "arguments"), CASES)
def test_values_and_gradients(attention, arguments):
  """Three steps of SGD in float64: losses and all variables agree to 1e-8."""
  with jax.enable_x64(True):
    model = MODELS["resnet_tiny"](
      num_classes=3, attention=attention, dtype="float64", **arguments
    )
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.normal(size=(4, 48, 40, 3)))
    labels = jnp.asarray([0, 1, 2, 1])
    start = jax.jit(lambda: model.init(jax.random.key(0), images, train=False))()
    # nothing stays at zero or one, where a wrong term would not show
    start = jax.tree.map(
      lambda t: jnp.asarray(t + 0.1 * abs(rng.normal(size=t.shape))), start
    )

    def three_steps(variables):
      def loss(params, stats):
        (logits, _), updated = model.apply(
          {"params": params, "batch_stats": stats},
          images,
          train=True,
          mutable=["batch_stats"],
        )
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return losses.mean(), updated.get("batch_stats", stats)

      # a new function each time: the platform is no argument that a cache would see
      step = jax.jit(lambda *state: jax.value_and_grad(loss, has_aux=True)(*state))
      params, stats, losses = variables["params"], variables["batch_stats"], []
      for _ in range(3):
        (value, stats), gradient = step(params, stats)
        params = jax.tree.map(lambda p, g: p - 0.01 * g, params, gradient)
        losses.append(value)
      return params, stats, losses

    want = three_steps(start)
    with lowered_for("gpu"):
      got = three_steps(start)
  for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8)
  assert not np.allclose(want[2][0], want[2][2])  # it did train
