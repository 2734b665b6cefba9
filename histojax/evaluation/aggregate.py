"""From rotated views to source images, and from images to slides: mean probability."""

import numpy as np


def images_from_views(image_id, group, label, probability) -> dict[str, np.ndarray]:
  """One row per source image: the mean probability [V, K] over its views.

  Returns image_id, group, label, prediction [N], probability float64 [N, K], views [N]
  (how many were averaged), in the order of the images' first views.

  Raises:
    ValueError: the views of one image disagree on its label or group.
  """
  columns = {"image_id": image_id, "group": group, "label": label}
  rows, index = _mean_by("views", probability, columns)
  for name in ("label", "group"):
    wrong = np.flatnonzero(rows[name][index] != np.asarray(columns[name]))
    if wrong.size:
      raise ValueError(f"views of {image_id[wrong[0]]!r} disagree on its {name}")
  return rows


def groups_from_images(group, label, probability) -> tuple[dict | None, str | None]:
  """One row per group (slide, patient): the mean probability [N, K] over its images.

  Returns `(rows, None)` with group, label, prediction [G], probability [G, K], images
  [G]; or `(None, reason)` if a group has no single label, or every group is one image.
  """
  rows, index = _mean_by("images", probability, {"group": group, "label": label})
  count = len(rows["group"])
  if count == len(index):
    return None, "every group holds a single image"
  mixed = np.unique(index[rows["label"][index] != np.asarray(label)])
  if mixed.size:
    return None, f"{mixed.size} of {count} groups hold images of several classes"
  return rows, None


def _mean_by(counted: str, probability, columns: dict) -> tuple[dict, np.ndarray]:
  """One row per name in the first column, as they appear; the row of each input."""
  key = next(iter(columns.values()))
  _, first, index = np.unique(key, return_index=True, return_inverse=True)
  order = np.argsort(first)  # np.unique sorts by name
  index = np.argsort(order)[index]
  sums = [np.bincount(index, weights=p) for p in np.asarray(probability, np.float64).T]
  mean = np.stack(sums, axis=-1) / np.bincount(index)[:, None]
  rows = {name: np.asarray(v)[first[order]] for name, v in columns.items()}
  rows |= {"prediction": mean.argmax(-1), "probability": mean}
  return rows | {counted: np.bincount(index)}, index
