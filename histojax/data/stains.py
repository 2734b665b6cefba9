"""Stain statistics: colour per class and part, and how far the parts are apart.

Optical density is taken apart by the fixed vectors of Ruifrok & Johnston (2001,
"Quantification of histochemical staining by color deconvolution"): of a stain other
than H&E the three are directions in colour, no more.
"""

import numpy as np

CHANNELS = ("red", "green", "blue", "haematoxylin", "eosin", "residual")
_VECTORS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_PIXELS = 4096  # read per image, on a regular grid


def measure(image: np.ndarray) -> np.ndarray:
  """uint8 [H, W, 3] -> float64 [6]: its mean in each of CHANNELS.

  Red, green and blue are in 0..255, stains in units of optical density (base 10).
  """
  step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / _PIXELS)))
  pixels = image[::step, ::step].reshape(-1, 3)
  density = -np.log10((np.arange(256) + 1) / 256)[pixels].mean(0)
  return np.concatenate([pixels.mean(0), density @ np.linalg.inv(_VECTORS)])


def compare(values: np.ndarray, label: np.ndarray, classes, parts: dict) -> dict:
  """Mean and standard deviation over images, per part and class; and differences.

  Args:
    values: [N, 6] of `measure`.
    parts: {part: rows}; with a part `test` it is set against all the others.

  Returns:
    channels; parts {part: {class: {images, mean [6], sd [6]}}}; shift {class: [6]}, the
    standardised difference (Cohen's d) of the test part from the others, and
    largest_shift {class, channel, d}; between_classes {classes, channel, d}, the two
    classes that colour alone tells best. None where it is not defined.
  """
  found = {"channels": list(CHANNELS), "parts": {}, "shift": {}, "largest_shift": None}
  for part, rows in parts.items():
    found["parts"][part] = {
      name: _moments(values[rows][label[rows] == k]) for k, name in enumerate(classes)
    }
  everything = np.concatenate(list(parts.values()))
  of_class = [everything[label[everything] == k] for k in range(len(classes))]
  between = [
    (_difference(values[of_class[j]], values[of_class[i]]), [classes[i], classes[j]])
    for j in range(len(classes))
    for i in range(j)
  ]
  found["between_classes"] = _largest(between, "classes")
  if "test" in parts:
    tested = np.isin(everything, parts["test"])
    shifts = []
    for k, name in enumerate(classes):
      here = label[everything] == k
      rows = everything[here & tested], everything[here & ~tested]
      shifts.append((_difference(values[rows[0]], values[rows[1]]), name))
    found["shift"] = {name: None if d is None else d.tolist() for d, name in shifts}
    found["largest_shift"] = _largest(shifts, "class")
  return found


def _moments(values: np.ndarray) -> dict:
  """Of [n, 6]; null where there are too few."""
  mean = values.mean(0).tolist() if len(values) else None
  sd = values.std(0, ddof=1).tolist() if len(values) > 1 else None
  return {"images": len(values), "mean": mean, "sd": sd}


def _difference(one: np.ndarray, two: np.ndarray):
  """Cohen's d [6] of the means of two samples, by their pooled variance; or None."""
  if min(len(one), len(two)) < 2:
    return None
  spread = ((one - one.mean(0)) ** 2).sum(0) + ((two - two.mean(0)) ** 2).sum(0)
  spread = np.sqrt(spread / (len(one) + len(two) - 2))
  return (one.mean(0) - two.mean(0)) / np.maximum(spread, 1e-9)


def _largest(differences: list, key: str):
  known = [(d, name) for d, name in differences if d is not None]
  if not known:
    return None
  d, name = max(known, key=lambda row: np.abs(row[0]).max())
  channel = int(np.abs(d).argmax())
  return {key: name, "channel": CHANNELS[channel], "d": float(d[channel])}
