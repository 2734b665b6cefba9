"""What needs no tissue: the bars a network must clear before it is believed.

Mean RGB or a colour histogram separates the classes of more than one public data set,
because stain and scanner differ between them, and so do the size and the encoding of
the files (Ignatov & Malivenko, "NCT-CRC-HE: Not All Histopathological Datasets Are
Equally Useful", 2024, arXiv 2409.11546). None sees a shape: a shuffle of the pixels
leaves the colours as they are, and of the files no pixel is read.
"""

import numpy as np

from histojax.evaluation import aggregate
from histojax.evaluation.scores import score

BINS = 8  # per channel of the joint histogram: 512 colours
TREES = 500
_PIXELS = 4096  # read per tile, on a regular grid: bounds 50,000 tiles
_DRAWN = 4000  # images drawn per tree at most: bounds the forest


def colour_features(tiles, extent=None) -> dict[str, np.ndarray]:
  """Of N tiles, uint8 [H, W, 3], with valid (height, width) `extent` [N, 2]: mean_rgb
  float32 [N, 3] in 0..255; colour_histogram float32 [N, 512], rows sum to 1."""
  mean, histogram = [], []
  for i, tile in enumerate(tiles):
    height, width = tile.shape[:2] if extent is None else extent[i]
    step = max(1, int(np.sqrt(height * width / _PIXELS)))
    pixels = np.asarray(tile[:height:step, :width:step]).reshape(-1, 3)  # [P, 3]
    mean.append(np.float32(pixels.mean(0)))
    colour = pixels // (256 // BINS) @ np.array([BINS**2, BINS, 1])
    histogram.append(np.float32(np.bincount(colour, minlength=BINS**3) / len(pixels)))
  return {"mean_rgb": np.array(mean), "colour_histogram": np.array(histogram)}


def evaluate(tiles, label, group, train, test, classes, **options) -> dict:
  """`judge` of what `predict` says of the test part."""
  common, found = predict(tiles, label, train, test, len(classes), **options)
  label, group = np.asarray(label)[test], np.asarray(group)[test]
  return judge(found, label, group, common, classes)


def predict(
  tiles, label, train, test, num_classes: int, *, extent=None, files=None, seed=0
):
  """Fits the baselines on the images `train`, and asks the images `test`.

  A balanced random forest on each feature: of forest, extra trees and logistic
  regression none was the strongest everywhere, and the forest was never far behind.
  `train` and `test` index tiles (all N source images), label, and `files` [N, F]: what
  is known of each image's file, or None where the images are no files of their own.

  Returns:
    (common, found): the commonest class in training; of mean_rgb, colour_histogram and,
    with `files`, file the probabilities float64 [T, K] of the test images.
  """
  label, train, test = map(np.asarray, (label, train, test))
  used = np.concatenate([train, test])
  extent = None if extent is None else np.asarray(extent)[used]
  features = colour_features((tiles[i] for i in used), extent)  # one tile at a time
  if files is not None:
    features["file"] = np.asarray(files)[used]
  found, fit = {}, label[train]
  for name, values in features.items():
    x, y = np.split(values, [len(train)])
    found[name] = _forest(x, fit, y, num_classes, seed)
  return int(np.bincount(fit, minlength=num_classes).argmax()), found


def judge(found, label, group, common, classes, *, seed=0) -> dict:
  """Scores of T test images, `label` int [T]; `common` an int, or one an image [T].

  Returns:
    of each baseline in `found` `{"images": score, "groups": score or None}`
    (`scores.score`; per group by mean probability); chance: balanced_accuracy (1 / K),
    majority_class (the commonest in training), accuracy (of always saying it).
  """
  result = {}
  for name, probability in found.items():
    images = {"group": group, "label": label, "probability": probability}
    groups, _ = aggregate.groups_from_images(*images.values())
    levels = {"images": images, "groups": groups}
    result[name] = {
      level: rows and _score(rows, classes, seed) for level, rows in levels.items()
    }
  majority = classes[int(np.bincount(np.atleast_1d(common)).argmax())]
  chance = {"balanced_accuracy": 1 / len(classes), "majority_class": majority}
  return result | {"chance": chance | {"accuracy": float(np.mean(label == common))}}


def _score(rows: dict, classes, seed: int) -> dict:
  label, group, probability = (rows[k] for k in ("label", "group", "probability"))
  said = probability.argmax(-1)
  return score(label, said, group, classes, seed=seed, probability=probability)


def _forest(x, y, asked, num_classes: int, seed: int) -> np.ndarray:
  """Class probabilities [T, K] of a random forest fitted on x [N, F], y [N]."""
  from sklearn.ensemble import RandomForestClassifier

  options = {"class_weight": "balanced", "max_samples": min(len(y), _DRAWN)}
  forest = RandomForestClassifier(TREES, random_state=seed, n_jobs=2, **options)
  forest.fit(x, y).n_jobs = 1  # threads add the trees' votes in any order: other bits
  probability = np.zeros((len(asked), num_classes))
  probability[:, forest.classes_] = forest.predict_proba(asked)
  return probability
