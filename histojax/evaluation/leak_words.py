"""What a leak gap is, in words and tables: a plain sentence, and what limits it."""

from histojax.evaluation import repeated
from histojax.evaluation.comparison import WORDS, points, span
from histojax.evaluation.verdict import counted, interval, noun, number

ABOUT = (
  "Both runs have one recipe and differ in their split alone. Their test images differ,"
  " so the gap is a difference of two scores, each with its interval over {unit}s"
  " (Newcombe's method; resamples of whole {unit}s tell how far the two move together,"
  " where both test images of one {unit}). It allows for other {unit}s being tested,"
  " not for another training: --seeds=0,1,2 shows what that changes. All {unit}s are"
  " tested by both with --config.split.protocol=kfold --config.split.fold=-1."
)
PAIRED = (
  "Both runs have one recipe and differ in their folds alone. Every image is tested"
  " once in each, so the gap is that of the same images: 95 % intervals from a paired"
  " bootstrap over {unit}s with Student's t."
)
FEWER = 0.02  # of the training images, from which a difference is said


def content(found: list[dict], metric: str, kind: str, about: dict) -> dict:
  """Everything that is said of the gap, JSON-ready.

  Args:
    found: of each seed: seed, folders, reports and dealt {leaky, clean}, gaps {network
      or baseline: `gap.gap`}; dealt are the images of each part, of folds their mean.
    kind: 'the published split' or 'a split'.
    about: title, variant, folder.
  """
  reports = found[0]["reports"]
  unit, gaps = noun(reports["clean"]), [row["gaps"]["network"] for row in found]
  paired = all(one["paired"] for one in gaps)
  sides = {"leaky": "by image", "clean": f"by {unit}"}
  told = about | {
    "metric": metric,
    "unit": unit,
    "classes": reports["clean"]["dataset"]["classes"],
    "notes": [*_notes(found, unit)],
    "seeds": [row["seed"] for row in found],
    "gaps": [row["gaps"] for row in found],
    "sentences": [sentence(one, metric, kind, unit) for one in gaps],
    "remedies": [basis(row, unit) for row in found],
    "about": (PAIRED if paired else ABOUT).format(unit=unit),
    "folders": {
      f"{sides[side]}, seed {row['seed']}": str(row["folders"][side])
      for row in found
      for side in sides
    },
  }
  name = about["title"] + (f":{about['variant']}" if about["variant"] else "")
  told["runs"] = {
    f"{name} by image": gaps[0]["leaky"],
    f"by {unit}": gaps[0]["clean"],
  }
  if len(found) > 1:
    told["over_seeds"] = over = _over(found, paired)
    told["sentences"].insert(0, _mean(over, len(found), metric))
    told["remedies"].insert(0, _chance(paired))
  return told | {"tables": [*_tables(found, told)]}


def sentence(found: dict, metric: str, kind: str, unit: str) -> str:
  """'Balanced accuracy under the published split (by image) is 0.97, on slides never
  seen 0.81: 16 points (95 % CI 9 to 24) of that score are leak.'"""
  what = WORDS.get(metric, metric.replace("_", " "))
  digits = 3 if min(found[side]["images"] for side in ("leaky", "clean")) >= 1000 else 2
  ours, theirs = (number(found[s]["value"], digits) for s in ("leaky", "clean"))
  said = f"{what[0].upper()}{what[1:]} under {kind} (by image) is {ours}, on"
  said += f" {unit}s never seen {theirs}: "
  size = points(found["value"], digits - 2)
  if found["low"] != found["low"]:
    return f"{said}a gap of {size} points, without an interval."
  told = f"95 % CI {span(found['low'], found['high'], digits - 2)}"
  if found["low"] > 0:
    return f"{said}{size} points ({told}) of that score are leak."
  count = counted(found["clean"]["groups"], unit)
  if found["high"] < 0:
    return f"{said}{size} points ({told}): it is no higher, so no leak is shown."
  return f"{said}{size} points ({told}): with {count} no leak can be told from chance."


def basis(row: dict, unit: str) -> str:
  """On what both scores rest: images and groups that train and test."""
  found, parts = row["gaps"]["network"], []
  for side, name in (("leaky", "By image"), ("clean", f"By {unit}")):
    report, score = row["reports"][side], found[side]
    tested, groups = counted(score["images"], "image"), counted(score["groups"], unit)
    both = counted(report["split"]["shared_groups"], unit)
    parts.append(
      f"{name}: {row['dealt'][side]['train']:,.0f} images train, {tested} of {groups}"
      f" test, {both} on both sides."
    )
  if found["paired"]:
    parts.append("Both test the same images.")
  elif found["shared_groups"]:
    parts.append(
      f"Both test {counted(found['shared_groups'], unit)}"
      f" ({counted(found['shared_images'], 'same image')}): there the scores are paired"
      f" (correlation {found['correlation']:.2f})."
    )
  return " ".join(parts)


def _notes(found: list[dict], unit: str):
  reports = [report for row in found for report in row["reports"].values()]
  if any(report["dataset"]["synthetic"] for report in reports):
    yield "SYNTHETIC images: this says nothing about patients."
  if any((report.get("selection") or {}).get("on") == "test" for report in reports):
    yield "select_on=test: both runs chose their epoch on their test part."
  for row in found:
    leaky, clean = (row["reports"][side] for side in ("leaky", "clean"))
    more = row["dealt"]["leaky"]["train"] / row["dealt"]["clean"]["train"] - 1
    if abs(more) > FEWER:
      yield (
        f"Seed {row['seed']}: the run by image trained on {abs(more):.0%}"
        f" {'more' if more > 0 else 'fewer'} images than the other, which is part of"
        " the gap."
      )
    if not leaky["split"]["shared_groups"]:
      yield f"Seed {row['seed']}: dealt out by image, no {unit} stands on both sides."
    if (clean.get("audit") or {}).get("near", {}).get("across"):
      yield (
        f"Seed {row['seed']}: near-duplicates stand on both sides of the split by"
        f" {unit}, too, so the leak is larger than the gap."
      )


def _over(found: list[dict], paired: bool) -> dict:
  """`repeated` over the seeds, of the network's gap."""
  values = [row["gaps"]["network"]["value"] for row in found]
  if paired:
    return repeated.over_seeds(values)
  dealt = found[0]["dealt"]["clean"]
  return repeated.over_splits(values, dealt["train"], dealt["test"])


def _mean(over: dict, count: int, metric: str) -> str:
  what = WORDS.get(metric, metric.replace("_", " "))
  told = "no interval follows"
  if over["low"] == over["low"]:
    told = f"95 % CI {span(over['low'], over['high'])}"
  return (
    f"Over {count} seeds the gap in {what} is {points(over['mean'])} points on"
    f" average, standard deviation {points(over['sd'])} ({told})."
  )


def _chance(paired: bool) -> str:
  if paired:
    return "Each seed trains anew and deals out its own folds of the same images."
  return (
    "Each seed trains anew on a split of its own; their training parts overlap, which"
    " the interval allows for (Nadeau & Bengio 2003)."
  )


def _tables(found: list[dict], told: dict):
  """The gaps of network and baselines, and the sizes of both splits."""
  unit, metric = told["unit"], told["metric"]
  what = WORDS.get(metric, metric.replace("_", " "))
  seeds = len(found) > 1

  def cell(score):
    reach = interval(score, 2)
    return number(score["value"], 2) + (f" ({reach})" if reach else "")

  yield (
    f"{what[0].upper()}{what[1:]}, and the gap in points (95 % intervals over {unit}s)",
    ["score of", "by image", f"by {unit}", "gap", "95 % CI"],
    [
      [name + f", seed {row['seed']}" * seeds, cell(one["leaky"]), cell(one["clean"])]
      + [points(one["value"]), span(one["low"], one["high"])]
      for row in found
      for name, one in row["gaps"].items()
    ],
  )
  head = ["split", "protocol", "train", "validation", "test", f"test {unit}s"]
  yield (
    "Images of both splits",
    [*head, f"{unit}s on both sides", "copies on both sides"],
    [
      [name + f", seed {row['seed']}" * seeds, *_sizes(row, side)]
      for row in found
      for side, name in (("leaky", "by image"), ("clean", f"by {unit}"))
    ],
  )


def _sizes(row: dict, side: str) -> list[str]:
  report, dealt = row["reports"][side], row["dealt"][side]
  split, scored = report["split"], report["scores"]["images"]
  near = (report.get("audit") or {}).get("near", {}).get("across")
  counts = [dealt["train"], dealt["validation"], scored["n"], scored["groups"]]
  counts.append(split["shared_groups"])
  return [
    split["protocol"], *(f"{n:,.0f}" for n in counts),
    "–" if near is None else f"{near:,}",
  ]  # fmt: skip
