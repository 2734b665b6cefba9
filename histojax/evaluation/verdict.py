"""What a run came to, in plain words and with every reservation it needs."""

from histojax.evaluation.against import hardest
from histojax.evaluation.comparison import probability
from histojax.evaluation.wording import listed, named

BASELINES = {
  "colour_histogram": "colour histogram",
  "mean_rgb": "mean RGB",
  "file": "file properties",  # where the images are files
}
MAJORITY = {"majority": "commonest class"}


def verdict(report: dict) -> dict:
  """The first lines of a report (as in `report.write`).

  Returns:
    headline ("Balanced accuracy 0.86 (95 % CI 0.78–0.93)"), sentences (list of str: the
    result, the baselines, whatever limits it), doubts (those that warn of a leak),
    beats_baselines (whether the network is significantly better than each of them; None
    where no test could tell), tone ("good", "doubt" or "bad").
  """
  images, split, name = report["scores"]["images"], report["split"], noun(report)
  score, digits = images["balanced_accuracy"], decimals(report)
  span = f" (95 % CI {interval(score, digits)})" if interval(score, digits) else ""
  headline = f"Balanced accuracy {number(score['value'], digits)}{span}"
  leaked, same = split.get("shared_groups") or 0, split.get("shared_identical") or 0
  chosen = (report.get("selection") or {}).get("on") == "test"
  kind = "test image" if leaked else "held-out image"
  result = f"{headline} on {counted(images['n'], kind)}"
  if images["groups"] < images["n"]:
    result += f" from {counted(images['groups'], name)}"
  if over := report.get("folds"):
    mean, sd = (over[k]["network"]["balanced_accuracy"] for k in ("mean", "sd"))
    result += f", each tested once in {over['count']} folds (their mean "
    result += f"{number(mean, digits)}, standard deviation {number(sd, digits)})"
  beats, comparison = _against_baselines(report)
  doubts = {
    f"{counted(leaked, name)} on both sides of the split: test images come from "
    f"{name}s the network has seen, so expect less of new {name}s.": leaked,
    f"{counted(same, 'pixel-identical image')} on both sides of the split: the network "
    "is tested on what it was trained on.": same,
    "The checkpoint was chosen on the test images: the score flatters.": chosen,
  }
  doubts = [sentence for sentence, holds in doubts.items() if holds]
  sentences = [f"{result}.", comparison, *doubts, *_alone(images, name)]
  if report["dataset"]["synthetic"]:
    sentences.append("SYNTHETIC images: this says nothing about patients.")
  tone = "bad" if doubts or beats is False else "good" if beats else "doubt"
  found = {"headline": headline, "sentences": sentences, "doubts": doubts}
  return found | {"beats_baselines": beats, "tone": tone}


def _alone(images: dict, name: str):
  """Classes of one group, for which no interval can allow for others."""
  alone = [
    named(row["class"])
    for row in images["per_class"]
    if row["support"] and not interval(row["recall"], 2)
  ]
  if alone and images["groups"] > 1:
    which = listed(alone) if len(alone) <= 3 else f"{len(alone)} classes"
    each = "only" if len(alone) == 1 else "each"
    yield f"Of {which} one {name} {each} is tested: no interval allows for others."


def _against_baselines(report: dict) -> tuple[bool | None, str]:
  """Whether the network beats every baseline, and the sentence on the one that decides.

  'The network does not beat the colour histogram (0.44): +0.03, 95 % CI -0.04 to 0.10,
  p = 0.41, 15 slides; chance is 0.33.'
  """
  digits, found = decimals(report), report.get("against")
  chance = number(report["baselines"]["chance"]["balanced_accuracy"], digits)
  if not found:  # written before there was a test
    return None, f"Not tested against its baselines; chance is {chance}."
  pairs, decides = found["pairs"], hardest(found)
  pair, name = pairs[decides], (BASELINES | MAJORITY)[decides]
  said = f"the {name} ({number(pair['score'], digits)})"
  beaten = [pair["beaten"] for pair in pairs.values()]
  beats = False if False in beaten else None if None in beaten else True
  worse = (
    pair["value"] < 0 and (pair["p"] or 0) < found["level"] and found["groups"] > 1
  )
  verb = {True: "beats", None: "scores above", False: "does not beat"}[beats]
  said = f"The network {'is worse than' if worse else verb} {said}"
  said += ", its best baseline: " if beats else ": "
  said += _signed(pair["value"], digits)
  if interval(pair, digits):
    low, high = (f"{round(pair[k], digits) + 0.0:.{digits}f}" for k in ("low", "high"))
    said += f", 95 % CI {low} to {high}, {probability(pair['p'])}"
  said += f", {counted(found['groups'], noun(report))}"
  said += "." if decides in MAJORITY else f"; chance is {chance}."
  if beats is None:
    said += _too_few(pair, found["groups"], noun(report))
  return beats, said


def _too_few(pair: dict, groups: int, name: str) -> str:
  """Why no test can tell."""
  if groups < 2:
    return f" All images belong to one {name}, so nothing follows from that."
  return (
    f" The two differ in {counted(pair['differing'], name)} only: no exchange of so few"
    f" can reach 5 % (its p is never below {number(pair['least_p'], 2)})."
  )


def _signed(value: float, digits: int) -> str:
  """'+0.03', '-0.20', and never '-0.00'."""
  return f"{round(value, digits) + 0.0:+.{digits}f}"


def levels(report: dict) -> list[tuple[str, dict]]:
  """(title, {"network" or baseline: its score or None}) of each level with scores."""
  scores, base, found = report["scores"], report["baselines"], []
  titles = {"images": "source images", "views": "rotated views"}
  for level, title in (titles | {"groups": f"{noun(report)}s"}).items():
    ours = scores.get(level)
    if ours and (level != "views" or ours["n"] != scores["images"]["n"]):
      # the baselines see no rotation: beside the views stands their score on images
      key = "groups" if level == "groups" else "images"
      theirs = {n: base[k][key] for k, n in BASELINES.items() if k in base}
      near = report.get("scores_neighbours") or {}
      near = {f"its {near['k']} neighbours": near[level]} if near.get(level) else {}
      found.append((title, {"network": ours} | near | theirs))
  return found


def decimals(report: dict) -> int:
  """Digits worth printing: the third means something from a thousand images on."""
  return 3 if report["scores"]["images"]["n"] >= 1000 else 2


def number(value, digits: int) -> str:
  """A ratio for people; an en dash where it is undefined (None or NaN)."""
  return "–" if value is None or value != value else f"{value:.{digits}f}"


def interval(score: dict, digits: int) -> str:
  """'0.78–0.93', or nothing where there is none."""
  low, high = number(score["low"], digits), number(score["high"], digits)
  return "" if low == "–" else f"{low}–{high}"


def counted(n: int, noun: str) -> str:
  """'1 slide', '1,008 slides'."""
  return f"{n:,} {noun}" + ("" if n == 1 else "s")


def noun(report: dict) -> str:
  """What a group is called: slide, patient, group."""
  return report["dataset"].get("group_name") or "group"
