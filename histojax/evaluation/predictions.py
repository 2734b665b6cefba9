"""predictions.csv and predictions_views.csv: what the network said, image by image."""

import csv
import io
from pathlib import Path

import numpy as np

from histojax import atomic
from histojax.errors import InputError

_ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}  # any file name survives


def write(path, *, image_id, group, label, probability, classes, angle=None) -> None:
  """Writes one row per image, or per view where `angle` is given; atomically.

  Columns: image_id, group, [angle in degrees,] label, prediction, prob_<class> per
  class. Label (int [N]) and prediction (the first of the most probable, [N, K]) are
  class names; numbers are written in full: equal arrays give equal bytes.
  """
  probability = np.asarray(probability, np.float64)
  names = [str(name) for name in classes]
  columns = {"image_id": image_id, "group": group}
  if angle is not None:
    columns["angle"] = np.asarray(angle, np.float64).tolist()
  for name, index in (("label", label), ("prediction", probability.argmax(-1))):
    columns[name] = [names[k] for k in index]
  names = [f"prob_{name}" for name in names]
  columns |= dict(zip(names, probability.T.tolist(), strict=True))
  text = io.StringIO(newline="")
  writer = csv.writer(text, lineterminator="\n")
  writer.writerow(columns)
  writer.writerows(zip(*columns.values(), strict=True))  # millions of views: no list
  atomic.write(path, text.getvalue().encode(**_ENCODING))


def read(path: str | Path) -> dict:
  """Either file's image_id, group: str [N]; label, prediction: int64 [N]; probability:
  float64 [N, K]; classes: K names; angle: float64 [N], only where the file has it.

  Raises:
    InputError: the file is missing, or its columns or a row are not those of `write`.
  """
  path = Path(path)
  if not path.is_file():
    raise InputError(f"{path}: no such file; evaluate the run first")
  with path.open(newline="", **_ENCODING) as file:
    head, *rows = list(csv.reader(file)) or [[]]
  fixed = [name for name in head if not name.startswith("prob_")]
  if [c for c in fixed if c != "angle"] != ["image_id", "group", "label", "prediction"]:
    raise InputError(f"{path}: columns {head} are not those of a prediction file")
  classes = [name.removeprefix("prob_") for name in head[len(fixed) :]]
  number = {name: k for k, name in enumerate(classes)}
  try:
    cells = np.array(rows, object).reshape(len(rows), len(head))
    found = {name: cells[:, i].astype(str) for i, name in enumerate(fixed)}
    for name in ("label", "prediction"):
      found[name] = np.array([number[word] for word in found[name]], np.int64)
    found |= {k: v.astype(np.float64) for k, v in found.items() if k == "angle"}
    probability = cells[:, len(fixed) :].astype(np.float64)
  except (KeyError, ValueError) as error:
    raise InputError(f"{path}: damaged row ({error}); evaluate again") from error
  return found | {"probability": probability, "classes": classes}
