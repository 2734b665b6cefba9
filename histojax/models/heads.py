"""Heads: from a backbone's end points to logits, by name in one spec string.

A head is a linen module, called with the end points of a backbone (`features` [B, C]
float32, and the maps `stage3` ... [B, h, w, C]); it returns the logits [B, K] float32
and further end points of its own. Its last layer is called `out`, the only one whose
shape knows the number of classes.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from histojax.errors import InputError
from histojax.spec import single

Ends = dict[str, jax.Array]
POOLED = 7  # the side of the map that VGG's first dense layer reads


class Linear(nn.Module):
  """Dropout and one dense layer on `features`: K (C + 1) parameters."""

  num_classes: int
  dropout: float = 0.0
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    drop = nn.Dropout(self.dropout, name="dropout1")
    x = drop(ends["features"], deterministic=not train)
    return Dense(self.num_classes, name="out")(x), {}


class Mlp(nn.Module):
  """Dense, ReLU, dropout, dense on `features`."""

  num_classes: int
  hidden: int = 256
  dropout: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    x = nn.relu(Dense(self.hidden, name="fc1")(ends["features"]))
    x = nn.Dropout(self.dropout, name="dropout1")(x, deterministic=not train)
    return Dense(self.num_classes, name="out")(x), {"hidden": x}


class FullyConnected(nn.Module):
  """VGG's: mean over 7x7 cells, two dense layers with ReLU and dropout, a third.

  Reads the last map, `map` [B, h, w, C].
  """

  num_classes: int
  hidden: int = 4096
  dropout: float = 0.5
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    x = cells(ends["map"].astype(self.dtype))
    for number in (1, 2):
      x = nn.relu(Dense(self.hidden, name=f"fc{number}")(x))
      drop = nn.Dropout(self.dropout, name=f"dropout{number}")
      x = drop(x, deterministic=not train)
    x = x.astype(jnp.float32)
    return Dense(self.num_classes, name="out")(x), {"hidden": x}


class Dual(nn.Module):
  """Dense, LeakyReLU, dense, ReLU, dense on `features`: DALAResNet50's.

  hidden: widths of one or two layers; the last dense layer reads a LeakyReLU if one.
  slope: of the LeakyReLU left of 0.
  """

  num_classes: int
  hidden: tuple[int, ...] = (512, 256)
  slope: float = 0.01
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    x = Dense(self.hidden[0], name="fc1")(ends["features"])
    x = nn.leaky_relu(x, self.slope)
    if len(self.hidden) == 2:
      x = nn.relu(Dense(self.hidden[1], name="fc2")(x))
    return Dense(self.num_classes, name="out")(x), {"hidden": x}


class Fused(nn.Module):
  """One dense layer on the means of several stages' maps, side by side."""

  num_classes: int
  stages: tuple[int, ...] = (3, 4, 5)
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    maps = [ends[f"stage{stage}"] for stage in self.stages]
    x = jnp.concatenate([m.mean((1, 2), dtype=jnp.float32) for m in maps], axis=-1)
    return Dense(self.num_classes, name="out")(x), {"hidden": x}


class Multitask(nn.Module):
  """Classes, an embedding of length 1 and a hash, on `features`.

  Peng et al., MICCAI 2019 (bioRxiv 661454), which does not state the sizes. End points:
  `embedding` [B, embedding] float32, and `hash` [B, bits] in (-1, 1), tanh of a dense
  layer on it.
  """

  num_classes: int
  embedding: int = 64
  bits: int = 48
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self, ends: Ends, *, train: bool) -> tuple[jax.Array, Ends]:
    features = ends["features"]
    logits = Dense(self.num_classes, name="out")(features)
    x = Dense(self.embedding, name="embedding")(features)
    x = x * lax.rsqrt(jnp.maximum(jnp.square(x).sum(-1, keepdims=True), 1e-24))
    code = jnp.tanh(Dense(self.bits, name="hash")(x))
    return logits, {"embedding": x, "hash": code}


HEADS = {
  "linear": Linear,
  "mlp": Mlp,
  "fc": FullyConnected,
  "dual": Dual,
  "fused": Fused,
  "multitask": Multitask,
}


def create(spec: str, num_classes: int, dtype: Any) -> nn.Module:
  """The head of a spec such as 'mlp(hidden=256, dropout=0.5)', named 'head'.

  To be called inside a backbone's compact method.
  """
  name, kwargs = check(spec)
  return HEADS[name](num_classes=num_classes, dtype=dtype, name="head", **kwargs)


def check(spec: str, parts: Sequence[str] = ()) -> tuple[str, dict[str, Any]]:
  """(name, arguments) of a spec.

  parts: of the network, such as 'stage3', where they are known: its maps.

  Raises:
    InputError: an unknown head or argument, a value no head can have, or a map that
      the network does not have.
  """
  name, kwargs = single(spec, known=HEADS, what="model.head")
  for key in {"num_classes", "dtype"} & kwargs.keys():
    raise InputError(f"model.head={spec!r}: {key} is not set here")
  if not 0 <= kwargs.get("dropout", 0) < 1:
    raise InputError(f"model.head={spec!r}: give a share, 0 <= dropout < 1")
  for key in {"hidden", "embedding", "bits"} & kwargs.keys():
    widths = kwargs[key] if type(kwargs[key]) is tuple else (kwargs[key],)
    if len(widths) not in (1, 2) or not all(type(n) is int and n > 0 for n in widths):
      raise InputError(
        f"model.head={spec!r}: {key} must be at least 1 (and of 'dual' one or two such"
        " numbers: hidden=(512,))"
      )
  if name == "fused":
    wanted = kwargs.get("stages", Fused.stages)
    maps = [part for part in parts if part.startswith("stage")]
    lacking = [n for n in wanted if type(n) is not int or f"stage{n}" not in maps]
    if parts and (lacking or not wanted):
      raise InputError(
        f"model.head={spec!r}: this network has no map of stage {lacking or 'none'};"
        f" it has {', '.join(maps) or 'a single map, for the head linear'}"
      )
  return name, kwargs


class Dense(nn.Module):
  """x [B, ...] -> [B, features] in its dtype; the kernel is [..., features]."""

  features: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    start, shape = nn.initializers.normal(0.01), (*x.shape[1:], self.features)
    kernel = self.param("kernel", start, shape).astype(x.dtype)
    bias = self.param("bias", nn.initializers.zeros, (self.features,))
    return jnp.tensordot(x, kernel, x.ndim - 1) + bias.astype(x.dtype)


def cells(x: jax.Array) -> jax.Array:
  """x [B, H, W, C] -> [B, 7, 7, C]: means of cells that cover the map.

  Cell i holds the rows floor(i H / 7) to ceil((i + 1) H / 7), so cells overlap where 7
  does not divide H, and repeat where H < 7 (PyTorch's adaptive pooling).
  """
  if x.shape[1:3] == (POOLED, POOLED):
    return x
  rows, columns = (_shares(side) for side in x.shape[1:3])
  return jnp.einsum("ih,bhwc,jw->bijc", rows, x, columns).astype(x.dtype)


def _shares(side: int) -> jax.Array:
  """[7, side]: the weight of each row in each cell's mean."""
  i, at = jnp.arange(POOLED)[:, None], jnp.arange(side)
  inside = (at >= i * side // POOLED) & (at < -(-(i + 1) * side // POOLED))
  return inside / inside.sum(1, keepdims=True)
