"""The figures of a report, drawn from what a run has left."""

from pathlib import Path

import numpy as np

from histojax.evaluation import figures, figures_images, figures_map, figures_scores
from histojax.evaluation.convergence import epochs_to_within


def of_training(folder, plan, content) -> Path:
  """The figure of training over epochs."""
  best = content["training"]["chosen_step"] / plan.steps_per_epoch
  return figures.curves(
    folder.figures / "curves.png",
    history(folder.metric_rows(), plan.steps_per_epoch),
    x_label="epoch",
    best=None if content["selection"]["on"] == "last" else best,
    near=content["training"].get("epochs_to_within_1_percent"),
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
  paths["misclassified"] = figures_images.misclassified(
    paths["misclassified"],
    tiles.image,
    [place[name] for name in images["image_id"]],
    *(images[k] for k in ("label", "prediction", "probability", "image_id")),
    classes,
    extent=tiles.extent,
    synthetic=synthetic,
  )
  figures_images.contact_sheet(
    paths["contact_sheet"], tiles.image, tiles.label, tiles.group, classes,
    extent=tiles.extent, synthetic=synthetic,
  )  # fmt: skip
  return paths | of_scores(folder, images, content)


def of_scores(folder, images, content) -> dict:
  """The figures of probabilities and groups: {name: path}."""
  synthetic, classes = content["dataset"]["synthetic"], content["dataset"]["classes"]
  paths = {"roc": folder.figures / "roc.png"}
  seen = images["label"], images["probability"]
  figures_scores.roc(paths["roc"], *seen, classes, synthetic=synthetic)
  if before := content["scores"]["images"].get("reliability"):
    fitted = content.get("calibration") or {}
    after = fitted.get("after"), fitted.get("temperature")
    paths["reliability"] = folder.figures / "reliability.png"
    figures_scores.reliability(
      paths["reliability"], before, *after, synthetic=synthetic
    )
  if len(set(images["group"])) < len(images["group"]):
    paths["groups"] = folder.figures / "groups.png"
    seen = (images[k] for k in ("group", "label", "prediction"))
    noun = content["dataset"]["group_name"]
    figures_scores.groups(
      paths["groups"], *seen, classes, noun=noun, synthetic=synthetic
    )
  return paths


def of_map(folder, views, images, content) -> dict:
  """The map of test images, {"embedding": path}; of two images at least, and of a
  network with `features`."""
  rows = views.get("mapped_rows", ())
  if len(rows) < 2:
    return {}
  _, first = np.unique(views["row"], return_index=True)
  # images stand in the order of their first views, as in `aggregate`
  place = {row: i for i, row in enumerate(views["row"][np.sort(first)])}
  shown = [place[row] for row in rows]
  path = folder.figures / "embedding.png"
  figures_map.embedding(
    path,
    figures_map.coordinates(views["features"]),
    images["label"][shown],
    images["prediction"][shown],
    content["dataset"]["classes"],
    synthetic=content["dataset"]["synthetic"],
  )
  return {"embedding": path}


def epochs_to_final(folder, plan) -> float | None:
  """`epochs_to_within` 1 % of the last validation score; None without validation."""
  seen = history(folder.metric_rows(), plan.steps_per_epoch).get("validation")
  return seen and epochs_to_within(seen["x"], seen["balanced_accuracy"])


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
