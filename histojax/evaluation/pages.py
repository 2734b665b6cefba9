"""Pages for people: no script, no request, pictures inside."""

import base64
import io
from pathlib import Path

_LOSSLESS = 150_000  # bytes; larger pictures (photographs of tissue) become JPEG


def render(template: str, beside: str | Path = "", *, filters=None, **content) -> bytes:
  """A page of the folder of `beside` (a module's __file__), or of this one.

  Every value is escaped; keys that `content` lacks are nothing.
  """
  import jinja2

  here = Path(__file__).parent
  page = jinja2.Environment(
    loader=jinja2.FileSystemLoader([Path(beside).parent, here] if beside else here),
    undefined=jinja2.ChainableUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  page.filters |= filters or {}
  page.globals |= content  # macros see them, too
  # a name that is no Unicode (an odd file name) becomes a character reference
  return page.get_template(template).render().encode("utf-8", "xmlcharrefreplace")


def embedded(path: str | Path) -> str:
  """A data URI of the picture; tissue shrinks fivefold as JPEG."""
  data, kind = Path(path).read_bytes(), "png"
  if len(data) > _LOSSLESS:
    from PIL import Image

    small, kind = io.BytesIO(), "jpeg"
    with Image.open(path) as image:
      image.convert("RGB").save(small, "JPEG", quality=88, subsampling=0)
    data = small.getvalue()
  return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
