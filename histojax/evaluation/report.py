"""report.json and report.html: what a run came to, for machines and for people.

The dict handed to `write` (keys marked * are required):

    title*, variant, command, date, seed, folder, notes [str], files [str]
    dataset*    name*, synthetic*, classes*, description, licence, citation, images,
                groups, group_name ("slide"), per_class [{class, images, groups}],
                skipped {kind: {images, first [{image_id, why}]}}, duplicates (how
                many left out for another's pixels)
    split*      protocol, seed, fold (where it has folds), shared_groups,
                shared_identical, parts {train, validation, test: {images, groups,
                per_class [K]}}
    model       name, attention, parameters
    selection   on ("validation", "test", "last"), text
    scores*     images*, views, groups: `scores.score` or None; groups_reason
    scores_neighbours   as scores, of the votes of the `k` nearest training images; k
    parts       of further parts by name, `scores.score`
    folds       `folds.over`, where the scores are of all folds together
    baselines*  `baselines.evaluate`;  published  `published.find` or None
    assumptions [{key, value, why}];  environment {name: value};  config
    training    {name: value}, of them epochs_to_within_1_percent (`convergence`)
    against     `against.against`;  patients [{group, images, correct, score}]
    maps        layer, height, width: Grad-CAM's, in the picture `attention`
    calibration `calibration.calibrated`, and on, n, note;  handouts [{when, why, ...}]
"""

import json
import re
from pathlib import Path

from histojax import atomic, console
from histojax.evaluation import checklist, methods, pages, plain, verdict
from histojax.evaluation.intervals import few_groups


def write(folder: str | Path, report: dict, figures: dict) -> Path:
  """Writes `report.json` and the self-contained `report.html`; both whole or absent.

  The report (as above) gains its `verdict` and the names of its figures, and is stored
  as `finite` makes it. `figures`: {name: path of a PNG, or None}; page.html has a
  caption for those it knows.
  Returns report.html's path.
  """
  folder, report = Path(folder), report | {"verdict": verdict.verdict(report)}
  report["figures"] = sorted(name for name, path in figures.items() if path)
  report = finite(report)
  pictures = {name: pages.embedded(path) for name, path in figures.items() if path}
  page = _page(report, pictures)
  text = json.dumps(report, indent=2, allow_nan=False) + "\n"
  atomic.write(folder / "report.html", page)
  atomic.write(folder / "report.json", text.encode())  # last: it marks the run complete
  return folder / "report.html"


def finite(content: dict) -> dict:
  """As JSON has it: NaN and infinities are null, arrays lists, what else it does not
  know its str."""
  known = json.dumps(content, default=lambda v: getattr(v, "tolist", lambda: str(v))())
  return json.loads(known, parse_constant=lambda name: None)


def _page(report: dict, pictures: dict[str, str]) -> bytes:
  """page.html of a stored report and {figure name: data URI}."""
  filters = {"number": verdict.number, "interval": verdict.interval, "plain": _plain}
  filters |= {"duration": console.duration, "breakable": _breakable}
  filters |= {"extract": lambda key, mapping: mapping.get(key)}
  return pages.render(
    "page.html",
    filters=filters,
    report=report,
    pictures=pictures,
    verdict=verdict,
    few_groups=few_groups,
    dumps=json.dumps,
    plain=plain.plain,
    methods=methods.methods,
    checklist=checklist.checklist,
    sources=checklist.SOURCES,
    unknown=checklist.UNKNOWN,
  )


def _breakable(name):
  """A name that may go on in the next line behind each of its joints."""
  from markupsafe import Markup, escape

  # no escaped character holds a joint
  return Markup(re.sub("([_-])", r"\1<wbr>", str(escape(name))))


def _plain(value) -> str:
  """A count, a measurement or a word; an en dash for nothing."""
  if isinstance(value, int | float):
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
  return "–" if value is None else str(value)
