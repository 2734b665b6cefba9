"""Optimizers at unit rate: the step multiplies their update by the row's learning rate.

The rate is data: the plan's row carries it into the step, so neither the length of a
schedule (`schedules`) nor its shape is a constant of the compiled program.
"""

import functools

import jax
import jax.numpy as jnp
import optax

from histojax.errors import InputError, nearest

NAMES = ("sgd", "adam", "adamw")
DECAY = ("all", "kernels")


def create(config) -> optax.GradientTransformation:
  """The optimizer of `config.optimizer`; equal settings are one object.

  Keys that a config may lack: name (sgd), nesterov (False), decay (all), clip (0).

  Raises:
    InputError: an unknown name, or settings that do not go together.
  """
  return transformation(
    config.get("name", "sgd"),
    config.momentum,
    config.weight_decay,
    nesterov=config.get("nesterov", False),
    decay=config.get("decay", "all"),
    clip=config.get("clip", 0.0),
    by_part=has_shares(config),
  )


def has_shares(config) -> bool:
  """Whether the parts of the network learn at rates of their own."""
  return config.get("layer_decay", 1.0) != 1 or config.get("unfreeze", "none") != "none"


def sgd(momentum: float, weight_decay: float) -> optax.GradientTransformation:
  """Plain SGD, or with momentum: see `transformation`."""
  return transformation("sgd", momentum, weight_decay)


@functools.cache  # one object per setting, so that equal settings share a program
def transformation(
  name: str,
  momentum: float,
  weight_decay: float,
  *,
  nesterov: bool = False,
  decay: str = "all",
  clip: float = 0.0,
  by_part: bool = False,
) -> optax.GradientTransformation:
  """An optimizer at unit rate, as PyTorch's of that name.

    sgd    v <- momentum v + (g + weight_decay w);  w <- w - rate v
           nesterov: w <- w - rate (g + weight_decay w + momentum v)
    adam   Adam of g + weight_decay w, beta1 = momentum, beta2 = 0.999, epsilon = 1e-8
    adamw  Adam of g; w <- w - rate (update + weight_decay w)

  SGD of momentum 0 is the plain update w <- w - rate g (liver paper, eq. 3). `decay`:
  weight decay pulls at all parameters, or at those called `kernel` alone, which spares
  norms, biases, positions and scales. `clip`: gradients of a larger global norm are
  scaled to it, before anything else; 0 leaves them.
  """
  if name not in NAMES:
    raise InputError(f"optimizer.name={name!r}: {nearest(str(name), NAMES)}")
  if decay not in DECAY:
    raise InputError(f"optimizer.decay={decay!r}: {nearest(str(decay), DECAY)}")
  if nesterov and (name != "sgd" or not momentum):
    raise InputError("optimizer.nesterov needs optimizer.name=sgd and a momentum")
  if name != "sgd" and not momentum:
    raise InputError(
      f"optimizer.momentum=0 with optimizer.name={name}: it is beta1 there; add"
      " --config.optimizer.momentum=0.9"
    )
  if name == "sgd":
    chain = [optax.sgd(1.0, momentum or None, nesterov)]
  else:
    chain = [optax.scale_by_adam(b1=momentum), optax.scale(-1.0)]
  if weight_decay:
    mask = _kernels if decay == "kernels" else None
    place = 1 if name == "adamw" else 0
    chain.insert(place, optax.add_decayed_weights(weight_decay, mask))
  if clip and not by_part:  # else all parts are clipped as one
    chain.insert(0, optax.clip_by_global_norm(clip))
  tx = optax.chain(*chain) if len(chain) > 1 else chain[0]
  return _by_part(tx, clip) if by_part else tx


def _kernels(params):
  """Which parameters are kernels, as a tree of bool."""
  return jax.tree_util.tree_map_with_path(
    lambda path, _: getattr(path[-1], "key", None) == "kernel", params
  )


def _by_part(
  tx: optax.GradientTransformation, clip: float
) -> optax.GradientTransformationExtraArgs:
  """`tx` for every part of a network by itself, each at its share of the rate.

  Its update takes `shares`, {part: float32 []}, 1 where it lacks one. A part at share 0
  does not train: its gradient counts as 0 (in `clip`, too) and its own state waits, so
  that Adam's moments, and its count of steps, begin when the part does. Shares are
  data: unfreezing a part compiles nothing.
  """

  def init(params):
    return {part: tx.init(own) for part, own in _parts(params).items()}

  def update(grads, state, params, *, shares=None, **_):
    share = {part: (shares or {}).get(part, 1.0) for part in state}
    on = {part: jnp.asarray(s) > 0 for part, s in share.items()}
    split, held, updates, after = _parts(grads), _parts(params), {}, {}
    for part, own in split.items():
      split[part] = jax.tree.map(lambda g, on=on[part]: jnp.where(on, g, 0), own)
    if clip:  # all parts by one norm
      split, _ = optax.clip_by_global_norm(clip).update(split, optax.EmptyState())
    for part, old in state.items():
      moved, new = tx.update(split[part], old, held[part])
      updates |= jax.tree.map(lambda u, s=share[part]: s * u, moved)
      keep = functools.partial(jnp.where, on[part])
      after[part] = jax.tree.map(keep, new, old)
    return updates, after

  return optax.GradientTransformationExtraArgs(init, update)


def _part(name: str) -> str:
  return name.split("_")[0]  # 'stage2_block1' is of stage2


def _parts(params) -> dict[str, dict]:
  """{part: {name: its parameters}}."""
  found = {}
  for name, own in params.items():
    found.setdefault(_part(name), {})[name] = own
  return found
