"""Prediction by the k nearest training images, cosine similarity of embeddings."""

import numpy as np

ROWS = 256  # queries at a time: 100,000 references make that 100 MB of similarities


def votes(reference, label, query, k: int, classes: int) -> np.ndarray:
  """float64 [Q, classes]: the share of each class among the k nearest references.

  Args:
    reference, query: float32 [N, E] and [Q, E], of any length but 0.
    label: int [N], of the references.
    k: at most N are counted.
  """
  reference, query = _unit(reference), _unit(query)
  label, k = np.asarray(label), min(k, len(reference))
  found = np.empty((len(query), classes))
  for begin in range(0, len(query), ROWS):
    near = query[begin : begin + ROWS] @ reference.T
    nearest = np.argpartition(near, len(reference) - k, axis=-1)[:, -k:]
    chosen = label[nearest]  # [q, k]
    counts = (chosen[:, :, None] == np.arange(classes)).sum(1)
    found[begin : begin + ROWS] = counts / k
  return found


def _unit(rows) -> np.ndarray:
  rows = np.asarray(rows, np.float32)
  return rows / np.linalg.norm(rows, axis=-1, keepdims=True)
