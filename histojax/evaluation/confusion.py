"""Confusion matrices and what follows from one: the ratios of scikit-learn (with
`zero_division=0`) and of imbalanced-learn, written here because the bootstrap needs
them ten thousand times."""

import numpy as np

PER_CLASS = ("precision", "recall", "f1")
IMBALANCED = (
  "specificity",
  "g_mean",
  "iba",
)  # also of each class, one against the rest
MACRO = tuple(f"macro_{name}" for name in PER_CLASS)
OTHERS = ("weighted_f1", "mcc", "kappa", "g_mean", "iba")
SCALARS = ("accuracy", "balanced_accuracy", *MACRO, *OTHERS)
_ALPHA = 0.1  # of the index balanced accuracy


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


def by_group(label, prediction, index, num_classes: int) -> np.ndarray:
  """A matrix for each group 0..G-1 of `index` int [N]: counts int64 [G, K, K]."""
  k, groups = num_classes, int(np.max(index)) + 1
  cell = (np.asarray(index) * k + np.asarray(label)) * k + np.asarray(prediction)
  return np.bincount(cell, minlength=groups * k * k).reshape(groups, k, k)


def metrics(cm) -> dict[str, np.ndarray]:
  """Of a confusion matrix [..., K, K], float64: SCALARS, each [...]; PER_CLASS, support
  and, under `class_<name>`, IMBALANCED, each [..., K]. Undefined ratios are 0.

  Balanced accuracy averages over the classes that occur among the labels; the macro
  scores, the G-mean and the index balanced accuracy over those among labels or
  predictions, as in scikit-learn and imbalanced-learn: a class that is predicted but
  never true makes the G-mean 0.

    mcc       Matthews correlation, many classes: Gorodkin 2004
    kappa     Cohen's; 0 where chance alone agrees on everything
    g_mean    geometric mean of the recalls; of two classes
              sqrt(sensitivity * specificity) (Kubat & Matwin 1997)
    iba       (1 + 0.1 (macro recall - macro specificity)) g_mean^2 (Garcia et al. 2009)

  The G-mean and index of one class are those of it against the rest:
  sqrt(recall * specificity) and (1 + 0.1 (recall - specificity)) recall * specificity.
  """
  cm = np.asarray(cm, np.float64)
  hit = np.diagonal(cm, axis1=-2, axis2=-1)  # [..., K]
  support, predicted = cm.sum(-1), cm.sum(-2)  # [..., K]
  both, total, right = support + predicted, support.sum(-1), hit.sum(-1)
  each = _ratio(hit, predicted), _ratio(hit, support), _ratio(2 * hit, both)
  found = dict(zip(PER_CLASS, each, strict=True)) | {"support": support}
  others = total[..., None] - support
  found["class_specificity"] = special = _ratio(others - predicted + hit, others)
  product = each[1] * special
  found["class_g_mean"] = np.sqrt(product)
  found["class_iba"] = (1 + _ALPHA * (each[1] - special)) * product

  found["accuracy"] = _ratio(right, total)
  found["balanced_accuracy"] = _mean(each[1], support > 0)
  seen = both > 0
  found |= {f"macro_{name}": _mean(found[name], seen) for name in PER_CLASS}
  found["weighted_f1"] = _ratio((found["f1"] * support).sum(-1), total)
  agree = (support * predicted).sum(-1)
  above = right * total - agree
  spread = total**2 - (support**2).sum(-1), total**2 - (predicted**2).sum(-1)
  found["mcc"] = _ratio(above, np.sqrt(spread[0] * spread[1]))
  found["kappa"] = _ratio(above, total**2 - agree)
  root = _ratio(np.ones_like(total), seen.sum(-1).astype(np.float64))
  g_mean = np.where(seen, each[1], 1.0).prod(-1) ** root * (total > 0)
  found["g_mean"] = g_mean
  dominance = found["macro_recall"] - _mean(special, seen)
  return found | {"iba": (1 + _ALPHA * dominance) * g_mean**2}


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
  return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
  return _ratio((values * where).sum(-1), where.sum(-1).astype(np.float64))
