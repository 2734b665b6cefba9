"""What blocks have recorded, sorted out."""

import jax
import jax.numpy as jnp
import numpy as np

from histojax import models
from histojax.explain import blocks

TERMS = {
  "attention": "sam|se+sam|cbam|sk(groups=4)+eca",
  "stage_end": "none|none|lam|dnl",
}


def recorded():
  """What the blocks of a network with many kinds have recorded of two images."""
  model = models.create("resnet_tiny", num_classes=3, **TERMS)
  x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 64, 64, 3)), jnp.float32)
  shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
  rng = np.random.default_rng(1)

  def draw(leaf):
    return jnp.asarray(rng.normal(0.3, 0.3, leaf.shape), jnp.float32)

  variables = {
    "params": jax.tree.map(draw, shapes["params"]),
    "batch_stats": jax.tree.map(lambda s: jnp.ones(s.shape), shapes["batch_stats"]),
  }
  fast = {"xla_backend_optimization_level": 0}  # compiles in half the time
  run = jax.jit(
    lambda v: model.apply(v, x, train=False, mutable=["gates"])[1],
    compiler_options=fast,
  )
  return run(variables)


def test_every_map_has_its_name_and_kind():
  kept = recorded()
  place = jnp.array([[0.25, 0.25], [0.25, 0.75]])
  maps = blocks.gather(kept, place, "resnet")
  assert {name: weights.shape for name, weights in maps.channel.items()} == {
    "stage3_block1/se": (2, 64),
    "stage4_block1/cbam": (2, 128),
    "stage4_end/lam": (2, 128),
    "stage5_block1/eca": (2, 256),
    "stage5_block1/sk": (2, 2, 64),
  }
  assert {name: values.shape for name, values in maps.spatial.items()} == {
    "stage2_block1/sam": (2, 16, 16),
    "stage3_block1/sam": (2, 8, 8),
    "stage4_block1/cbam": (2, 4, 4),
    "stage5_end/dnl, pairwise": (2, 2, 2),
    "stage5_end/dnl, unary": (2, 2, 2),
  }
  assert list(maps.spatial)[0].startswith("stage2")  # from the image on
  gate = kept["gates"]["stage4_block1"]["attention"]["cbam_gate"]
  product = maps.channel["stage4_block1/cbam"][:, None, None]
  product = product * maps.spatial["stage4_block1/cbam"][..., None]
  np.testing.assert_allclose(product, gate, rtol=1e-5)
  pairwise = kept["gates"]["stage5_end"]["dnl"]["dnl_pairwise"]
  asked = maps.spatial["stage5_end/dnl, pairwise"].reshape(2, 4)
  np.testing.assert_array_equal(asked[0], pairwise[0, 0])  # above left
  np.testing.assert_array_equal(asked[1], pairwise[1, 1])  # above right


def test_a_block_of_a_single_place_keeps_its_kind():
  """On a map of 1 x 1 a factor of places and one of channels have the same shape."""
  gates = {
    "sam_gate": jnp.ones((2, 1, 1, 1)),
    "se_gate": jnp.ones((2, 1, 1, 8)),
    "cbam_gate": jnp.ones((2, 1, 1, 8)),
    "cbam_channel": jnp.ones((2, 1, 1, 8)),
    "cbam_spatial": jnp.ones((2, 1, 1, 1)),
  }
  kept = {"gates": {"stage5_block1": {"attention": gates}}}
  maps = blocks.gather(kept, jnp.zeros((2, 2)), "resnet")
  assert set(maps.spatial) == {"stage5_block1/sam", "stage5_block1/cbam"}
  assert set(maps.channel) == {"stage5_block1/se", "stage5_block1/cbam"}


def test_a_factor_of_places_and_channels_is_shown_as_two_means():
  g = jnp.asarray(np.random.default_rng(0).random((2, 3, 3, 8)), jnp.float32)
  kept = {"gates": {"stage5_block1": {"attention": {"new_gate": g}}}}
  maps = blocks.gather(kept, jnp.zeros((2, 2)), "resnet")
  np.testing.assert_allclose(maps.spatial["stage5_block1/new"], g.mean(-1), rtol=1e-6)
  np.testing.assert_allclose(
    maps.channel["stage5_block1/new"], g.mean((1, 2)), rtol=1e-6
  )
