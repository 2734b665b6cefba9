"""explain.html: the figures of an explanation on one page, for people."""

from pathlib import Path

from histojax import atomic
from histojax.evaluation import pages


def write(path: Path, content: dict, pictures: list, channels: Path | None) -> None:
  """Writes the page, whole or not at all.

  Args:
    content: as in explain.json.
    pictures: [(the image's entry in the content, path of its PNG)].
    channels: the PNG of the channels' weights, if there is one.
  """
  page = pages.render(
    "page.html",
    __file__,
    content=content,
    pictures=[(image, pages.embedded(picture)) for image, picture in pictures],
    channels=channels and pages.embedded(channels),
  )
  atomic.write(path, page)
