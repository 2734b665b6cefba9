"""Losses by name in one spec string: functions (outputs, labels) -> [B].

`outputs` holds the `logits` float32 [B, K], the model's end points and, where classes
weigh differently, `class_weights` float32 [B, K], equal rows. The weights are data:
they differ between folds, and none of them is a constant of the compiled step.
"""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from histojax.errors import InputError, nearest
from histojax.metric_learning import batch_hard_triplet, cauchy_hashing
from histojax.spec import single


@dataclasses.dataclass(frozen=True)
class CrossEntropy:
  """-(1 - s) w_y log p_y - s / K sum_k w_k log p_k, s the `smoothing`.

  Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, section 7. Equals
  torch.nn.CrossEntropyLoss(weight, label_smoothing, reduction="none"): the mean over a
  batch is not divided by the sum of its weights, so a batch of a rare class counts
  more. `weights`: none, `balanced` (w_k = n / (K n_k)), one number per class, or a dict
  by class name.
  """

  smoothing: float = 0.0
  weights: Any = None
  reads: ClassVar = ()  # end points that the network must have

  def __call__(self, outputs, labels):  # -> [B]
    logits, weights = outputs["logits"], outputs.get("class_weights")
    if self.smoothing == 0:
      loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return loss if weights is None else loss * _at(weights, labels)
    classes = logits.shape[-1]
    hard = jax.nn.one_hot(labels, classes)
    target = (1 - self.smoothing) * hard + self.smoothing / classes
    target = target if weights is None else target * weights
    return -(target * jax.nn.log_softmax(logits)).sum(-1)


@dataclasses.dataclass(frozen=True)
class Focal:
  """-alpha_y (1 - p_y)^gamma log p_y over a softmax.

  Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, eq. (5), for any
  number of classes; `alpha` is one number per class, or a dict by class name. For two
  classes it is the published form: alpha of the positive class, 1 - alpha of the other.
  """

  gamma: float = 2.0
  alpha: Any = None
  reads: ClassVar = ()

  def __call__(self, outputs, labels):  # -> [B]
    logits, alpha = outputs["logits"], outputs.get("class_weights")
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    if self.gamma:
      # log(1 - p_y) from the other logits: exact, its gradient bounded, at both ends
      own = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
      others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, logits), axis=-1)
      loss *= jnp.exp(self.gamma * (others - jax.nn.logsumexp(logits, axis=-1)))
    return loss if alpha is None else loss * _at(alpha, labels)


@dataclasses.dataclass(frozen=True)
class Multitask:
  """Cross entropy + `triplet` x batch-hard triplet + `cauchy` x Cauchy hashing.

  Peng et al., "Multi-Task Learning of a Deep K-Nearest Neighbour Network for
  Histopathological Image Classification and Retrieval", MICCAI 2019; see
  `metric_learning`. Reads the end points `embedding` [B, E], of unit length, and `hash`
  [B, bits] in (-1, 1).
  """

  triplet: float = 1.0
  cauchy: float = 0.1
  margin: float = 0.2
  gamma: float = 20.0
  reads: ClassVar = ("embedding", "hash")

  def __call__(self, outputs, labels):  # -> [B]
    loss = optax.softmax_cross_entropy_with_integer_labels(outputs["logits"], labels)
    hard = batch_hard_triplet(outputs["embedding"], labels, self.margin)
    codes = cauchy_hashing(outputs["hash"], labels, self.gamma)
    return loss + self.triplet * hard + self.cauchy * codes


LOSSES = {"cross_entropy": CrossEntropy, "focal": Focal, "multitask": Multitask}
_WEIGHTS = {"cross_entropy": "weights", "focal": "alpha"}  # data, not constants


def create(text: str):
  """The loss of a spec such as 'focal(gamma=2.0)': hashable, without its weights.

  Raises:
    InputError: an unknown loss or argument, or a value it cannot have.
  """
  name, kwargs = _parsed(text)
  return LOSSES[name](**{k: v for k, v in kwargs.items() if k != _WEIGHTS.get(name)})


def class_weights(text: str, classes, labels) -> np.ndarray | None:
  """float32 [K], what the loss of a spec gives each class; None where all are equal.

  Args:
    classes: K names, which a dict of weights must name exactly.
    labels: int [n] of the training part, whose counts 'balanced' reads.

  Raises:
    InputError: weights that do not fit the classes.
  """
  name, kwargs = _parsed(text)
  key = _WEIGHTS.get(name)
  asked, what = kwargs.get(key), f"loss={text!r}: {key}"
  if asked is None or asked == "none":
    return None
  if asked == "balanced" and key == "weights":
    counts = np.bincount(labels, minlength=len(classes))
    if not counts.all():
      empty = classes[int(counts.argmin())]
      raise InputError(f"{what}: no training image is of class {empty!r}; give numbers")
    return np.float32(len(labels) / (len(classes) * counts))
  if isinstance(asked, dict):
    for word in asked:
      if word not in classes:
        known = nearest(str(word), [str(c) for c in classes])
        raise InputError(f"{what}: no class is called {word!r}; {known}")
    asked = [asked.get(c) for c in classes]
  if not isinstance(asked, tuple | list) or len(asked) != len(classes):
    words = " or balanced" if key == "weights" else ""
    raise InputError(
      f"{what} must be none{words}, or a number for each of {', '.join(classes)}"
    )
  for label, value in zip(classes, asked, strict=True):
    if type(value) not in (int, float) or not 0 <= value < np.inf:
      raise InputError(f"{what} of class {label!r} must be a number >= 0, not {value}")
  if not any(asked):
    raise InputError(f"{what} is 0 for every class: nothing would be learned")
  return np.float32(asked)


def _parsed(text: str) -> tuple[str, dict[str, Any]]:
  name, kwargs = single(text, known=LOSSES, what="loss")
  for key, value in kwargs.items():
    if key == "smoothing" and not 0 <= value < 1:
      raise InputError(f"loss={text!r}: give a share, 0 <= smoothing < 1")
    if type(value) in (int, float) and not 0 <= value < 1e6:
      raise InputError(f"loss={text!r}: {key} must be a number from 0 to 1,000,000")
  if kwargs.get("gamma") == 0 and name == "multitask":
    raise InputError(f"loss={text!r}: gamma must be greater than 0")
  return name, kwargs


def _at(weights, labels):
  """weights [B, K] of each row's label: [B]."""
  return jnp.take_along_axis(weights, labels[:, None], axis=-1)[:, 0]
