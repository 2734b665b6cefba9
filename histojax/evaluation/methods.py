"""A methods section that can be pasted into a paper, made of report.json alone."""

from collections import Counter

from histojax.evaluation.intervals import few_groups
from histojax.evaluation.verdict import BASELINES, counted, interval, noun, number
from histojax.evaluation.wording import known, listed, named

_PROTOCOLS = {  # split.protocol -> how images were dealt out
  "paper": "Images were dealt out one by one, a fifth of each class to the test part",
  "random": "Images were dealt out one by one, by class",
  "predefined": "The test part is the one that came with the data",
  "grouped": "Whole {}s were dealt out, by class as far as they allow",
  "kfold": "In {folds}-fold cross-validation, {what} dealt out, by class as far as they"
  " allow",
}
_OPTIMIZERS = {"sgd": "stochastic gradient descent", "adam": "Adam", "adamw": "AdamW"}
_FLIPS = {
  "both": "mirrored at random about both axes",
  "horizontal": "mirrored at random",
  "all": "shown with their mirror images",
}
_REST = (
  "Scores were computed in float64. Intervals are 95 % and over {}s: Wilson's, at the"
  " effective sample size that a bootstrap over whole {}s (10,000 resamples) finds; of"
  " areas under curves, an infinitesimal jackknife over them{}."
)


def methods(report: dict) -> list[tuple[str, str]]:
  """(heading, paragraph) of a report (as in `report.write`)."""
  paragraphs = {
    "Data": _data(report),
    "Model and training": _training(report),
    "Evaluation": _evaluation(report),
    "Statistics": _statistics(report),
    "Software and open choices": _software(report),
  }
  return [(k, " ".join(filter(None, said))) for k, said in paragraphs.items()]


def _data(report: dict):
  data, split, name = report["dataset"], report["split"], noun(report)
  whose = name != "image"
  of = f" of {counted(data['groups'], name)}" if whose else ""
  counts = [
    f"{named(row['class'])}, {row['images']:,}"
    + (f" ({counted(row['groups'], name)})" if whose else "")
    for row in data["per_class"]
  ]
  synthetic = "synthetic " if data["synthetic"] else ""
  source = f"the data set {named(data['name'])}"
  if data["name"] == "folder":  # images of the user's own
    source = "a collection of our own (name and describe it here)"
  yield (
    f"We used {counted(data['images'], synthetic + 'image')}{of} from {source}:"
    f" {'; '.join(counts)}."
  )
  if data.get("citation"):
    yield f"Source: {data['citation'].rstrip('.')}."
  if not whose:
    yield "No patient or slide is known of these images, so each counted as its own."
  left_out = {k: held["images"] for k, held in (data.get("skipped") or {}).items()}
  if copies := data.get("duplicates"):
    left_out["with the pixels of another"] = copies
  if left_out:
    told = [f"{count:,} ({why})" for why, count in left_out.items()]
    yield f"Images left out: {', '.join(told)}."
  yield _dealt(report)
  sizes = [
    f"{part.replace('_', ' ')}, {counted(held['images'], 'image')}"
    + (f" of {counted(held['groups'], name)}" if whose else "")
    for part, held in (split.get("parts") or {}).items()
    if held["images"]
  ]
  yield f"The parts: {'; '.join(sizes)}." if sizes else ""
  shared, same = split.get("shared_groups"), split.get("shared_identical")
  if whose and shared is not None:
    yield f"{_none(shared, name)} and {_none(same, 'pixel-identical image').lower()}"
    yield "stood on both sides of training and test."
  near = ((report.get("audit") or {}).get("near") or {}).get("across")
  if near is not None:
    yield f"A search for near-duplicates found {_none(near, 'cluster').lower()} on both"
    yield "sides."


def _dealt(report: dict) -> str:
  """How images came to the parts."""
  split, name = report["split"], noun(report)
  config = (report.get("config") or {}).get("split") or {}
  folds = config.get("folds") or (report.get("folds") or {}).get("count") or "k"
  kept = "images were" if config.get("grouped") is False else f"whole {name}s were"
  said = _PROTOCOLS.get(split.get("protocol"), f"Split: {split.get('protocol')}")
  said = said.format(name, folds=folds, what=kept)
  names = {"seed": "split seed"} | ({} if report.get("folds") else {"fold": "fold"})
  return f"{said} ({', '.join(known(split, **names))})."


def _training(report: dict):
  config, training = report.get("config") or {}, report.get("training") or {}
  model = (config.get("model") or {}) | (report.get("model") or {})
  told = known(model, attention="attention", stage_end="behind its stages", head="head")
  size, free = model.get("parameters"), training.get("trained_parameters")
  if size:
    some = f" ({free:,} of them trained)" if free not in (None, size) else ""
    told.append(f"{size:,} parameters{some}")
  if model.get("name"):
    yield f"The network was {', '.join([model['name'], *told])}."
  start = training.get("weights") or (config.get("init") or {}).get("weights")
  frozen = model.get("freeze", "none")
  kept = f", with {frozen} frozen" if frozen != "none" else ""
  yield f"It started from {start or 'random weights'}{kept}."
  yield _fitted(config, training) if config.get("optimizer") else ""
  yield _augment(config["augment"]) if config.get("augment") else ""
  text = (report.get("selection") or {}).get("text")
  yield f"Reported are the weights of {text}." if text else ""
  near = training.get("epochs_to_within_1_percent")
  if near is not None:
    yield f"Validation came to within 1 % of its last score after {near:g} epochs."


def _fitted(config: dict, training: dict) -> str:
  """The loss, the optimizer and how long."""
  optimizer = config["optimizer"]
  name = str(optimizer.get("name"))
  momentum = {"momentum": "momentum"} if name == "sgd" else {}
  told = known(
    optimizer, learning_rate="learning rate", schedule="schedule", **momentum,
    weight_decay="weight decay",
  )  # fmt: skip
  used = {k: v for k, v in optimizer.items() if v}  # 0 is off
  told += known(used, clip="gradients clipped at", ema="averaged weights, decay")
  loss = str(config.get("loss", "cross_entropy")).replace("_", " ")
  epochs = training.get("epochs") or config.get("epochs")
  said = f"Training minimised {loss} by {_OPTIMIZERS.get(name, name)}"
  said += f" ({', '.join(told)})" if told else ""
  said += f" for {epochs} epochs" if epochs else ""
  said += f" ({training['steps']:,} steps)" if training.get("steps") else ""
  said += f" in batches of {config['batch_size']}" if config.get("batch_size") else ""
  every = ", every class drawn as often" if config.get("sampling") == "balanced" else ""
  return f"{said}{every}."


def _augment(augment: dict) -> str:
  size, turns = augment.get("size"), augment.get("rotations", 1)
  said = [f"Images entered at {size} x {size} pixels"]
  kind = augment.get("train_rotations", "random")
  if turns > 1 and kind != "none":
    shown = "at random" if kind == "random" else "each at all of them"
    said.append(f"turned by multiples of {360 / turns:g}° ({shown})")
  said += [_FLIPS[augment["flip"]]] if augment.get("flip") in _FLIPS else []
  for key, what in (("zoom", "zoomed"), ("shift", "shifted")):
    if most := augment.get(key):
      said.append(f"{what} by up to {100 * most:g} %")
  return f"{', '.join(said)}; colours were normalised ({augment.get('normalise')})."


def _evaluation(report: dict):
  images, name = report["scores"]["images"], noun(report)
  views = report["scores"].get("views")
  if views:
    turns = views["n"] // max(images["n"], 1)
    yield f"Each test image was seen at {turns} angles and its probabilities averaged,"
    yield "so that every image counts once."
  else:
    yield "Each test image was seen once, upright."
  if report["scores"].get("groups"):
    yield f"A {name}'s class has the largest mean probability over its images."
  yield _looks(report)
  fitted = report.get("calibration") or {}
  on = f"{fitted.get('n', 0):,} {fitted.get('on', 'validation')} images"
  if fitted.get("temperature"):
    yield f"A temperature of {fitted['temperature']:.3g} was fitted on {on}; it changes"
    yield "probabilities, not predictions."
  elif each := fitted.get("temperatures"):
    yield f"Temperatures of {listed([f'{t:.3g}' for t in each])} were fitted, each on"
    yield f"the validation part of its fold ({on} in all); they change probabilities,"
    yield "not predictions."
  digits = 3 if images["n"] >= 1000 else 2
  keys = {"balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
  keys |= {"mcc": "Matthews' correlation", "macro_auroc": "macro AUROC"}
  told = [
    f"{what} {number(images[key]['value'], digits)}"
    + (f" ({interval(images[key], digits)})" if interval(images[key], digits) else "")
    for key, what in keys.items()
    if images.get(key)
  ]
  kind = "synthetic images" if report["dataset"]["synthetic"] else "images"
  yield f"On {images['n']:,} test {kind}: {listed(told)}."


def _looks(report: dict) -> str:
  """How often a network was scored on the test part; of folds, on that of each."""
  rows = [row for row in report.get("handouts") or () if row.get("scored", True)]
  if not rows:
    return ""
  counts = sorted(set(Counter(row.get("fold") for row in rows).values()))
  told = " to ".join(map(_times, dict.fromkeys((counts[0], counts[-1]))))
  part = "Each fold's test part" if report.get("folds") else "The test part"
  return f"{part} was scored {told} (handouts.jsonl)."


def _statistics(report: dict):
  name, images = noun(report), report["scores"]["images"]
  note = (few_groups(images["groups"], name) or "").rstrip(".")
  yield _REST.format(name, name, f". {note}" if note else "")
  base = [BASELINES.get(k, k) for k in report["baselines"] if k != "chance"]
  yield (
    f"Beside the network stand random forests on {listed(base)}, fitted on all images"
    " outside the test part, and the commonest class."
  )
  found = report.get("against")
  if found:
    yield (
      "Differences in balanced accuracy between network and baseline were tested with"
      f" Student's t on a paired bootstrap of whole {name}s (two-sided, level"
      f" {found['level']:g}); to beat all of them, every test had to reject."
    )
  if images.get("reliability"):
    bins = len(images["reliability"]["bins"])
    yield f"The expected calibration error uses {bins} bins of equal width."


def _software(report: dict):
  about = report.get("environment") or {}
  versions = [f"{k} {v}" for k, v in (about.get("versions") or {}).items()]
  versions = [f"Python {about.get('python')}"] * ("python" in about) + versions
  if versions:
    where = f", on {about['devices']}" if about.get("devices") else ""
    yield f"Software: histojax with {', '.join(versions)}{where}."
  seed = f", with seed {report['seed']}" if report.get("seed") is not None else ""
  each = "Each fold" if report.get("folds") else "The network"
  yield f"{each} was trained once{seed}: what another seed would change is not part of"
  yield "the intervals."
  open_ = [f"{row['key']} = {row['value']}" for row in report.get("assumptions") or ()]
  if open_:
    yield "The publication that this follows leaves open, and we chose:"
    yield f"{'; '.join(open_)}."


def _none(count, what: str) -> str:
  return f"No {what}" if not count else counted(count, what)


def _times(count: int) -> str:
  return {1: "once", 2: "twice"}.get(count, f"{count:,} times")
