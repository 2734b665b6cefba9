"""The layer whose map is explained, and where its places lie in the network's input."""

from typing import NamedTuple

import flax.linen as nn
import jax

from histojax.errors import InputError, nearest

PLACES = 16  # fewer hardly tell one part of an image from another


class Grid(NamedTuple):
  """Place (i, j) of a map is centred on input pixel (first + stride i, ... j)."""

  first: float
  stride: int


class Layer(NamedTuple):
  """A module's output [B, h, w, C], or [B, 1 + h w, C] with [CLS] first."""

  name: str  # an end point ('map', 'stage4'), or a transformer's block
  path: tuple[str, ...]  # of the module
  height: int  # h
  width: int
  shape: tuple[int, ...]  # of the output, without B
  grid: Grid

  @property
  def tokens(self) -> bool:
    return len(self.shape) == 2


def find(model, size: int, name: str = "") -> Layer:
  """The layer of that name; by default the last map of the network that has PLACES.

  At the papers' 224 pixels that is the last one: what a ResNet, DenseNet or Swin takes
  the mean of, and of a VGG the last stage before its pooling. A small input leaves it
  fewer places, and a stage before it is looked at (the last one where none has so
  many). Of a ViT, whose head reads [CLS] alone, it is what the last block's attention
  reads: its normed input.

  Args:
    model: a backbone of `models.create`.
    size: pixels on a side of its input.

  Raises:
    InputError: the network has no such layer.
  """
  made = _made(model, size)
  if name and name not in made:
    raise InputError(f"--explain_layer={name}: {nearest(name, made)}")
  deep_first = sorted(reversed(made), key=lambda name: name != "map")
  if model.family == "vit":
    height = width = size // model.patch
    name = name or deep_first[0]
  else:
    sides = {name: shape[:2] for name, (_, shape) in made.items()}
    wide = [name for name in deep_first if sides[name][0] * sides[name][1] >= PLACES]
    name = name or [*wide, deep_first[0]][0]
    height, width = sides[name]
  path, shape = made[name]
  return Layer(name, path, height, width, shape, grid(model, name))


def _made(model, size: int) -> dict[str, tuple]:
  """{name: (path of the module, its output's shape without B)}, from the image on.

  A map is the output of the outermost module that returned this very array.
  """
  outputs, found = {}, {}

  def note(call, args, kwargs, context):
    y = call(*args, **kwargs)
    if context.method_name == "__call__" and isinstance(y, jax.Array):
      outputs[id(y)] = context.module.path, y  # kept, so no other array has its id
    return y

  def run(key):
    images = jax.numpy.zeros((1, size, size, 3))
    with nn.intercept_methods(note):
      (_, ends), _ = model.init_with_output(key, images, train=False)
    if model.family == "vit":
      blocks = [part for part in model.parts if part.startswith("block")]
      paths = {path: y for path, y in outputs.values()}
      ends = {part: paths[part, "norm1"] for part in blocks}
    for name, end in ends.items():
      if end.ndim in (3, 4) and id(end) in outputs:
        found[name] = outputs[id(end)][0], end.shape[1:]
    return 0

  jax.eval_shape(run, jax.random.key(0))
  return found


def grid(model, name: str) -> Grid:
  """Of a map by its name, or that of the block it is in ('stage4_block2').

  Stages are numbered by their stride, a VGG's by the poolings before them. A 3x3 of
  stride 2 with a border of 1 centres place i on 2 i, a pooling of 2x2 between 2 i and
  2 i + 1: half a place apart, which at a stride of 32 is 16 pixels.
  """
  if model.family == "vit":
    return Grid((model.patch - 1) / 2, model.patch)
  stage = name.split("_")[0]
  number = int(stage.removeprefix("stage")) if stage.startswith("stage") else 5
  if model.family == "vgg" and stage.startswith("stage"):
    number -= 1
  stride = 2**number
  halves = {"resnet": 0.0, "densenet": (stride - 4) / 2}  # the stem is a ResNet's
  return Grid(halves.get(model.family, (stride - 1) / 2), stride)
