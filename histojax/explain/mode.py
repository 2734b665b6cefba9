"""--mode=explain: where a trained run looks, as pictures, arrays and a page."""

import datetime
import functools
import io
import json
from pathlib import Path

import numpy as np

from histojax import (
  atomic,
  checkpoint,
  console,
  experiment,
  folds,
  processes,
  selection,
  startup,
)
from histojax.data import handout, splits
from histojax.engine import Engine
from histojax.errors import InputError
from histojax.evaluation import predictions
from histojax.evaluation.verdict import counted
from histojax.explain import (
  attention,
  channels,
  choosing,
  drawing,
  gallery,
  layers,
  page,
)
from histojax.explain.looking import Looker
from histojax.explain.shown import contrasted, lasting

WHY = "explanation of its images"  # in the log of looks at the test part
COARSE = (
  "{} x {} places hardly tell one part of an image from another:"
  " --explain_layer=stage3, where the network has it, is a finer map, of more local"
  " features."
)
MOST = 50  # pictures of a folder of the user's


def run(request, images: str = "", layer: str = "") -> None:
  """Explains ten test images of a finished run; or of a folder all, of one with more
  than fifty ten.

  Of k folds in turn each is explained, in its own folder.

  Args:
    images: a folder of the user's own images, or '' for the test part.
    layer: the map that Grad-CAM looks at, by name; '' for that of `layers.find`.

  Raises:
    InputError: the run is not finished, or nothing that is asked for is there.
  """
  startup.greet()
  request, dataset, tiles, folder = experiment.opened(request)
  members = _members(request, folder, tiles)
  processes.check_alike(request.mode, images, [one.identity for one in members])
  for one in members:
    if not processes.same(lambda one=one: all(one.state())):
      raise InputError(
        f"{one.folder.path} holds no finished run: finish it with --mode=train"
      )
  if images:
    stored, _ = experiment.storage(request.config.augment)
    tiles = gallery.read(images, tiles.classes, stored)
  make_engine = functools.cache(lambda: Engine(request.config, tiles))
  for one in members:
    with one.folder.ours(), console.log_to(one.folder.log):
      _explain(one, dataset, tiles, make_engine(), images, layer)


def _members(request, folder, tiles) -> list[folds.Fold]:
  config = request.config
  if splits.in_turn(config.split):
    designs = splits.asked(tiles, config.split)
    return [
      folds.numbered(request, folder, tiles, *pair) for pair in enumerate(designs)
    ]
  if config.split.protocol == "kfold":
    folder = folder.fold(config.split.fold)
  split = splits.make(tiles, config.split)
  identity = config.to_dict(), splits.record(tiles, split)
  return [folds.Fold(request, folder, split, identity)]


def _explain(one: folds.Fold, dataset, tiles, engine, images: str, layer: str) -> None:
  """One trained run; all its processes look, the first one writes."""
  config, files = one.request.config, one.folder.explained(images)
  looker = Looker(engine, layer)
  name = "last" if config.select_on == "last" else "best"
  with checkpoint.Checkpoints(one.folder.checkpoints, keep=config.checkpoint.keep) as c:
    step, state = c.latest(name), c.restore(name, engine.abstract())
  if images:
    turns = selection.test_rotations(config.augment)
    rows = np.arange(len(tiles))
    views = engine.predict(state, rows, turns, poll=lambda: None, label="looking")
    everything = choosing.averaged(views)
    count = len(tiles) if len(tiles) <= MOST else choosing.COUNT
    found = _looked_at(looker, state, everything, count)
  else:
    _, test = handout.seal(one.split, one.folder.append_handout)
    with test.handed_out(WHY, step, scored=False):
      everything = _predicted(one.folder.predictions, tiles)
      found = _looked_at(looker, state, everything, choosing.COUNT)
  if processes.first():
    synthetic = dataset.synthetic and not images
    content = _content(one, images, looker, tiles, everything, found, synthetic)
    _write(files, content, tiles, found)
    console.say(f"{len(found['told'])} images explained: {files.page}")


def _predicted(path: Path, tiles) -> dict:
  """The test images as the run's own file has them, as `choosing.averaged` does."""
  held = predictions.read(path)
  place = {name: row for row, name in enumerate(tiles.image_id)}
  row = np.array([place[name] for name in held["image_id"]])
  return {"row": row, "label": held["label"], "probability": held["probability"]}


def _looked_at(looker: Looker, state, everything: dict, count: int) -> dict:
  """`chosen`, what is `told` of it, `maps`; and `channels` by class over everything."""
  at = choosing.choose(everything["label"], everything["probability"], count)
  chosen = {key: values[at] for key, values in everything.items()}
  told, maps = attention.told(looker, state, chosen)
  means, by, label = {}, "true", everything["label"]
  if maps["channel"]:
    if (label < 0).all():
      label, by = everything["probability"].argmax(-1), "predicted"
    classes = contrasted(label, everything["probability"])
    seen = looker(
      state, everything["row"], classes, batch=choosing.COUNT, keep=("channel",),
      label="channels",
    )  # fmt: skip
    count = everything["probability"].shape[1]
    means = channels.by_class(seen["channel"], label, count)
  return {
    "chosen": chosen, "told": told, "maps": maps, "channels": means, "by": by,
    "classed": int((label >= 0).sum()),
  }  # fmt: skip


def _content(one, images, looker, tiles, everything, found, synthetic: bool) -> dict:
  """explain.json."""
  request, layer, view = one.request, looker.layer, looker.engine.view
  chosen, maps = found["chosen"], found["maps"]
  each = []
  for i, row in enumerate(chosen["row"]):
    label, probability = int(chosen["label"][i]), chosen["probability"][i]
    upright = maps["probability"][i]
    name = {key: dict(zip(tiles.classes, map(float, p), strict=True)) for key, p in (
      ("probability", probability), ("probability_upright", upright)
    )}  # fmt: skip
    each.append(
      {
        "image_id": str(tiles.image_id[row]),
        "label": None if label < 0 else tiles.classes[label],
        "prediction": tiles.classes[int(probability.argmax())],
        **name,
        "grad_cam_largest": [float(m.max()) for m in maps["cam"][i]],
      }
    )
  of = f"images of {images}" if images else "test images"
  count = len(everything["row"])
  return {
    "title": f"{Path(request.file).stem}{request.variant and ':' + request.variant}",
    "command": request.command,
    "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M"),
    "folder": str(one.folder.path),
    "of": f"{len(each)} of {count:,} {of}",
    "synthetic": synthetic,
    "model": request.config.model.name,
    "attention": f"attention {request.config.model.attention}",
    "layer": {
      "name": layer.name, "height": layer.height, "width": layer.width,
      "first": layer.grid.first, "stride": layer.grid.stride,
    },
    "input": {"size": view.size, "canvas": view.canvas},
    "reading": reading(looker),
    "images": each,
    "channels": {name: channels.spread(m) for name, m in found["channels"].items()},
    "channels_of": f"Means over {counted(found['classed'], 'image')} by their"
    f" {found['by']} class.",
  }  # fmt: skip


def reading(looker: Looker) -> list[str]:
  """What the maps are, in sentences."""
  layer = looker.layer
  coarse = layer.height * layer.width < layers.PLACES
  return [
    "Grad-CAM: where the network's"
    f" {'last map' if layer.name == 'map' else layer.name} of"
    f" {layer.height} x {layer.width} places, {layer.grid.stride} pixels of its input"
    " apart, speaks for a class; each map on a scale of its own. There is one for what"
    " was said, and one for the true class of an error, else for the second choice.",
    "Blocks: the factors or the attention that the network itself computed, on the"
    " scale that is given. A non-local block is asked at the cross, where Grad-CAM is"
    " largest.",
    *[COARSE.format(layer.height, layer.width)] * coarse,
    "A map says where the network looks, not why, and no finer than its places lie."
    " Images are upright; probabilities are means over the angles at which the run"
    " tests.",
  ]


def _write(files, content: dict, tiles, found: dict) -> None:
  told, chosen, maps = (found[key] for key in ("told", "chosen", "maps"))
  synthetic, pictures = content["synthetic"], []
  for number, (one, about) in enumerate(zip(told, content["images"], strict=True)):
    path = files.image(number)
    drawing.one_image(path, one, synthetic=synthetic)
    about["figure"] = str(path.relative_to(files.path))
    pictures.append((about, path))
  drawing.overview(files.overview, told[: choosing.COUNT], synthetic=synthetic)
  weights = None
  if found["channels"]:
    last = dict(reversed(lasting(found["channels"])))
    weights = channels.picture(files.channels, last, tiles.classes, synthetic=synthetic)
  arrays = {
    "image_id": np.array([one.image_id for one in told]),
    "grad_cam": maps["cam"],
    "grad_cam_class": contrasted(chosen["label"], chosen["probability"]),
    "place": maps["place"],
  }
  arrays |= {f"spatial/{name}": values for name, values in maps["spatial"].items()}
  arrays |= {f"channel/{name}": values for name, values in found["channels"].items()}
  data = io.BytesIO()
  np.savez_compressed(data, **arrays)
  atomic.write(files.maps, data.getvalue())
  content["maps"] = files.maps.name
  page.write(files.page, content, pictures, weights)
  text = json.dumps(content, indent=1, allow_nan=False) + "\n"
  atomic.write(files.content, text.encode("utf-8", "surrogateescape"))  # the last
