"""A study's page in a real browser: names are inert, nothing overflows, axe agrees."""

import pytest
from browsing import chromium, opened, overflow, violations
from conftest import ROOT
from test_table import plain

from histojax.studies import table

RAN = "window.ran = (window.ran || 0) + 1"
HOSTILE = [
  f"<script>{RAN}; alert(1)</script>",
  f'" onerror="{RAN}" x=\'',
  f'</style></title><img src=x onerror="{RAN}">',
  "\u202eevil gnirts",
  "a" * 300,
  "{{ 7 * 7 }} {% raw %} \x1b[31m",
]


@pytest.fixture(scope="module")
def browser():
  with chromium() as found:
    yield found


@pytest.fixture(scope="module")
def path(tmp_path_factory):
  """A study of hostile names, in the layout with the most tables; one member failed."""
  rights = {name: 0.5 + 0.07 * k for k, name in enumerate(HOSTILE)}
  with pytest.MonkeyPatch.context() as patch:
    patch.chdir(ROOT)
    patch.setattr("histojax.studies.cost.macs", lambda report: 12_000_000)
    at = tmp_path_factory.mktemp("hostile")
    folder, study, rows = plain(at, rights, folds=(0, 1), classes=HOSTILE[:3])
    study |= {"title": HOSTILE[0] + HOSTILE[4], "layout": "liver", "paper": "liver"}
    (rows[3]["path"] / "report.json").unlink()
    rows[3] |= {"state": "failed", "error": HOSTILE[2]}
    table.write(folder, study, rows)
  return folder.page


@pytest.mark.parametrize("width,scheme", [(390, "dark"), (1280, "light")])
def test_the_page_is_harmless_and_fits(browser, path, width, scheme):
  with opened(browser, path, width, scheme) as (page, heard):
    assert page.evaluate("window.ran") is None, "a name ran as a script"
    assert heard == []
    assert overflow(page) <= 0
    assert violations(page) == []
    text = page.inner_text("body")
    for name in HOSTILE[:3]:
      assert name in text
    assert "{{ 7 * 7 }}" in text and "49 {%" not in text
