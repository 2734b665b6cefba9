"""Which views stand in an epoch, and in what order: numbers of views, permuted."""

import numpy as np

from histojax.errors import InputError, nearest

SAMPLING = ("uniform", "balanced")


def check(sampling: str) -> None:
  """Raises InputError where nothing is known of `sampling`."""
  if sampling not in SAMPLING:
    raise InputError(f"sampling={sampling!r}: {nearest(str(sampling), SAMPLING)}")


def order(
  rng: np.random.Generator, sampling: str, labels: np.ndarray | None, views: int
) -> np.ndarray:
  """int32 [views], the views of one epoch in the order in which they are looked at.

  `uniform`: each once. `balanced`: every class equally often, so views of a large
  class are left out and those of a small one come again: as often as each other, but
  for one. What is left when the classes do not divide `views` goes to classes drawn by
  lot.

  Args:
    labels: int [n], of the images; view v is one of image v // (views / n). Only
      `balanced` reads them.
  """
  if sampling == "uniform":
    return rng.permutation(views).astype(np.int32)
  each = views // len(labels)
  classes = np.unique(labels)
  share, left = divmod(views, len(classes))
  more = set(rng.permutation(classes)[:left].tolist())
  drawn = []
  for label in classes:
    images = np.flatnonzero(labels == label)
    own = (images[:, None] * each + np.arange(each)).ravel()
    wanted = share + (int(label) in more)
    rounds = [rng.permutation(own) for _ in range(-(-wanted // len(own)))]
    drawn.append(np.concatenate(rounds)[:wanted])
  return rng.permutation(np.concatenate(drawn)).astype(np.int32)
