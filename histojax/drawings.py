"""The figures of a report, drawn from what a run has left."""

from pathlib import Path

import numpy as np

from histojax.evaluation import figures


def of_training(folder, plan, content) -> Path:
  """The figure of training over epochs."""
  best = content["training"]["chosen_step"] / plan.steps_per_epoch
  return figures.curves(
    folder.figures / "curves.png",
    history(folder.metric_rows(), plan.steps_per_epoch),
    x_label="epoch",
    best=None if content["selection"]["on"] == "last" else best,
    synthetic=content["dataset"]["synthetic"],
  )


def of_test(folder, tiles, images, content) -> dict:
  """The figures of test images: {name: path}."""
  synthetic, classes = content["dataset"]["synthetic"], tiles.classes
  names = ("confusion", "misclassified", "contact_sheet")
  paths = {name: folder.figures / f"{name}.png" for name in names}
  figures.confusion(
    paths["confusion"],
    content["scores"]["images"]["confusion"],
    classes,
    title="Test images" + ", rotations averaged" * bool(content["scores"]["views"]),
    synthetic=synthetic,
  )
  place = {name: i for i, name in enumerate(tiles.image_id)}
  paths["misclassified"] = figures.misclassified(
    paths["misclassified"],
    tiles.image,
    [place[name] for name in images["image_id"]],
    *(images[k] for k in ("label", "prediction", "probability", "image_id")),
    classes,
    extent=tiles.extent,
    synthetic=synthetic,
  )
  figures.contact_sheet(
    paths["contact_sheet"], tiles.image, tiles.label, tiles.group, classes,
    extent=tiles.extent, synthetic=synthetic,
  )  # fmt: skip
  return paths


def history(rows: list[dict], steps_per_epoch: int) -> dict:
  """metrics.jsonl as curves over epochs; the training ones are means over epochs."""
  train = [row for row in rows if "loss" in row]
  epoch = np.array([(row["step"] - 1) // steps_per_epoch for row in train], int)
  curves = {"train": {"x": (np.unique(epoch) + 1).tolist()}}
  for name in ("loss", "accuracy"):
    sums = np.bincount(epoch, [row[name] for row in train])
    curves["train"][name] = (sums / np.bincount(epoch)).tolist()
  for part in ("validation", "test"):
    seen = [row for row in rows if f"{part}/loss" in row]
    if seen:
      names = ("loss", "accuracy", "balanced_accuracy")
      curves[part] = {n: [row[f"{part}/{n}"] for row in seen] for n in names}
      curves[part]["x"] = [row["step"] / steps_per_epoch for row in seen]
  return curves
