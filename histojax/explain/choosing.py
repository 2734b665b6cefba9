"""Which images are shown: the worst errors, then typical ones, the same every time."""

import numpy as np

COUNT = 10
ERRORS = 5  # at most, where enough are right


def averaged(views: dict) -> dict:
  """The images of views by `Engine.predict`: `row`, `label` [N], `probability` [N, K].

  The probability of an image is the mean over its views, as in the report.
  """
  row, first, index = np.unique(views["row"], return_index=True, return_inverse=True)
  sums = [np.bincount(index, weights=p) for p in views["probability"].T]
  probability = np.stack(sums, axis=-1) / np.bincount(index)[:, None]
  return {"row": row, "label": views["label"][first], "probability": probability}


def choose(label, probability, count: int = COUNT) -> np.ndarray:
  """Positions of up to `count` of N images, int: errors first, the most confident ones.

  Then images that are right, from each class in turn: of each those first that are of
  middling confidence, since the surest flatter the network; then those of unknown
  label. Of equals the earlier image comes first.

  Args:
    label: int [N], -1 where it is not known.
    probability: float [N, K].
  """
  label, probability = np.asarray(label), np.asarray(probability)
  said, sure = probability.argmax(-1), probability.max(-1)
  wrong = np.flatnonzero((said != label) & (label >= 0))
  wrong = wrong[np.argsort(-sure[wrong], kind="stable")]
  right = typical(np.flatnonzero(said == label), label, sure)
  unknown = np.flatnonzero(label < 0)
  errors = max(ERRORS * count // COUNT, count - len(right) - len(unknown))
  shown = np.concatenate([wrong[:errors], right, unknown])
  return shown[:count].astype(int)


def typical(rows: np.ndarray, label: np.ndarray, sure: np.ndarray) -> np.ndarray:
  """`rows` from each class in turn, the ones nearest to its median confidence first."""
  turns = []
  for k in np.unique(label[rows]):
    of_class = rows[label[rows] == k]
    distance = np.abs(sure[of_class] - np.median(sure[of_class]))
    order = of_class[np.argsort(distance, kind="stable")]
    turns += [(turn, k, row) for turn, row in enumerate(order)]
  return np.array([row for *_, row in sorted(turns)], int)
