"""Losses against their formulas in float64, and against PyTorch where it is there."""

import decimal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from histojax import losses
from histojax.errors import InputError

CLASSES = ("benign", "malignant", "other")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(16, 3)).astype(np.float32) * 3
LABELS = RNG.integers(3, size=16).astype(np.int32)


def loss(spec, logits=LOGITS, labels=LABELS, weights=None, **ends):
  outputs = {"logits": jnp.asarray(logits)} | ends
  if weights is not None:
    outputs["class_weights"] = jnp.broadcast_to(jnp.float32(weights), logits.shape)
  return losses.create(spec)(outputs, jnp.asarray(labels))


def log_p(logits=LOGITS):
  return special.log_softmax(logits.astype(np.float64), axis=-1)


def own(log, labels=LABELS):
  return log[np.arange(len(labels)), labels]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (0.5, 2.0, 1.0)])
def test_cross_entropy_is_its_formula(smoothing, weights):
  w = np.ones(3) if weights is None else np.array(weights)
  smooth = (w * log_p()).sum(-1) / 3
  expected = -(1 - smoothing) * w[LABELS] * own(log_p()) - smoothing * smooth
  found = loss(f"cross_entropy(smoothing={smoothing})", weights=weights)
  np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [None, (0.75, 0.25, 1.0)])
def test_focal_is_its_formula(gamma, alpha):
  a = np.ones(3) if alpha is None else np.array(alpha)
  p = np.exp(own(log_p()))
  expected = -a[LABELS] * (1 - p) ** gamma * own(log_p())
  found = loss(f"focal(gamma={gamma})", weights=alpha)
  np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_focal_without_gamma_and_alpha_is_cross_entropy_and_half_of_it():
  plain = loss("cross_entropy")
  np.testing.assert_array_equal(loss("focal(gamma=0.0)"), plain)
  halves = loss("focal(gamma=0.0)", weights=(0.5,) * 3)
  np.testing.assert_array_equal(halves, plain / 2)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("size", [0.0, 1.0, 20.0, 100.0, 1e4])
def test_focal_and_its_gradient_are_exact_at_both_ends(gamma, size):
  """Certainly right, certainly wrong, and between; against 60 digits."""
  logits = np.float32([[size, 0, -1], [0, size, -1]])
  labels = np.int32([0, 0])
  value, gradient = jax.value_and_grad(
    lambda z: loss(f"focal(gamma={gamma})", z, labels).sum()
  )(jnp.asarray(logits))
  assert np.isfinite(gradient).all()
  with decimal.localcontext() as context:
    context.prec, total, power = 60, 0, decimal.Decimal(gamma)
    for row, found in zip(logits, np.asarray(gradient), strict=True):
      e = [decimal.Decimal(float(v)).exp() for v in row]
      p = [v / sum(e) for v in e]
      log, rest = p[0].ln(), (e[1] + e[2]) / sum(e)  # 1 - p_0
      total += -(rest**power) * log
      # d/dlog p of -(1-p)^g log p, times d log p / dz = one_hot - p
      slope = -(rest**power) + power * p[0] * rest ** (power - 1) * log
      exact = [float(slope * ((k == 0) - p[k])) for k in range(3)]
      np.testing.assert_allclose(found, exact, rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(value, float(total), rtol=2e-6, atol=1e-7)


def test_weights_by_class_name_are_oriented_by_name():
  spec = "focal(alpha={'malignant': 0.25, 'benign': 0.75})"
  for classes, expected in (
    (("benign", "malignant"), (0.75, 0.25)),
    (("malignant", "benign"), (0.25, 0.75)),
  ):
    found = losses.class_weights(spec, classes, LABELS)
    np.testing.assert_array_equal(found, np.float32(expected))
  assert losses.class_weights("cross_entropy", CLASSES, LABELS) is None
  assert losses.class_weights("focal(alpha=none)", CLASSES, LABELS) is None
  assert losses.class_weights("multitask", CLASSES, LABELS) is None
  found = losses.class_weights("focal(alpha=(1, 2, 3))", CLASSES, LABELS)
  np.testing.assert_array_equal(found, [1, 2, 3])


def test_balanced_weights_are_those_of_scikit_learn():
  from sklearn.utils.class_weight import compute_class_weight

  labels = np.array([0] * 7 + [1] * 2 + [2] * 4)
  found = losses.class_weights("cross_entropy(weights=balanced)", CLASSES, labels)
  expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
  np.testing.assert_allclose(found, expected, rtol=1e-6)
  assert found[labels].mean() == pytest.approx(1)


def test_weights_are_no_constant_of_a_loss():
  one, other = "focal(alpha=(1, 2, 3))", "focal(alpha=(3, 2, 1))"
  assert losses.create(one) == losses.create(other)
  assert hash(losses.create(one)) == hash(losses.create(other))
  assert losses.create("focal(gamma=1.0)") != losses.create(one)


def test_mistakes_are_one_sentence():
  for spec, sentence in (
    ("focl", "did you mean 'focal'"),
    ("focal(gama=1.0)", "did you mean 'gamma'"),
    ("cross_entropy+focal", "give one of"),
    ("none", "give one of"),
    ("cross_entropy(smoothing=1.0)", "0 <= smoothing < 1"),
    ("focal(gamma=-1.0)", "gamma must be a number from 0"),
    ("multitask(gamma=0.0)", "gamma must be greater than 0"),
  ):
    with pytest.raises(InputError, match=sentence):
      losses.create(spec)
  for spec, sentence in (
    ("cross_entropy(weights=balance)", "must be none or balanced, or a number for"),
    ("focal(alpha=balanced)", "must be none, or a number for each of benign,"),
    ("focal(alpha=(1, 2))", "a number for each of benign, malignant, other"),
    ("focal(alpha={'bening': 1.0})", "no class is called 'bening'; did you mean 'beni"),
    ("focal(alpha={'benign': 1.0})", "of class 'malignant' must be a number >= 0"),
    ("focal(alpha=(0, 0, 0))", "0 for every class"),
    ("cross_entropy(weights=(1, -1, 1))", "of class 'malignant' must be a number"),
  ):
    with pytest.raises(InputError, match=sentence):
      losses.class_weights(spec, CLASSES, LABELS)
  with pytest.raises(InputError, match="no training image is of class 'other'"):
    losses.class_weights("cross_entropy(weights=balanced)", CLASSES, np.array([0, 1]))


def published_focal(x, target, alpha, gamma):
  """torchvision.ops.sigmoid_focal_loss: FL = alpha_t (1 - p_t)^gamma CE."""
  import torch

  p, on = torch.sigmoid(x), torch.nn.functional.binary_cross_entropy_with_logits
  p_t = p * target + (1 - p) * (1 - target)
  alpha_t = alpha * target + (1 - alpha) * (1 - target)
  return alpha_t * (1 - p_t) ** gamma * on(x, target, reduction="none")


@pytest.mark.oracle
def test_against_torch():
  import torch
  import torch.nn.functional

  labels = torch.from_numpy(LABELS).long()
  for smoothing in (0.0, 0.1, 0.5):
    for weights in (None, (0.5, 2.0, 1.0)):
      theirs = torch.nn.CrossEntropyLoss(
        weight=None if weights is None else torch.tensor(weights),
        label_smoothing=smoothing, reduction="none",
      )(torch.from_numpy(LOGITS), labels)  # fmt: skip
      ours = loss(f"cross_entropy(smoothing={smoothing})", weights=weights)
      np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-6, atol=1e-6)
  binary, target = LOGITS[:, :2], LABELS % 2
  x = torch.from_numpy(binary[:, 1] - binary[:, 0])
  for gamma in (0.5, 1.0, 2.0):
    theirs = published_focal(x, torch.from_numpy(target).float(), 0.25, gamma)
    ours = loss(f"focal(gamma={gamma})", binary, target, weights=(0.75, 0.25))
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-6)
