"""Confusion matrices and what follows from one: the ratios of scikit-learn with
`zero_division=0`, written here because the bootstrap needs them ten thousand times."""

import numpy as np

PER_CLASS = ("precision", "recall", "f1")
SCALARS = ("accuracy", "balanced_accuracy", *(f"macro_{name}" for name in PER_CLASS))


def confusion_matrix(label, prediction, num_classes: int) -> np.ndarray:
  """Counts int64 [K, K], rows true, columns predicted, of int [N] in 0..K-1.

  Raises:
    ValueError: the lengths differ or a value lies outside 0..K-1.
  """
  if np.ndim(label) != 1 or np.shape(label) != np.shape(prediction):
    raise ValueError(f"label {np.shape(label)}, prediction {np.shape(prediction)}")
  label, prediction = both = np.array([label, prediction], np.int64)
  if both.size and not 0 <= both.min() <= both.max() < num_classes:
    raise ValueError(f"a label or prediction lies outside 0..{num_classes - 1}")
  cell = label * num_classes + prediction
  return np.bincount(cell, minlength=num_classes**2).reshape(num_classes, num_classes)


def metrics(cm) -> dict[str, np.ndarray]:
  """Of a confusion matrix [..., K, K], float64: SCALARS, each [...]; PER_CLASS and
  support, each [..., K]; undefined ratios are 0.

  Balanced accuracy averages over the classes that occur among the labels, the macro
  scores over those among labels or predictions, as in scikit-learn.
  """
  cm = np.asarray(cm, np.float64)
  hit = np.diagonal(cm, axis1=-2, axis2=-1)  # [..., K]
  support, predicted = cm.sum(-1), cm.sum(-2)  # [..., K]
  both = support + predicted
  each = _ratio(hit, predicted), _ratio(hit, support), _ratio(2 * hit, both)
  found = dict(zip(PER_CLASS, each, strict=True)) | {"support": support}
  found["accuracy"] = _ratio(hit.sum(-1), support.sum(-1))
  found["balanced_accuracy"] = _mean(found["recall"], support > 0)
  return found | {f"macro_{name}": _mean(found[name], both > 0) for name in PER_CLASS}


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
  return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
  return _ratio((values * where).sum(-1), where.sum(-1).astype(np.float64))
