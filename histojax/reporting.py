"""From predictions to the report: what a run came to, on screen and on disk."""

import datetime
import json
from pathlib import Path

import numpy as np

from histojax import auditing, console, drawings, published, runs
from histojax.assumptions import assumptions
from histojax.data import skipped, splits
from histojax.evaluation import (
  aggregate,
  baselines,
  predictions,
  report,
  scores,
)
from histojax.evaluation import summary as terminal

NO_GROUPS = (
  "No group (patient, slide) is known of these images: each counts as its own, so"
  " images of one patient may stand on both sides, and intervals may be too narrow."
)
BY_IMAGE = (
  "split.protocol={} deals out images, not {}s, as some papers do: what stands on both"
  " sides is counted below, and the score is too good for it."
)
SELECTION = {
  "last": "last epoch ({}), as the recipe says: nothing was chosen",
  "validation": "epoch {}, best balanced accuracy on the validation part",
  "test": "epoch {}, best balanced accuracy ON THE TEST PART, as the papers do: this"
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
  show_shared(splits.shared(tiles, split), name)


def show_folds(dataset, tiles, designs) -> None:
  """Prints the test images of every fold by class; what crosses any fold, in red."""
  from rich.table import Table

  show_data(dataset, tiles)
  name = unit(dataset, tiles)
  table = Table("fold", *tiles.classes, "images", f"{name}s", "train", box=None)
  for i, split in enumerate(designs):
    found = splits.describe(tiles, split)
    counts = [*found["test"]["per_class"], len(split.test), found["test"]["groups"]]
    table.add_row(str(i), *(f"{n:,}" for n in (*counts, len(split.train))))
  console.show(table)
  show_shared(splits.shared(tiles, *designs), name)


def show_shared(found: dict[str, set], name: str) -> None:
  """Prints what stands on both sides of train and test; says where nothing is known."""
  for key, what in (("groups", f"{name}s"), ("identical", "pixel-identical images")):
    count = len(found[f"shared_{key}"])
    style = "bold red" if count else ""
    console.say(f"on both sides of train | test: {count:,} {what}", style)
  if name == "image":
    console.warn(NO_GROUPS)


def show_skipped(tiles) -> None:
  """Prints what data.on_error=skip and data.duplicates=drop left out, if anything."""
  if tiles.duplicates:
    console.warn(skipped.copies(tiles.duplicates, kept=len(tiles)))
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


def finish(
  request, folder, dataset, tiles, split, plan, views, parts, training
) -> dict:
  """Writes predictions, figures and report; returns the report.

  Args:
    views: what `Engine.predict` found on the test part, and `votes` of neighbours.
    parts: of further parts by name, what it found there.
    training: what `experiment.train` says, `parameters` and `chosen_step`.
  """
  classes, seen = tiles.classes, described(tiles, views)
  images = aggregate.images_from_views(**seen)
  whole = {k: images[k] for k in seen}
  paths = folder.predictions_views, folder.predictions
  predictions.write(paths[0], **seen, classes=classes, angle=views["angle"])
  predictions.write(paths[1], **whole, classes=classes)

  content = describe(request, folder, dataset, tiles, training)
  content |= of_split(request.config, dataset, tiles, split, plan, training)
  content["audit"], kept = auditing.audit(dataset, tiles, split)
  content["notes"] += auditing.notes(content["audit"])
  content["scores"] = score(classes, seen, whole)
  if "votes" in views:
    voted = seen | {"probability": views["votes"]}
    found = aggregate.images_from_views(**voted)
    whole = {k: found[k] for k in seen}
    predictions.write(folder.predictions_of("neighbours"), **whole, classes=classes)
    scored = score(classes, voted, whole)
    content["scores_neighbours"] = {"k": request.config.evaluate_neighbours} | scored
  content["parts"] = {}
  for name, found in parts.items():
    found = described(tiles, found)
    predictions.write(folder.predictions_of(name), **found, classes=classes)
    content["parts"][name] = score_of(found, classes)
  fitted = np.sort(np.concatenate([split.train, split.validation]))
  common, found = baselines.predict(
    tiles.image, tiles.label, fitted, split.test, len(classes), extent=tiles.extent
  )
  rows = {k: getattr(tiles, k)[split.test] for k in ("image_id", "group", "label")}
  for name, probability in found.items():
    path = folder.predictions_of(name)
    predictions.write(path, **rows, probability=probability, classes=classes)
  content["baselines"] = baselines.judge(
    found, rows["label"], rows["group"], common, classes
  )
  pictures = drawings.of_test(folder, tiles, images, content)
  pictures["curves"] = drawings.of_training(folder, plan, content)
  pictures["copies"] = auditing.picture(kept, folder)
  report.write(folder.path, content, pictures)
  return content


def described(tiles, views) -> dict:
  """What `Engine.predict` found, with the names of images and groups."""
  return dict(
    image_id=tiles.image_id[views["row"]],
    group=tiles.group[views["row"]],
    label=views["label"],
    probability=views["probability"].astype(np.float64),
  )


def score_of(rows: dict, classes) -> dict:
  """`scores.score` of rows with label, probability [N, K] and group."""
  prediction = rows["probability"].argmax(-1)
  return scores.score(rows["label"], prediction, rows["group"], classes)


def score(classes, views, images) -> dict:
  """Scores on source images (their views averaged), on views, and per group."""
  groups, reason = aggregate.groups_from_images(
    images["group"], images["label"], images["probability"]
  )
  if len(views["label"]) == len(images["label"]):
    views = None
  found = {"images": images, "views": views, "groups": groups}
  blocks = {name: rows and score_of(rows, classes) for name, rows in found.items()}
  return blocks | {"groups_reason": reason}


def of_split(config, dataset, tiles, split, plan, training) -> dict:
  """Of the report what one split and its plan decide: split and selection."""
  found = splits.describe(tiles, split)
  epoch = f"{training['chosen_step'] / plan.steps_per_epoch:g}"
  return {
    "split": {
      "protocol": config.split.protocol,
      "seed": config.split.seed,
      "fold": config.split.fold,
      "parts": {part: found[part] for part in splits.PARTS},
      "shared_groups": found["shared_groups"],
      "shared_identical": found["shared_identical"],
    },
    "selection": {
      "on": config.select_on,
      "text": SELECTION[config.select_on].format(epoch),
    },
  }


def describe(request, folder, dataset, tiles, training) -> dict:
  """Everything in the report that is neither a score nor of the split."""
  config = request.config
  notes = [*dataset.notes]
  if unit(dataset, tiles) == "image":
    notes.append(NO_GROUPS)
  elif splits.across(config.split):
    notes.append(BY_IMAGE.format(config.split.protocol, dataset.group_name))
  if at := training.get("resumed_from_step"):
    notes.append(f"Resumed from step {at}: seconds are of the last session only.")
  if tiles.skipped:
    notes.append(skipped.sentence(tiles.skipped, kept=len(tiles)))
  if tiles.duplicates:
    notes.append(skipped.copies(tiles.duplicates, kept=len(tiles)))
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
    "model": config.model.to_dict() | {"parameters": training["parameters"]},
    "published": published.find(config.published) if config.published else None,
    "assumptions": assumptions(request.file, runs.flatten(config.to_dict())),
    "training": training,
    "environment": json.loads(folder.environment.read_text()),
    "config": config.to_dict(),
    "notes": notes,
    "files": ["predictions.csv", "predictions_views.csv", "metrics.jsonl", "log.txt"],
  }
