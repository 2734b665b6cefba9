"""Losses between images, against plain loops in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import losses
from histojax.metric_learning import batch_hard_triplet, cauchy_hashing

RNG = np.random.default_rng(1)
LABELS = np.int32([0, 0, 1, 1, 1, 2, 0, 3, 3, 1])  # 2 has no other of its class


def unit(rows):
  return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


EMBEDDING = unit(RNG.normal(size=(10, 8)))
CODES = np.tanh(RNG.normal(size=(10, 12))).astype(np.float32)


def triplet_by_hand(embedding, labels, margin):
  cost = []
  for i, a in enumerate(embedding.astype(np.float64)):
    far, near = [], []
    for j, b in enumerate(embedding.astype(np.float64)):
      if i != j:
        (far if labels[i] == labels[j] else near).append(np.sqrt(((a - b) ** 2).sum()))
    cost.append(max(0, margin + max(far) - min(near)) if far and near else 0.0)
  return np.array(cost)


def cauchy_by_hand(codes, labels, gamma):
  """sum_ij w_ij (s_ij log(d / gamma) + log(1 + gamma / d)) / |S|."""
  h, total = codes.astype(np.float64), 0.0
  n, bits = h.shape
  pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
  similar = sum(labels[i] == labels[j] for i, j in pairs)
  for i, j in pairs:
    cos = h[i] @ h[j] / np.linalg.norm(h[i]) / np.linalg.norm(h[j])
    d, s = bits / 2 * (1 - cos), labels[i] == labels[j]
    w = len(pairs) / (similar if s else len(pairs) - similar)
    total += w * (s * np.log(d / gamma) + np.log(1 + gamma / d))
  return total / len(pairs)


@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_batch_hard_triplets(margin):
  found = batch_hard_triplet(jnp.asarray(EMBEDDING), LABELS, margin)
  expected = triplet_by_hand(EMBEDDING, LABELS, margin)
  assert expected[5] == 0 and (expected > 0).sum() > 3
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 20.0])
def test_cauchy_cross_entropy(gamma):
  found = cauchy_hashing(jnp.asarray(CODES), LABELS, gamma).mean()
  np.testing.assert_allclose(found, cauchy_by_hand(CODES, LABELS, gamma), rtol=1e-5)


def test_codes_of_one_class_are_pulled_together_others_apart():
  slope = jax.grad(lambda h: cauchy_hashing(h, LABELS, 20.0).mean())(jnp.asarray(CODES))
  moved = CODES - 0.1 * np.asarray(slope)
  before, after = (cauchy_by_hand(h, LABELS, 20.0) for h in (CODES, moved))
  assert after < before


@pytest.mark.parametrize("labels", [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 2, 3]])
@pytest.mark.parametrize("rows", ["equal", "opposite", "zero"])
def test_gradients_are_finite_where_images_coincide(labels, rows):
  start = {"equal": np.ones((4, 6)), "zero": np.zeros((4, 6))}.get(rows)
  start = np.float32(np.outer([1, -1, 1, -1], np.ones(6)) if start is None else start)
  labels = jnp.int32(labels)
  for cost in (
    lambda x: batch_hard_triplet(x, labels, 0.2).sum(),
    lambda x: cauchy_hashing(x, labels, 20.0).sum(),
  ):
    value, slope = jax.value_and_grad(cost)(jnp.asarray(start))
    assert np.isfinite(value) and np.isfinite(slope).all()


def test_multitask_is_the_sum_of_its_parts():
  logits = jnp.asarray(RNG.normal(size=(10, 4)), jnp.float32)
  outputs = {"logits": logits, "embedding": jnp.asarray(EMBEDDING), "hash": CODES}
  found = losses.create("multitask(triplet=2.0, cauchy=0.5, margin=0.3, gamma=5.0)")(
    outputs, LABELS
  )
  parts = (
    losses.create("cross_entropy")(outputs, LABELS)
    + 2.0 * batch_hard_triplet(outputs["embedding"], LABELS, 0.3)
    + 0.5 * cauchy_hashing(outputs["hash"], LABELS, 5.0)
  )
  np.testing.assert_allclose(found, parts, rtol=1e-6)
  assert losses.create("multitask").reads == ("embedding", "hash")
