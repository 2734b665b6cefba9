"""What a run came to, in plain words and with every reservation it needs."""

BASELINES = {"colour_histogram": "colour histogram", "mean_rgb": "mean RGB"}


def verdict(report: dict) -> dict:
  """The first lines of a report (as in `report.write`).

  Returns:
    headline ("Balanced accuracy 0.86 (95 % CI 0.78–0.93)"), sentences (list of str: the
    result, the baselines, whatever limits it), doubts (those that warn of a leak),
    beats_baselines (whether the interval lies above chance and both colour baselines;
    None where there is no interval), tone ("good", "doubt" or "bad").
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
    f"{counted(leaked, name)} on both sides of the split: the test images come from "
    f"{name}s the network has seen, so new {name}s will score lower.": leaked,
    f"{counted(same, 'pixel-identical image')} on both sides of the split: the network "
    "is tested on what it was trained on.": same,
    "The checkpoint was chosen on the test images: the score flatters.": chosen,
  }
  doubts = [sentence for sentence, holds in doubts.items() if holds]
  sentences = [f"{result}.", comparison, *doubts]
  if report["dataset"]["synthetic"]:
    sentences.append("SYNTHETIC images: this says nothing about patients.")
  tone = "bad" if doubts or beats is False else "good" if beats else "doubt"
  found = {"headline": headline, "sentences": sentences, "doubts": doubts}
  return found | {"beats_baselines": beats, "tone": tone}


def _against_baselines(report: dict) -> tuple[bool | None, str]:
  """Whether the interval clears every baseline, and the sentence that says it."""
  (_, blocks), *_ = levels(report)
  score, digits = blocks.pop("network")["balanced_accuracy"], decimals(report)
  colour = {k: blocks[k]["balanced_accuracy"]["value"] for k in BASELINES.values()}
  best, chance = max(colour, key=colour.get), report["baselines"]["chance"]
  bar, chance = colour[best], chance["balanced_accuracy"]
  said = f"The {best} alone reaches {number(bar, digits)}, chance "
  said, bar = said + number(chance, digits), max(bar, chance)
  if score["value"] <= bar:
    return False, f"{said}: the network is no better than that."
  if not interval(score, digits):
    return None, f"{said}; without an interval nothing follows from that."
  if score["low"] > bar:
    return True, f"{said}."
  said += f"; {number(bar, digits)} lies inside the interval: this run does not show "
  return False, f"{said}that the network sees more than that."


def levels(report: dict) -> list[tuple[str, dict]]:
  """(title, {"network" or baseline: its score or None}) of each level with scores."""
  scores, base, found = report["scores"], report["baselines"], []
  titles = {"images": "source images", "views": "rotated views"}
  for level, title in (titles | {"groups": f"{noun(report)}s"}).items():
    ours = scores.get(level)
    if ours and (level != "views" or ours["n"] != scores["images"]["n"]):
      # the baselines see no rotation: beside the views stands their score on images
      key = "groups" if level == "groups" else "images"
      theirs = {name: base[which][key] for which, name in BASELINES.items()}
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
