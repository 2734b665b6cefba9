"""From predictions to the report: what a run came to, on screen and on disk."""

import datetime
import json
from pathlib import Path

from histojax import auditing, console, drawings, published, runs, scoring
from histojax.assumptions import assumptions
from histojax.data import handout, skipped, splits
from histojax.evaluation import aggregate, predictions, report
from histojax.evaluation import summary as terminal
from histojax.explain import drawing

NO_GROUPS = (
  "No group (patient, slide) is known of these images: each counts as its own, so"
  " images of one patient may stand on both sides, and intervals may be too narrow."
)
BY_IMAGE = (
  "split.protocol={} deals out images, not {}s, as some papers do: what stands on both"
  " sides is counted below, and the score is too good for it."
)
_UNTOLD = ("builder", "notes", "not_files")  # of a data set: the notes tell them
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
  request, folder, dataset, tiles, split, plan, views, parts, held, training
) -> dict:
  """Writes predictions, figures and report; returns the report.

  Args:
    views: what `Engine.predict` found on the test part, `votes` of neighbours, and
      `attention` as `explain.attention` tells it.
    parts: of further parts by name, what it found there.
    held: what it found on the validation part, seen as the test part is; or None.
    training: what `experiment.train` says, `parameters` and `chosen_step`.
  """
  classes, seen = tiles.classes, scoring.described(tiles, views)
  images = aggregate.images_from_views(**seen)
  whole = {k: images[k] for k in seen}
  paths = folder.predictions_views, folder.predictions
  predictions.write(paths[0], **seen, classes=classes, angle=views["angle"])
  predictions.write(paths[1], **whole, classes=classes)

  training |= {"epochs_to_within_1_percent": drawings.epochs_to_final(folder, plan)}
  content = describe(request, folder, dataset, tiles, training)
  content |= of_split(request.config, dataset, tiles, split, plan, training)
  content["audit"], kept = auditing.audit(dataset, tiles, split)
  content["notes"] += auditing.notes(content["audit"])
  content["handouts"] = folder.handout_rows()
  content["notes"] += filter(None, [handout.sentence(content["handouts"])])
  content["scores"] = scoring.score(classes, seen, whole)
  content |= scoring.of_patients(whole)
  chosen = content["selection"]["on"] == "validation"
  content |= scoring.of_temperature(folder, tiles, held, whole, chosen)
  content["notes"] += [] if held else [scoring.NO_VALIDATION]
  if "votes" in views:
    voted = seen | {"probability": views["votes"]}
    found = aggregate.images_from_views(**voted)
    whole = {k: found[k] for k in seen}
    predictions.write(folder.predictions_of("neighbours"), **whole, classes=classes)
    scored = scoring.score(classes, voted, whole)
    content["scores_neighbours"] = {"k": request.config.evaluate_neighbours} | scored
  content["parts"] = {}
  for name, found in parts.items():
    found = scoring.described(tiles, found)
    predictions.write(folder.predictions_of(name), **found, classes=classes)
    content["parts"][name] = scoring.score_of(found, classes)
  content |= scoring.of_baselines(folder, dataset, tiles, split, images)
  pictures = drawings.of_test(folder, tiles, images, content)
  pictures |= drawings.of_map(folder, views, images, content)
  pictures["curves"] = drawings.of_training(folder, plan, content)
  pictures["copies"] = auditing.picture(kept, folder)
  where, shown = folder.explained().overview, views["attention"]
  content["maps"] = views["maps"]
  pictures["attention"] = drawing.overview(where, shown, synthetic=dataset.synthetic)
  report.write(folder.path, content, pictures)
  return content


def of_split(config, dataset, tiles, split, plan, training) -> dict:
  """Of the report what one split and its plan decide: split and selection."""
  found = splits.describe(tiles, split)
  epoch = f"{training['chosen_step'] / plan.steps_per_epoch:g}"
  folded = config.split.protocol in splits.WITH_FOLDS
  return {
    "split": {
      "protocol": config.split.protocol,
      "seed": config.split.seed,
      **({"fold": config.split.fold} if folded else {}),
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
  if dataset.not_files:
    notes.append(scoring.NO_FILES.format(dataset.not_files))
  about = {k: v for k, v in dataset._asdict().items() if k not in _UNTOLD}
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
      "duplicates": len(tiles.duplicates),
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
