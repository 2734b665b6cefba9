"""From predictions to the report: what a run came to, on screen and on disk."""

import datetime
import json
import re
from pathlib import Path

import numpy as np

from histojax import console, published, runs
from histojax.data import skipped, splits
from histojax.evaluation import (
  aggregate,
  baselines,
  figures,
  predictions,
  report,
  scores,
)
from histojax.evaluation import summary as terminal

NO_GROUPS = (
  "No group (patient, slide) is known of these images: each counts as its own, so"
  " images of one patient may stand on both sides, and intervals may be too narrow."
)
SELECTION = {
  "last": "last epoch ({:g}), as the recipe says: nothing was chosen",
  "validation": "epoch {:g}, best balanced accuracy on the validation part",
  "test": "epoch {:g}, best balanced accuracy ON THE TEST PART, as the papers do: this"
  " score is too good",
}


def unit(dataset, tiles) -> str:
  """What a group is called: 'image' where every image is its own."""
  return "image" if len(set(tiles.group)) == len(tiles) else dataset.group_name


def show_data(dataset, tiles, split=None) -> None:
  """Prints classes, images and groups per part; what stands on both sides, in red."""
  from rich.table import Table

  kind = "SYNTHETIC images" if dataset.synthetic else "images"
  name, count = unit(dataset, tiles), len(set(tiles.group))
  groups = f", {count:,} {name}s" if count < len(tiles) else ""
  console.say(f"{dataset.name}: {len(tiles):,} {kind}{groups}")
  for note in dataset.notes:
    console.say(note)
  if split is None:
    show_skipped(tiles)
    return
  found = splits.describe(tiles, split)
  table = Table(
    "part", *tiles.classes, "images", *[f"{name}s"] * bool(groups), box=None
  )
  for part in splits.PARTS:
    counts = [*found[part]["per_class"], found[part]["images"], found[part]["groups"]]
    table.add_row(part, *(f"{n:,}" for n in counts[: len(table.columns) - 1]))
  console.show(table)
  for key, what in (
    ("shared_groups", f"{name}s"),
    ("shared_identical", "pixel-identical images"),
  ):
    style = "bold red" if found[key] else ""
    console.say(f"on both sides of train | test: {found[key]} {what}", style)
  if not groups:
    console.warn(NO_GROUPS)


def show_skipped(tiles) -> None:
  """Prints what data.on_error=skip left out, if anything."""
  if tiles.skipped:
    console.warn(skipped.sentence(tiles.skipped, kept=len(tiles)))


def show_finished(folder: runs.RunFolder) -> None:
  """Prints the report of a run that is complete already."""
  held = json.loads(folder.report.read_text())
  console.show(terminal.summary(held, folder.page))
  console.say("This run is complete; --mode=evaluate scores it again.")


def show_moved(folder: runs.RunFolder) -> None:
  """Says where a run goes on that began elsewhere: its bytes will be others."""
  changed = folder.moved()
  if changed:
    what = "; ".join(f"{k}: {a} there, {b} here" for k, (a, b) in changed.items())
    console.warn(f"this run began elsewhere ({what}): its numbers agree to rounding")


def finish(request, folder, dataset, tiles, split, plan, views, training) -> None:
  """Writes predictions, figures and report; prints the summary.

  Args:
    views: what `Engine.predict` found on the test part.
    training: what `experiment.train` says, `parameters` and `chosen_step`.
  """
  row, classes = views["row"], tiles.classes
  seen = dict(
    image_id=tiles.image_id[row],
    group=tiles.group[row],
    label=views["label"],
    probability=views["probability"].astype(np.float64),
  )
  images = aggregate.images_from_views(**seen)
  whole = {k: images[k] for k in seen}
  paths = folder.predictions_views, folder.predictions
  predictions.write(paths[0], **seen, classes=classes, angle=views["angle"])
  predictions.write(paths[1], **whole, classes=classes)

  content = describe(request, folder, dataset, tiles, split, plan, training)
  content["scores"] = score(classes, seen, whole)
  fitted = np.concatenate([split.train, split.validation])
  content["baselines"] = baselines.evaluate(
    tiles.image, tiles.label, tiles.group, np.sort(fitted), split.test, classes,
    extent=tiles.extent,
  )  # fmt: skip
  report.write(folder.path, content, draw(folder, tiles, plan, images, content))
  console.show(terminal.summary(content, folder.page))


def score(classes, views, images) -> dict:
  """Scores on source images (their views averaged), on views, and per group."""
  groups, reason = aggregate.groups_from_images(
    images["group"], images["label"], images["probability"]
  )
  if len(views["label"]) == len(images["label"]):
    views = None
  found = {"images": images, "views": views, "groups": groups}
  blocks = {
    name: rows
    and scores.score(
      rows["label"], rows["probability"].argmax(-1), rows["group"], classes
    )
    for name, rows in found.items()
  }
  return blocks | {"groups_reason": reason}


def describe(request, folder, dataset, tiles, split, plan, training) -> dict:
  """Everything in the report that is not a score."""
  config, found = request.config, splits.describe(tiles, split)
  notes = [*dataset.notes] + [NO_GROUPS] * (unit(dataset, tiles) == "image")
  if training["resumed_from_step"]:
    at = training["resumed_from_step"]
    notes.append(f"Resumed from step {at}: seconds are of the last session only.")
  if tiles.skipped:
    notes.append(skipped.sentence(tiles.skipped, kept=len(tiles)))
  epoch = training["chosen_step"] / plan.steps_per_epoch
  about = {k: v for k, v in dataset._asdict().items() if k not in ("builder", "notes")}
  per_class = [
    {"class": name, "images": int(here.sum()), "groups": len(set(tiles.group[here]))}
    for name, here in ((name, tiles.label == k) for k, name in enumerate(tiles.classes))
  ]
  return {
    "title": Path(request.file).stem,
    "variant": request.variant,
    "command": request.command,
    "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
    "seed": config.seed,
    "folder": str(folder.path),
    "dataset": about
    | {
      "classes": list(tiles.classes),
      "images": len(tiles),
      "skipped": skipped.by_kind(tiles.skipped),
      "groups": len(set(tiles.group)),
      "group_name": unit(dataset, tiles),
      "per_class": per_class,
    },
    "split": {
      "protocol": config.split.protocol,
      "seed": config.split.seed,
      "fold": config.split.fold,
      "parts": {part: found[part] for part in splits.PARTS},
      "shared_groups": found["shared_groups"],
      "shared_identical": found["shared_identical"],
    },
    "model": config.model.to_dict() | {"parameters": training["parameters"]},
    "selection": {
      "on": config.select_on,
      "text": SELECTION[config.select_on].format(epoch),
    },
    "published": published.find(config.published) if config.published else None,
    "assumptions": assumptions(request.file, runs.flatten(config.to_dict())),
    "training": training,
    "environment": json.loads(folder.environment.read_text()),
    "config": config.to_dict(),
    "notes": notes,
    "files": ["predictions.csv", "predictions_views.csv", "metrics.jsonl", "log.txt"],
  }


def assumptions(config_file: str, flat: dict) -> list[dict]:
  """The choices that the paper leaves open: [{key, value, why}], in the file's order.

  A line `c.optimizer.momentum = 0.0  # assumption: eq. (3) shows none` of the config
  file is one, with the value that the run really used.
  """
  line = re.compile(r"^ *c\.([\w.]+) = .*?# assumption: (.+)$", re.MULTILINE)
  found = line.findall(Path(config_file).read_text())
  return [{"key": k, "value": flat[k], "why": why} for k, why in found if k in flat]


def draw(folder, tiles, plan, images, content) -> dict:
  """The figures of the report: {name: path}."""
  synthetic, classes = content["dataset"]["synthetic"], tiles.classes
  names = ("confusion", "curves", "misclassified", "contact_sheet")
  paths = {name: folder.figures / f"{name}.png" for name in names}
  figures.confusion(
    paths["confusion"],
    content["scores"]["images"]["confusion"],
    classes,
    title="Test images, rotations averaged",
    synthetic=synthetic,
  )
  best = content["training"]["chosen_step"] / plan.steps_per_epoch
  figures.curves(
    paths["curves"],
    history(folder.metric_rows(), plan.steps_per_epoch),
    x_label="epoch",
    best=None if content["selection"]["on"] == "last" else best,
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
