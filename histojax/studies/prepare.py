"""What every member of a study needs before it may begin, found once for all."""

import json
import math
from typing import NamedTuple

import jax

from histojax import (
  auditing,
  engine,
  experiment,
  initial,
  published,
  runs,
  selection,
)
from histojax.data import catalogue, splits
from histojax.data import tiles as tile_cache
from histojax.errors import InputError
from histojax.studies import room
from histojax.studies.expand import Member

# what Engine does not read: members that differ in these alone share one
APART = {
  "seed", "epochs", "split", "select_on", "evaluate_every", "evaluate_parts",
  "log_every", "published", "sampling", "checkpoint",
}  # fmt: skip


class Work(NamedTuple):
  """How much a member has to do."""

  steps: int
  images: int  # that its steps look at
  views: int  # that it evaluates, on the way and in the end


class Ready(NamedTuple):
  """A member, checked, with its images and its part of them."""

  member: Member
  request: object  # the member's, its weights found
  dataset: catalogue.DataSet
  tiles: tile_cache.Tiles
  split: splits.Split
  identity: tuple
  plan: object
  work: Work
  images: str  # members with equal ones share the images on the devices,
  engine: str  # ... the engine,
  program: int  # ... and the compiled step
  saved: int  # bytes of its checkpoints, at most

  @property
  def label(self) -> str:
    fold = f", fold {self.member.fold}" if self.member.fold is not None else ""
    return f"{self.member.name}{fold}, seed {self.member.seed}"

  @property
  def folder(self) -> runs.RunFolder:
    return self.member.folder

  def state(self) -> str:
    """finished, begun or missing, whoever ran it.

    Raises:
      InputError: its folder holds another run.
    """
    if not self.folder.begun(*self.identity):
      return "missing"
    return "finished" if self.folder.report.exists() else "begun"


class Images:
  """Data sets, tiles and splits of all members, each made once."""

  def __init__(self):
    self._tiles, self._splits = {}, {}

  def key(self, config) -> str:
    stored = {k: config.augment[k] for k in ("size", "canvas", "rotations")}
    return _text([config.data.to_dict(), stored])

  def of(self, config):
    """(dataset, tiles) of a config."""
    key = self.key(config)
    if key not in self._tiles:
      dataset = catalogue.find(config.data)
      stored = experiment.storage(config.augment)
      tiles = tile_cache.prepare(dataset, *stored, config.data.on_error)
      self._tiles[key] = dataset, tiles
    return self._tiles[key]

  def split(self, config):
    """(split, its `splits.record`) of a config."""
    key = self.key(config) + _text(config.split.to_dict())
    if key not in self._splits:
      _, tiles = self.of(config)
      split = splits.make(tiles, config.split)
      self._splits[key] = split, splits.record(tiles, split)
    return self._splits[key]


class Programs:
  """Which members share a compiled step; every network is built once to see."""

  def __init__(self):
    self._built, self._numbers = {}, {}

  def find(self, key: str, config, tiles, plan) -> tuple:
    """(number, state) of what an engine of that key runs for the rows of a plan.

    Returns:
      The number of the compiled step, and the shapes of the state that it trains.

    Raises:
      InputError: a network, loss or weights that cannot be.
    """
    if key not in self._built:  # {}: no image is put on a device for it
      one = engine.Engine(config, tiles, jax.local_devices()[:1], resident={})
      self._built[key] = one.program, one.abstract()
    program, state = self._built[key]
    shapes = tuple(sorted((k, v.shape) for k, v in plan.batch(0).items()))
    return self._numbers.setdefault((program, shapes), len(self._numbers)), state


def prepare(members: list[Member]) -> list[Ready]:
  """Decodes, splits, plans and builds for every member; nothing is compiled or written.

  Raises:
    InputError: a member that could not begin, with the name of its variant.
  """
  images, programs, found = Images(), Programs(), []
  for member in members:
    try:
      found.append(_ready(member, images, programs))
    except InputError as error:
      raise InputError(f"variant {member.name!r}: {error}") from error
  return found


def audit(found: list[Ready]) -> None:
  """Looks once at every split for what leaks.

  Raises:
    InputError: something does, where a config says split.on_leak=refuse.
  """
  designs = {}
  for ready in found:
    key = ready.images, _text([*ready.identity[1:]])
    designs.setdefault(key, ready)
  for ready in designs.values():
    one = ready.request.config, ready.dataset, ready.tiles, [ready.split]
    auditing.check(*one)


def _ready(member: Member, images: Images, programs: Programs) -> Ready:
  request = initial.resolve(member.request)
  config = request.config
  dataset, tiles = images.of(config)
  if config.published:
    published.check(config.published, tiles.classes)
  split, record = images.split(config)
  plan, further = experiment.ready(config, tiles, split)
  kept = {k: v for k, v in config.to_dict().items() if k not in APART}
  at, identity = images.key(config), (config.to_dict(), record)
  key = at + _text(kept)
  number, state = programs.find(key, config, tiles, plan)
  return Ready(
    member, request, dataset, tiles, split, identity, plan,
    _work(config, plan, split, further), at, key, number,
    room.of_member(config, state),
  )  # fmt: skip


def _work(config, plan, split, further) -> Work:
  turns = selection.test_rotations(config.augment)
  looks = math.ceil(config.epochs / config.evaluate_every)
  seen = {"last": 0, "test": len(split.test) * turns}
  views = looks * seen.get(config.select_on, len(split.validation))
  views += (len(split.test) + len(split.validation)) * turns
  views += sum(map(len, further.values()))
  return Work(plan.num_steps, plan.num_steps * plan.batch_size, views)


def _text(value) -> str:
  return json.dumps(value, sort_keys=True)
