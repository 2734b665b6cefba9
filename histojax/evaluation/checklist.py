"""Two reporting checklists, filled as far as a run can fill them.

Items are told in our own short words; the numbers are those of

    TRIPOD+AI  Collins et al., "TRIPOD+AI statement: updated guidance for reporting
               clinical prediction models that use regression or machine learning
               methods", BMJ 2024;385:e078378
    CLAIM      Mongan, Moy & Kahn, "Checklist for Artificial Intelligence in Medical
               Imaging (CLAIM)", Radiology: Artificial Intelligence 2020;2(2):e200029.
               Its 2024 update (Tejani et al., 2024;6(4):e240300) asks for much the same
               under other numbers.
"""

from histojax.evaluation.verdict import counted, interval, noun, number
from histojax.evaluation.wording import known, listed, named

SOURCES = (
  "TRIPOD+AI: Collins et al., BMJ 2024;385:e078378. CLAIM: Mongan et al., Radiology:"
  " Artificial Intelligence 2020;2(2):e200029 (numbers are of 2020; the update of 2024,"
  " Tejani et al., 2024;6(4):e240300, counts otherwise). Items in our own short words:"
  " read the originals before you submit."
)
UNKNOWN = "not known from the run: write it yourself"


def checklist(report: dict) -> list[dict]:
  """Of each item topic, tripod, claim (their numbers, or ''), said (str), or None where
  the run does not know; `report` as in `report.write`."""
  return [
    {"topic": topic, "tripod": tripod, "claim": claim, "said": fill and fill(report)}
    for topic, tripod, claim, fill in ITEMS
  ]


def _data(report):
  data, name = report["dataset"], noun(report)
  of = f" of {counted(data['groups'], name)}" if name != "image" else ""
  kind = "synthetic image" if data["synthetic"] else "image"
  source = f"; {data['citation']}" if data.get("citation") else ""
  return f"{named(data['name'])}: {counted(data['images'], kind)}{of}{source}."


def _left_out(report):
  held = report["dataset"].get("skipped") or {}
  copies = report["dataset"].get("duplicates")
  if not held and not copies:
    return "Every image of the data set was used."
  told = [f"{counted(found['images'], 'image')} {kind}" for kind, found in held.items()]
  told += [f"{counted(copies, 'image')} with the pixels of another"] * bool(copies)
  return f"Left out: {listed(told)}. Who was eligible is for you to write."


def _preprocessing(report):
  augment = (report.get("config") or {}).get("augment")
  size = (augment or {}).get("size")
  if not size:
    return None
  return (
    f"Decoded to {size} x {size} pixels, colours normalised"
    f" ({augment.get('normalise')}); augmentation is in the methods above."
  )


def _classes(report):
  classes = [named(name) for name in report["dataset"]["classes"]]
  return f"Classes: {listed(classes)}. How they were assigned is for you to write."


def _sizes(report):
  parts, name = (report["split"].get("parts") or {}).items(), noun(report)
  told = [
    f"{part}, {counted(held['images'], 'image')}"
    + (f" of {counted(held['groups'], name)}" if name != "image" else "")
    for part, held in parts
    if held["images"]
  ]
  return f"{listed(told)}. No size was planned by the run." if told else None


def _parts(report):
  split = report["split"]
  told = known(split, protocol="protocol", seed="seed", fold="fold")
  return f"{', '.join(told)}; split.json names every image." if told else None


def _level(report):
  split, name = report["split"], noun(report)
  same = counted(split.get("shared_identical") or 0, "pixel-identical image")
  if name == "image":
    return f"Image: no patient is known. {same} on both sides."
  shared = split.get("shared_groups") or 0
  told = (
    f"not disjoint: {counted(shared, name)}" if shared else f"disjoint by {name}: 0"
  )
  return f"{told.capitalize()} on both sides, {same}."


def _balance(report):
  ratio = (report.get("audit") or {}).get("imbalance")
  told = known(report.get("config") or {}, sampling="sampling", loss="loss")
  said = [f"The largest class is {ratio:.1f} times the smallest."] if ratio else []
  said += [f"Training: {', '.join(told)}."] if told else []
  return " ".join([*said, "Reported is balanced accuracy, and every class."])


def _model(report):
  model = report.get("model") or {}
  if not model.get("name"):
    return None
  told = [model["name"], *known(model, attention="attention", head="head")]
  told += [f"{model['parameters']:,} parameters"] if model.get("parameters") else []
  return f"{', '.join(told)}. In: an image; out: a probability for each class."


def _software(report):
  about = report.get("environment") or {}
  versions = [f"{k} {v}" for k, v in (about.get("versions") or {}).items()]
  on = f"; {about['devices']}" if about.get("devices") else ""
  return f"histojax; {', '.join(versions)}{on}." if versions else None


def _start(report):
  weights = (report.get("training") or {}).get("weights")
  seed = f", seed {report['seed']}" if report.get("seed") is not None else ""
  return f"{weights or 'Random'}{seed}."


def _recipe(report):
  config = report.get("config") or {}
  optimizer = config.get("optimizer") or {}
  told = known(optimizer, name="optimizer", learning_rate="learning rate")
  told += known(config, epochs="epochs", batch_size="batch size")
  if not told:
    return None
  every = "all keys are under Config below"
  return f"{', '.join(told)}; {every}. No search for them is part of this run."


def _selection(report):
  text = (report.get("selection") or {}).get("text")
  return f"{text[0].upper()}{text[1:]}. No ensemble." if text else None


def _metrics(report):
  return (
    "Balanced accuracy first; accuracy, macro F1, Matthews' correlation, areas under"
    " ROC and precision-recall curves, calibration; confusion matrix."
  )


def _uncertainty(report):
  images = report["scores"]["images"]
  unit = counted(images["groups"], noun(report))
  tested = (
    "; a paired test over groups against baselines" if report.get("against") else ""
  )
  return f"95 % intervals over {unit}{tested}."


def _robust(report):
  over = report.get("folds")
  return (
    f"{over['count']} folds, each by itself; one seed."
    if over
    else "One seed, one split."
  )


def _explained(report):
  if "attention" in (report.get("figures") or ()):
    return "Maps of where the network looks are on this page."
  if report.get("folds"):
    return "Maps of where each network looks are on the page of its fold."
  return None


def _external(report):
  if report["split"].get("protocol") == "predefined":
    return "The test part came with the data; whether it is external is yours to say."
  return "None: training and test come from the same data set."


def _demography(report):
  rows = report["dataset"]["per_class"]
  told = [f"{named(row['class'])}, {row['images']:,}" for row in rows[:12]]
  return f"By class: {'; '.join(told)}. Age, sex and origin are for you to write."


def _performance(report):
  images = report["scores"]["images"]
  digits = 3 if images["n"] >= 1000 else 2
  score = images["balanced_accuracy"]
  span = f" (95 % CI {interval(score, digits)})" if interval(score, digits) else ""
  return (
    f"Balanced accuracy {number(score['value'], digits)}{span} on"
    f" {counted(images['n'], 'test image')}; the rest is on this page."
  )


def _clusters(report):
  if not report.get("patients"):
    return None
  return f"The share of right images of every {noun(report)} is on this page."


def _failures(report):
  images = report["scores"]["images"]
  errors = images["n"] - sum(row[k] for k, row in enumerate(images["confusion"]))
  if not errors:
    return "No test image was mistaken."
  return (
    f"{counted(errors, 'error')}: the confusion matrix, and the most"
    " confident ones with their pictures, are on this page."
  )


def _recalibrated(report):
  fitted = report.get("calibration") or {}
  if fitted.get("temperature"):
    return f"A temperature of {fitted['temperature']:.3g}, fitted on validation images."
  if each := fitted.get("temperatures"):
    told = listed([f"{t:.3g}" for t in each])
    return f"Temperatures of {told}, each fitted on its fold's validation images."
  return None


def _limits(report):
  doubts = (report.get("verdict") or {}).get("doubts") or ()
  return " ".join([*doubts, 'See "What this does not show"; add your own.'])


def _code(report):
  command = report.get("command")
  return f"Run again with: {command}" if command else None


def _licence(report):
  licence = report["dataset"].get("licence")
  return f"Licence of the data: {licence}." if licence else None


ITEMS = (  # topic, TRIPOD+AI, CLAIM 2020, what fills it
  ("Title and abstract", "1, 2", "1, 2", None),
  ("Background, and the use that is meant", "3a, 3b", "3", None),
  ("Known health inequalities", "3c", "", None),
  ("Objectives", "4", "4", None),
  ("Study design and goal", "", "5, 6", None),
  ("Data source", "5a", "7", _data),
  ("Dates of collection", "5b", "", None),
  ("Setting, eligibility, treatment", "6a, 6b, 6c", "8", None),
  ("Images left out, subsets", "20a", "10", _left_out),
  ("Specimens, stain, scanner, magnification", "9a, 9b, 9c", "11", None),
  ("Preparation of images", "7, 12b", "9", _preprocessing),
  ("De-identification", "", "12", None),
  ("Classes, and who assigned them", "8a, 8b, 8c", "14, 15, 16", _classes),
  ("Tools of annotation, agreement of raters", "", "17, 18", None),
  ("Sample size", "10, 21", "19", _sizes),
  ("Missing data", "11", "13", None),
  ("How images were dealt to parts", "12a", "20", _parts),
  ("Level at which parts are disjoint", "12a", "21", _level),
  ("Imbalance of classes", "13", "", _balance),
  ("Model, input and output", "12c, 15", "22", _model),
  ("Software", "", "23", _software),
  ("Initial weights", "12c", "24", _start),
  ("Training, hyperparameters", "12c", "25", _recipe),
  ("Choice of the final model, ensembles", "12c", "26, 27", _selection),
  ("Differences between clusters", "12d, 23b", "", _clusters),
  ("Measures of performance", "12e, 12g", "28", _metrics),
  ("Uncertainty and tests", "12e", "29", _uncertainty),
  ("Recalibration", "12f, 24", "", _recalibrated),
  ("Robustness", "", "30", _robust),
  ("Explanations", "", "31", _explained),
  ("Test on external data", "16", "32", _external),
  ("Fairness", "14", "", None),
  ("Ethical approval", "17", "", None),
  ("Funding and interests", "18a, 18b", "42", None),
  ("Protocol and registration", "18c, 18d", "40, 41", None),
  ("Sharing of data", "18e", "", _licence),
  ("Sharing of code and model", "18f, 22", "", _code),
  ("Patients and public", "19", "", None),
  ("Participants and their characteristics", "20a, 20b", "33, 34", _demography),
  ("Performance", "23a", "35, 36", _performance),
  ("Errors", "", "37", _failures),
  ("Interpretation, limitations", "25, 26", "38", _limits),
  ("Use in practice, and its users", "27a, 27b, 27c", "39", None),
)
