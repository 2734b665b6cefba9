"""study.html: no script, no request; pictures are inside."""

from histojax.evaluation import pages


def render(content: dict, pictures: dict) -> bytes:
  """The page of a study; `pictures` is {name: (title, path)} in order."""
  shown = [(title, pages.embedded(path)) for title, path in pictures.values()]
  return pages.render("study.html", __file__, content=content, pictures=shown)
