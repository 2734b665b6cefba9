"""From what a network said to the numbers of its report: levels, bars, temperature."""

import numpy as np

from histojax.evaluation import (
  against,
  aggregate,
  baselines,
  calibration,
  patients,
  predictions,
  scores,
)

NO_FILES = "No baseline of file properties: {}."
NO_VALIDATION = (
  "No temperature: the split has no validation part, and test images must not choose"
  " one; probabilities stand as the network says them."
)
TEMPERATURE = (
  "The temperature at which {} validation images are likeliest, seen at the same angles"
  " as test images{}. No prediction changes; predictions.csv holds the probabilities"
  " before it."
)
OF_FOLDS = "Each fold's images at the temperature of its own validation part; {}."
AT_THE_ENDS = (  # of `calibration.RANGE`
  " It is the least that is searched: these images hold too few mistakes.",
  " It is the most that is searched: the probabilities tell nothing of these images.",
)


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
  label, probability = rows["label"], rows["probability"]
  prediction = probability.argmax(-1)
  return scores.score(
    label, prediction, rows["group"], classes, probability=probability
  )


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


def of_patients(images) -> dict:
  """`patients` of the report: each group's share of right images (the patient score of
  Spanhol et al.), where a group holds several."""
  prediction = images["probability"].argmax(-1)
  found = patients.patient_scores(images["label"], prediction, images["group"])
  if len(found["group"]) == len(prediction):
    return {}
  columns = (values.tolist() for values in found.values())
  rows = zip(*columns, strict=True)
  return {"patients": [dict(zip(found, row, strict=True)) for row in rows]}


def of_baselines(folder, dataset, tiles, split, images) -> dict:
  """`baselines` and `against` of the report; writes what the baselines predict.

  They are fitted on all that is not tested: nothing of theirs is chosen on a validation
  part.
  """
  classes, files = tiles.classes, None if dataset.not_files else tiles.files
  fitted = np.sort(np.concatenate([split.train, split.validation]))
  common, found = baselines.predict(
    tiles.image, tiles.label, fitted, split.test, len(classes),
    extent=tiles.extent, files=files,
  )  # fmt: skip
  rows = {k: getattr(tiles, k)[split.test] for k in ("image_id", "group", "label")}
  for name, probability in found.items():
    path = folder.predictions_of(name)
    predictions.write(path, **rows, probability=probability, classes=classes)
  return judged(images, rows, found, common, classes)


def judged(images, rows, found, common, classes) -> dict:
  """`baselines` and `against`, of the network's rows and the baselines' of the same
  test images."""
  if not np.array_equal(images["image_id"], rows["image_id"]):
    raise AssertionError("network and baselines saw different images")
  label, group = rows["label"], rows["group"]
  said = images["probability"].argmax(-1)
  return {
    "baselines": baselines.judge(found, label, group, common, classes),
    "against": against.against(label, said, group, found, common, len(classes)),
  }


def of_temperature(folder, tiles, held, images, chosen: bool) -> dict:
  """`calibration` of the report, from views of the validation part; writes them.

  `chosen`: whether that part chose the checkpoint, too. Empty without `held`.
  """
  if held is None:
    return {}
  seen = described(tiles, held)
  rows = {k: v for k, v in aggregate.images_from_views(**seen).items() if k in seen}
  path = folder.predictions_of("calibration")
  predictions.write(path, **rows, classes=tiles.classes)
  found, n = calibration.calibrated(rows, images), len(rows["label"])
  note = TEMPERATURE.format(f"{n:,}", ", and which chose the checkpoint" * chosen)
  ends = dict(zip(calibration.RANGE, AT_THE_ENDS, strict=True))
  note += ends.get(found["temperature"], "")
  return {"calibration": found | {"on": "validation", "n": n, "note": note}}


def of_temperatures(reports: list[dict], images) -> dict:
  """`calibration` of all folds together, of their own and their images end to end."""
  held = [report.get("calibration") for report in reports]
  if not all(held):
    return {}
  sizes = [report["scores"]["images"]["n"] for report in reports]
  temperatures = [fold["temperature"] for fold in held]
  label, group = images["label"], images["group"]
  cut = np.split(images["probability"], np.cumsum(sizes)[:-1])
  after = map(calibration.tempered, cut, temperatures)
  told = ", ".join(f"{t:.3g}" for t in temperatures)
  return {
    "calibration": {
      "temperature": None,
      "temperatures": temperatures,
      "on": "validation",
      "n": sum(fold["n"] for fold in held),
      "before": calibration.reliability(label, images["probability"], group),
      "after": calibration.reliability(label, np.concatenate([*after]), group),
      "note": OF_FOLDS.format(told),
    }
  }
