"""What a frozen backbone says of every image, computed once: what its heads train on.

A cache holds `features` of every image at every angle and in every flip version that a
plan can ask for, as the engine's own evaluation computes them. It is a folder of
`data.cache`: whole or absent, whatever kills its building.
"""

import dataclasses
import functools
import hashlib
import json
import math
from pathlib import Path

import jax
import numpy as np

from histojax import atomic, console, engine, sharding
from histojax.data import cache
from histojax.data.plan import FLIPS, flip_of, rotation_of
from histojax.models import freezing, heads
from histojax.ops.platform import platform

FORMAT = 1  # changes with what a cache holds
VERSIONS = {"none": 1, "horizontal": 2, "both": FLIPS, "all": FLIPS}  # of flip
READ = ("linear", "mlp", "dual", "multitask")  # heads that read `features` alone


def able(config, tiles) -> str:
  """Why a config cannot train on cached features, in a sentence; '' where it can."""
  model, _, _ = engine.parts(config, len(tiles.classes))
  given, frozen = config.augment, freezing.frozen_parts(model.freeze, model.parts)
  name, _ = heads.check(model.head)
  room = config.data.device_memory_gib
  if frozen != tuple(model.parts[:-1]):
    return f"model.freeze={model.freeze!r} leaves more than the head to train"
  if name not in READ:
    return f"model.head={model.head!r} reads maps, not the features alone"
  if given.get("shift", 0) or given.get("zoom", 0):
    return "augment.shift and augment.zoom draw from more views than can be listed"
  if config.select_on == "test":
    return "select_on=test writes down every look at the test part"
  if jax.process_count() > 1:
    return "several processes run it"
  width = jax.eval_shape(_Width(model, given.size)).shape[-1]
  gib = 4 * width * views(config, len(tiles)) / 2**30
  if gib > room:
    return f"its features take {gib:.2f} GiB, more than data.device_memory_gib={room:g}"
  return ""


def turns(augment) -> int:
  """How many angles, evenly spaced, hold all that training and testing look at."""
  training = 1 if augment.train_rotations == "none" else augment.rotations
  return math.lcm(training, augment.get("test_rotations", augment.rotations))


def views(config, images: int) -> int:
  """How many views of so many images a cache holds."""
  return images * turns(config.augment) * VERSIONS[config.augment.flip]


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
  """`array` float32 [N, turns, versions, C]: row i is image i of the tiles.

  Turn t is 360 t / turns degrees; versions are those of `plan.flip_of`.
  """

  array: np.ndarray
  labels: np.ndarray  # int32 [N]

  @property
  def turns(self) -> int:
    return self.array.shape[1]

  @property
  def versions(self) -> int:
    return self.array.shape[2]

  @functools.lru_cache(maxsize=1)  # noqa: B019 - one at a time has room
  def on(self, place) -> dict:
    """`image` [N turns versions, C] and `label` [N] on the devices of a sharding."""
    flat = self.array.reshape(-1, self.array.shape[-1])
    return sharding.put({"image": flat, "label": self.labels}, place)


@dataclasses.dataclass(frozen=True)
class EveryView:
  """A plan that looks at every image at every angle in every version, in that order."""

  images: int
  turns: int
  versions: int
  batch_size: int

  @property
  def rows(self) -> np.ndarray:
    return np.arange(self.images)

  @property
  def views(self) -> int:
    return self.images * self.turns * self.versions

  @property
  def num_steps(self) -> int:
    return math.ceil(self.views / self.batch_size)

  def batch(self, step: int) -> dict[str, np.ndarray]:
    """As in `plan.TrainPlan`; the last batch repeats the last view."""
    view = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
    view, version = np.divmod(np.minimum(view, self.views - 1), self.versions)
    image, angle = rotation_of(view, self.turns)
    row = {"index": image.astype(np.int32), "angle": angle.astype(np.float32)}
    return row | ({"flip": flip_of(version)[1]} if self.versions > 1 else {})


def cached(
  config, through: engine.Engine, state, name: str = "", poll=lambda: None
) -> Features:
  """The features of all images of an engine by the backbone of a state.

  Computed now, or opened as they were computed before: of the same weights, images,
  sizes, colours and kind of device. They are kept beside the tiles.

  Args:
    name: their `fingerprint`, where it is known.
    poll: called between batches; raises where a signal has arrived.

  Raises:
    OSError: there is no room for them; nothing half-written is left.
  """
  plan = _plan(config, through)
  name = name or fingerprint(config, through, state)
  folder = cache.cache_root() / "features" / name
  path = cache.kept(folder, lambda partial: _fill(partial, through, state, plan, poll))
  array = np.load(path / "features.npy", mmap_mode="r")
  return Features(array, through.tiles.label)


def _plan(config, through: engine.Engine) -> EveryView:
  versions = VERSIONS[config.augment.flip]
  return EveryView(
    len(through.tiles), turns(config.augment), versions, through.batch_size
  )


def fingerprint(config, through: engine.Engine, state) -> str:
  """One name for one cache: of all that its numbers depend on."""
  plan = _plan(config, through)
  tiles, found = through.tiles, hashlib.sha256()
  model = _backbone(config) | {"dtype": through.dtype}
  view = dataclasses.asdict(through.view) | {"flip": plan.versions}
  about = [FORMAT, platform(), plan.turns, model, view, tiles.image.shape]
  found.update(json.dumps(about, sort_keys=True).encode())
  found.update("".join(tiles.digest).encode())
  found.update(tiles.extent.tobytes())
  weights = jax.device_get((state.frozen, state.batch_stats))
  for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
    found.update(jax.tree_util.keystr(path).encode())
    found.update(np.ascontiguousarray(leaf))
  return found.hexdigest()[:32]


def shared_by(config, images: str) -> tuple:
  """Equal of configs that share a cache; `images` names their images."""
  augment = config.augment.to_dict() | {"turns": turns(config.augment)}
  seed = None if config.get("init", {}).get("weights") else config.seed
  return images, json.dumps([_backbone(config), augment], sort_keys=True), seed


def _backbone(config) -> dict:
  """The keys of a model but those that read its features, or name what is frozen."""
  given = config.model.to_dict()
  return {k: v for k, v in given.items() if k not in ("head", "freeze")}


def _fill(partial: Path, through: engine.Engine, state, plan: EveryView, poll) -> None:
  """Writes features.npy of every view, batch by batch."""
  params, batch_stats = state.all_params, state.batch_stats
  path, array, waiting = partial / "features.npy", None, None

  def write(step, found):
    nonlocal array
    found = jax.device_get(found)
    if array is None:
      shape = (plan.images, plan.turns, plan.versions, found.shape[-1])
      array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
      atomic.reserve(path, path.stat().st_size)
      array = array.reshape(plan.views, -1)
    place = step * plan.batch_size
    array[place : place + plan.batch_size] = found[: plan.views - place]
    progress.advance(plan.batch_size)

  with console.Progress(plan.views, "caching features", "view") as progress:
    for step, (arrays, row) in enumerate(through.batches(plan)):
      found = through.program.evaluate(params, batch_stats, arrays, row)
      if waiting:  # one batch ahead of the disk
        write(*waiting)
      waiting = step, found["features"]
      poll()
    write(*waiting)
  array.flush()


@dataclasses.dataclass(frozen=True)
class _Width:
  """() -> the features of one image, for their shape."""

  model: object
  size: int

  def __call__(self):
    images = jax.numpy.zeros((1, self.size, self.size, 3))
    (_, ends), _ = self.model.init_with_output(jax.random.key(0), images, train=False)
    return ends["features"]
