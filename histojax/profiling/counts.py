"""Multiply-accumulates and the least bytes of a model, from its own shapes.

The inference pass is traced, neither compiled nor run; each of its convolutions and
matrix products is an `Op`. XLA's own cost analysis is of no use here: it does not see
into cuDNN's convolutions. What a training step adds follows from which operand depends
on a trained parameter, so frozen stages are counted as what they cost.
"""

import collections
import dataclasses
import math
import re
from typing import NamedTuple

import jax
from jax.extend.core import jaxprs_in_params

from histojax.ops.platform import lowered_for


@dataclasses.dataclass(frozen=True)
class Op:
  """One convolution or matrix product, of a whole batch.

  Backward bytes are those of an ideal fusion: the gradients of input and weights
  together read the weights and input once, read the output and its gradient, and write
  the gradient of the input; everything elementwise rides along.
  """

  path: str  # 'ResNet/stage2_block1/conv1'
  macs: int
  gradients: int  # 0 to 2: of the input, of the weights
  forward_bytes: int
  backward_bytes: int

  @property
  def flops(self) -> int:
    """Of a training step: forward and gradients."""
    return 2 * self.macs * (1 + self.gradients)

  @property
  def bytes(self) -> int:
    return self.forward_bytes + self.backward_bytes


class Counts(NamedTuple):
  """The operations of one batch, and what the optimizer reads and writes a step."""

  ops: tuple[Op, ...]
  batch: int
  optimizer_bytes: int

  @property
  def macs(self) -> int:
    """Per image, forward."""
    return sum(op.macs for op in self.ops) // self.batch

  def total(self, field: str) -> float:
    """A field of `Op`, per image."""
    own = self.optimizer_bytes if field == "bytes" else 0
    return (sum(getattr(op, field) for op in self.ops) + own) / self.batch

  def by_layer(self, layers) -> dict[str, list[Op]]:
    found = collections.defaultdict(list)
    for op in self.ops:
      found[layer_of(op.path, layers)].append(op)
    return found


class _Seen(NamedTuple):
  """What a value depends on."""

  images: bool = False
  trained: bool = False
  weights: frozenset = frozenset()  # which parameters, while no image is involved


def count(model, state, images) -> Counts:
  """Counts `model` as the training step applies it.

  Args:
    state: a TrainState, arrays or shapes; `frozen` is outside the gradient.
    images: shape and dtype of one batch, [B, H, W, 3].
  """

  def forward(images, trained, rest):
    frozen, stats = rest
    variables = {"params": trained | frozen, "batch_stats": stats}
    return model.apply(variables, images, train=False)[0]

  arguments = images, state.params, (state.frozen, state.batch_stats)
  with lowered_for("tpu"):  # plain convolutions: neither the CPU's forms nor the GPU's
    jaxpr = jax.make_jaxpr(forward)(*arguments)
  trained = len(jax.tree.leaves(state.params))
  inputs = [_Seen(images=True)]
  for i in range(1, len(jaxpr.in_avals)):
    inputs.append(_Seen(False, i <= trained, frozenset([i])))
  ops = []
  _walk(jaxpr.jaxpr, inputs, "", 1, ops)

  # Weights applied a second time to a pooled map are a trick of the implementation
  # (the mean of a product is the product of the mean); the model's own is the largest.
  largest = collections.Counter()
  for key, op in ops:
    largest[key] = max(largest[key], op.macs)
  kept = tuple(op for key, op in ops if not key or op.macs == largest[key])
  moved = 4 * _bytes(jax.tree.leaves(state.params))  # they and gradients, in and out
  moved += 2 * _bytes([x for x in jax.tree.leaves(state.opt_state) if x.ndim])
  return Counts(kept, images.shape[0], moved)


def layer_of(path: str, layers) -> str:
  """The layer that a name stack or op_name belongs to; '' for none of `layers`."""
  return next((word for word in re.findall(r"\w+", path) if word in layers), "")


def _walk(jaxpr, inputs, prefix, times, ops) -> list[_Seen]:
  """Appends (weights, Op) of a jaxpr and what it calls; returns what it puts out."""
  known = dict(zip(jaxpr.invars, inputs, strict=True))

  def seen(atom):
    return _Seen() if hasattr(atom, "val") else known.get(atom, _Seen())

  for eqn in jaxpr.eqns:
    path = "/".join(filter(None, [prefix, str(eqn.source_info.name_stack)]))
    given = [seen(v) for v in eqn.invars]
    out = _joined(given)
    outs = [out] * len(eqn.outvars)
    if eqn.primitive.name in ("dot_general", "conv_general_dilated") and out.images:
      ops.append(_op(eqn, given, path, times))
    for inner in jaxprs_in_params(eqn.params):
      same = len(inner.invars) == len(given)
      repeats = times * eqn.params.get("length", 1)
      handed = given if same else [out] * len(inner.invars)
      found = _walk(inner, handed, path, repeats, ops)
      outs = found if len(found) == len(outs) else outs
    if eqn.primitive.name == "stop_gradient":
      outs = [out._replace(trained=False)]
    known.update(zip(eqn.outvars, outs, strict=True))
  return [seen(v) for v in jaxpr.outvars]


def _joined(given) -> _Seen:
  images = any(s.images for s in given)
  weights = frozenset() if images else frozenset().union(*(s.weights for s in given))
  return _Seen(images, any(s.trained for s in given), weights)


def _op(eqn, given, path, times) -> tuple[frozenset, Op]:
  left, right = (v.aval for v in eqn.invars)
  out = eqn.outvars[0].aval
  if eqn.primitive.name == "dot_general":
    (contracted, _), _ = eqn.params["dimension_numbers"]
    inner = math.prod(left.shape[d] for d in contracted)
  else:
    features = eqn.params["dimension_numbers"].rhs_spec[0]
    inner = math.prod(right.shape) // right.shape[features]
  data, weights = (0, 1) if given[0].images else (1, 0)
  sizes = [_bytes([a]) for a in (left, right)]
  gradients = sum(s.trained for s in given)
  backward = gradients * sizes[data] + 2 * _bytes([out]) + sizes[weights]
  return given[weights].weights, Op(
    path,
    times * math.prod(out.shape) * inner,
    gradients,
    times * (sum(sizes) + _bytes([out])),
    times * backward * (gradients > 0),
  )


def _bytes(arrays) -> int:
  return sum(math.prod(a.shape) * a.dtype.itemsize for a in arrays)
