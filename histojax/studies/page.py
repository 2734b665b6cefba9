"""study.html: no script, no request; pictures are inside."""

import base64
from pathlib import Path


def render(content: dict, pictures: dict) -> bytes:
  """The page of a study; `pictures` is {name: (title, path)} in order."""
  import jinja2

  here = Path(__file__).parent
  files = jinja2.FileSystemLoader([here, here.parent / "evaluation"])
  options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
  shown = [(title, _inside(path)) for title, path in pictures.values()]
  template = jinja2.Environment(loader=files, **options).get_template("study.html")
  text = template.render(content=content, pictures=shown)
  return text.encode("utf-8", "xmlcharrefreplace")


def _inside(path: Path) -> str:
  return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
