"""Attention rollout against a loop; goldens/test_explained.py has timm's maps."""

import jax.numpy as jnp
import numpy as np

from histojax.explain import blocks
from histojax.explain.rollout import rollout


def by_loop(weights):
  """Abnar and Zuidema's section 3, in NumPy: softmaxes [B, heads, N, N] per block."""
  found = []
  for image in range(len(weights[0])):
    joint = np.eye(weights[0].shape[-1])
    for softmax in weights:
      mean = np.mean([head for head in softmax[image]], axis=0)
      a = 0.5 * mean + 0.5 * np.eye(len(mean))
      a = a / a.sum(axis=1, keepdims=True)
      joint = a @ joint
    found.append(joint)
  return np.array(found)


def drawn(blocks, seed=0):
  rng = np.random.default_rng(seed)
  return [rng.dirichlet(np.full(10, 0.3), (2, 3, 10)) for _ in range(blocks)]


def test_against_a_loop():
  weights = drawn(4)
  got = rollout([jnp.asarray(w, jnp.float32) for w in weights])
  np.testing.assert_allclose(got, by_loop(weights), rtol=1e-5, atol=1e-7)
  np.testing.assert_allclose(got.sum(-1), 1, rtol=1e-6)
  backwards = rollout([jnp.asarray(w, jnp.float32) for w in weights[::-1]])
  assert float(jnp.abs(backwards - got).max()) > 0.01  # their order matters


def test_twelve_blocks_come_in_their_order():
  """block10 is not the second, and the map is what [CLS] takes from the patches."""
  weights = drawn(12)
  kept = {
    "attention_maps": {
      f"block{i + 1}": {"attn": {"softmax": jnp.asarray(w, jnp.float32)}}
      for i, w in enumerate(weights)
    }
  }
  found = blocks.gather(kept, jnp.zeros((2, 2)), "vit").spatial["rollout"]
  want = by_loop(weights)[:, 0, 1:].reshape(2, 3, 3)
  np.testing.assert_allclose(found, want, rtol=1e-4)
