"""Pages in a real Chromium, and what axe-core says of them."""

import contextlib
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextlib.contextmanager
def chromium():
  """A browser without a window; skips where none is installed."""
  found = next(filter(None, map(shutil.which, NAMES)), None)
  if not found:
    pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed")
  from playwright.sync_api import sync_playwright

  with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=found)
    yield browser
    browser.close()


@contextlib.contextmanager
def opened(browser, path: Path, width: int, scheme: str = "light"):
  """(page, heard): a file, its folds open, and what went on: dialogs, errors, requests.

  The page's own policy, which forbids scripts, is switched off: names must be harmless
  without it.
  """
  size = {"width": width, "height": 844}
  context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
  page, heard = context.new_page(), []

  def dialog(box):
    heard.append(f"dialog: {box.message}")
    box.dismiss()

  def request(asked):
    if not asked.url.startswith(("file:", "data:")):
      heard.append(f"request: {asked.url}")

  page.on("dialog", dialog)
  page.on("request", request)
  page.on("console", lambda message: heard.append(message.text))
  page.on("pageerror", lambda error: heard.append(str(error)))
  page.goto(path.absolute().as_uri())
  page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
  yield page, heard
  context.close()


def violations(page) -> list[str]:
  """What every rule of axe-core finds, best practices too; at least 20 must apply."""
  import axe_playwright_python

  page.add_script_tag(path=Path(axe_playwright_python.__file__).parent / "axe.min.js")
  found = page.evaluate("axe.run()")
  assert len(found["passes"]) >= 20, "axe-core found nothing to look at"
  return [
    f"{rule['id']}: {rule['help']}: {node['html'][:200]}"
    for rule in found["violations"]
    for node in rule["nodes"]
  ]


def overflow(page) -> int:
  """Pixels by which a page is wider than the window."""
  return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
