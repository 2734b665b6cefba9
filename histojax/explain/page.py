"""explain.html: the figures of an explanation on one page, for people."""

from pathlib import Path

from histojax import atomic
from histojax.evaluation.report import _embedded as embedded


def write(path: Path, content: dict, pictures: list, channels: Path | None) -> None:
  """Writes the page, whole or not at all.

  Args:
    content: as in explain.json.
    pictures: [(the image's entry in the content, path of its PNG)].
    channels: the PNG of the channels' weights, if there is one.
  """
  import jinja2

  here = Path(__file__).parent
  loader = jinja2.FileSystemLoader([here, here.parent / "evaluation"])
  options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
  page = jinja2.Environment(loader=loader, **options).get_template("page.html")
  text = page.render(
    content=content,
    pictures=[(image, embedded(picture)) for image, picture in pictures],
    channels=channels and embedded(channels),
  )
  # a name that is no Unicode (an odd file name) becomes a character reference
  atomic.write(path, text.encode("utf-8", "xmlcharrefreplace"))
