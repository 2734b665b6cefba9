"""Pages in a real browser: names are inert, nothing overflows, axe-core is content."""

import numpy as np
import pytest
from browsing import chromium, opened, overflow, violations
from PIL import Image
from test_comparing import finished
from test_report import example, said
from test_report_folds import of_folds

from histojax import comparing
from histojax.evaluation import figures, patients, predictions, report
from histojax.profiling import page as profile_page

RAN = "window.ran = (window.ran || 0) + 1"
HOSTILE = [
  f"<script>{RAN}; alert(1)</script>",
  f'" onerror="{RAN}" x=\'',
  f'</style></title><img src=x onerror="{RAN}">',
  "\u202eevil gnirts \u202e",
  "\u062e\u0644\u0627\u064a\u0627 \u0633\u0631\u0637\u0627\u0646\u064a\u0629",
  "a" * 300,
  "{{ 7 * 7 }} {% raw %} \x00\x1b[31m",
]
PICTURES = ("confusion", "roc", "misclassified", "attention", "groups", "embedding")
PICTURES += ("reliability", "curves", "contact_sheet", "copies", 'x" onload="alert(1)')


@pytest.fixture(scope="module")
def browser():
  with chromium() as found:
    yield found


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
  path = tmp_path_factory.mktemp("picture") / "p.png"
  Image.fromarray(np.full((60, 80, 3), 200, np.uint8)).save(path)
  return path


def full(classes=("poor", "moderate", "well"), groups=(), **changes):
  """A report with everything that a page can show."""
  held = example(classes, **changes)
  label, prediction, group = said(classes, 4)
  names = list(groups) + [f"slide {g}" for g in range(99)]
  rows = patients.patient_scores(label, prediction, np.array(names, object)[group])
  columns = (values.tolist() for values in rows.values())
  held["patients"] = [dict(zip(rows, row, strict=True)) for row in zip(*columns)]  # noqa: B905
  reliability = held["scores"]["images"]["reliability"]
  held["calibration"] = {"temperature": 1.3, "on": "validation", "n": 12, "note": "n"}
  held["calibration"] |= {"before": reliability, "after": reliability}
  held["handouts"] = [{"when": "now", "why": "final evaluation", "scored": True}]
  held["training"]["epochs_to_within_1_percent"] = 2.0
  return held


def hostile():
  held = full(HOSTILE, HOSTILE)
  held["dataset"] |= {"name": HOSTILE[2], "description": HOSTILE[5], "synthetic": True}
  changes = dict.fromkeys(("title", "folder", "command"), HOSTILE[0] + HOSTILE[5])
  held["config"] = {HOSTILE[0]: HOSTILE[2]}
  return held | changes | {"notes": list(HOSTILE), "files": list(HOSTILE)}


def harmless(browser, path, width, scheme="light") -> str:
  """Checks a page, and returns the text it shows."""
  with opened(browser, path, width, scheme) as (page, heard):
    assert page.evaluate("window.ran") is None, "a name ran as a script"
    assert heard == []
    assert overflow(page) == 0
    assert violations(page) == []
    return page.inner_text("body")


def test_a_phone_shows_hostile_names_as_text(browser, picture, tmp_path):
  path = report.write(tmp_path, hostile(), dict.fromkeys(PICTURES, picture))
  shown = harmless(browser, path, 390)
  for name in (HOSTILE[0], HOSTILE[1], HOSTILE[2]):
    assert name in shown, name


@pytest.fixture(scope="module")
def pages(picture, tmp_path_factory):
  shown = dict.fromkeys(PICTURES, picture)
  leaky = full(right=1)
  leaky["split"] |= {"shared_groups": 70, "shared_identical": 3}
  leaky["audit"] = {"near": {"across": 2}}
  every = {
    "whole": full(),
    "hostile": hostile(),
    "leaky": leaky,
    "folds": of_folds()[0],
  }
  for name, held in every.items():
    every[name] = report.write(tmp_path_factory.mktemp(name), held, shown)
  return every


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["whole", "hostile", "leaky", "folds"])
def test_pages_on_every_screen(browser, pages, name, width, scheme):
  harmless(browser, pages[name], width, scheme)


@pytest.mark.full
def test_the_first_screen_tells_the_verdict(browser, pages):
  for width, height in ((1280, 800), (390, 844)):
    with opened(browser, pages["whole"], width) as (page, _):
      page.set_viewport_size({"width": width, "height": height})
      for what in (".lead", ".bars"):
        box = page.locator(what).bounding_box()
        assert box["y"] + box["height"] <= height, (what, width)


@pytest.mark.full
def test_paper_shows_what_is_folded(browser, pages):
  with opened(browser, pages["whole"], 1280) as (page, _):
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    closed = "[...document.querySelectorAll('section > details')].map(d =>"
    closed += " d.querySelector('.inner').checkVisibility())"
    assert not any(page.evaluate(closed))
    page.emulate_media(media="print")
    seen = page.evaluate(closed)
    assert len(seen) >= 8 and all(seen)
    pdf = page.pdf(prefer_css_page_size=True)
  assert pdf.count(b"/Type /Page\n") >= 4 or pdf.count(b"/Type /Page") > 4


@pytest.mark.full
@pytest.mark.parametrize("width", [390, 1280])
def test_a_comparison_is_as_harmless(browser, tmp_path, width):
  folders = {}
  for name, right in (("good", 0.95), (HOSTILE[1][:9], 0.6)):
    folder, label, _ = finished(tmp_path / name / "seed0", right)
    rows = predictions.read(folder / "predictions.csv")
    known = {k: rows[k] for k in ("image_id", "group", "label", "probability")}
    path = folder / "predictions.csv"
    predictions.write(path, **known, classes=(HOSTILE[0], HOSTILE[5]))
    folders[name + HOSTILE[0]] = folder
  comparing.write(tmp_path / "out", comparing.compared(folders, "accuracy"))
  harmless(browser, tmp_path / "out" / "compare.html", width)


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_profile_is_as_harmless(browser, picture, tmp_path, scheme):
  fact = {
    "name": HOSTILE[0],
    "value": 3.5,
    "unit": "ms",
    "kind": "measured",
    "note": "n",
  }
  table = {"title": HOSTILE[2], "columns": ["what", "ms"], "rows": [[HOSTILE[1], 1.5]]}
  profile = {
    "title": HOSTILE[0],
    "facts": [fact | {"group": "step"}, fact | {"kind": "modelled", "group": "x"}],
    "tables": [table | {"kind": "measured", "note": HOSTILE[5]}],
    "figures": [{"title": HOSTILE[1], "png": picture.read_bytes()}],
    "about": {"device": HOSTILE[0]},
    "notes": [HOSTILE[2]],
  }
  path = profile_page.write(tmp_path, profile)
  for width in (390, 1280):
    harmless(browser, path, width, scheme)


def test_figures_take_hostile_names(tmp_path):
  """No formula, no crash: control characters and lone surrogates are shown as such."""
  names = [*HOSTILE, "\udcff", "$x_{1$"]
  matrix = np.eye(len(names), dtype=int)
  figures.confusion(tmp_path / "c.png", matrix, names, title="t", synthetic=False)
