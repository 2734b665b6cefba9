"""The ten images of a run's report: chosen from what it said of the test part."""

from histojax.explain import choosing
from histojax.explain.looking import Looker
from histojax.explain.shown import Shown, contrasted, shown


def of_views(engine, state, views: dict) -> dict:
  """`attention`: what is told of ten images of `views`, as `Engine.predict` returned
  them (list[Shown]); and `maps`, for the report: layer, height and width of Grad-CAM's.

  To be called by all processes of a run; costs one compiled pass over ten images.
  """
  images = choosing.averaged(views)
  at = choosing.choose(images["label"], images["probability"])
  looker = Looker(engine)
  found, _ = told(looker, state, {k: v[at] for k, v in images.items()})
  name, _, height, width, *_ = looker.layer
  return {"attention": found, "maps": {"layer": name, "height": height, "width": width}}


def told(looker: Looker, state, chosen: dict) -> tuple[list[Shown], dict]:
  """(what is told of the images of `chosen`, what `Looker` found of them)."""
  classes = contrasted(chosen["label"], chosen["probability"])
  batch = min(choosing.COUNT, looker.engine.batch_size)
  found = looker(state, chosen["row"], classes, batch=batch)
  return shown(looker, looker.engine.tiles, chosen, found), found
