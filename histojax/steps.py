"""The training state and the two steps: pure functions, jitted in one visible place."""

import dataclasses
import functools

import flax
import jax
import jax.numpy as jnp
import optax
from flax import struct

from histojax import augment, sharding
from histojax.augment.flips import FLIPS
from histojax.augment.normalise import NORMALISE
from histojax.augment.rotation import CANVASES
from histojax.errors import InputError, nearest
from histojax.losses import CrossEntropy
from histojax.models import freezing

PLAIN = CrossEntropy()  # what evaluation reports, whatever the training minimises


class TrainState(struct.PyTreeNode):
  """All that training changes, and what it keeps. `step` counts finished steps."""

  step: jax.Array  # int32 []
  params: dict  # those that are trained
  frozen: dict  # those that `model.freeze` names
  batch_stats: dict
  opt_state: optax.OptState
  key: jax.Array  # the one source of randomness: fold_in(key, step)
  # {}, or {"params", "batch_stats"}: moving averages of both
  ema: dict = struct.field(default_factory=dict)

  @property
  def all_params(self) -> dict:
    """What the model is applied with."""
    return self.params | self.frozen

  @property
  def judged(self) -> tuple[dict, dict]:
    """(all parameters, batch_stats) to evaluate with: the averages where there are."""
    held = self.ema or {"params": self.params, "batch_stats": self.batch_stats}
    return held["params"] | self.frozen, held["batch_stats"]


@dataclasses.dataclass(frozen=True)
class View:
  """How stored tiles become the network's input; the keys of `config.augment`.

  Raises:
    InputError: an unknown canvas, flip or normalisation.
  """

  size: int
  canvas: str
  fill: tuple[int, int, int]
  flip: str
  normalise: str
  mean: tuple[float, float, float]
  std: tuple[float, float, float]
  dtype: str
  shift: float = 0.0
  zoom: float = 0.0

  def __post_init__(self):
    tables = {"canvas": CANVASES, "flip": FLIPS, "normalise": NORMALISE}
    for key, known in tables.items():
      if (value := getattr(self, key)) not in known:
        raise InputError(f"augment.{key}={value!r}: {nearest(str(value), known)}")

  def __call__(self, tiles, row, key, *, train):  # -> [B, size, size, 3]
    index = row.get("index")
    with jax.named_scope("augment"):
      return augment.view(
        tiles["image"],
        chosen(tiles["extent"], index),
        row["angle"],
        key,
        index=index,
        train=train,
        sign=row.get("flip"),
        **dataclasses.asdict(self),
      )


def init(key, given=None, *, model, tx, view: View, ema: float = 0.0) -> TrainState:
  """A fresh state; parameters from `key`, the rest of it kept for training.

  What `given` holds of the model's variables stands in place of what `key` draws.
  """
  params_key, train_key = jax.random.split(key)
  images = jnp.zeros((1, view.size, view.size, 3), view.dtype)
  variables = model.init(params_key, images, train=False)
  if given:
    drawn, given = map(flax.traverse_util.flatten_dict, (variables, given))
    variables = flax.traverse_util.unflatten_dict(drawn | given)
  names = freezing.frozen_parts(model.freeze, model.parts)
  params, frozen = freezing.split(variables["params"], names)
  batch_stats = variables.get("batch_stats", {})
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    params=params,
    frozen=frozen,
    batch_stats=batch_stats,
    opt_state=tx.init(params),
    key=train_key,
    ema={"params": params, "batch_stats": batch_stats} if ema else {},
  )


def chosen(array, index):
  """The rows of `array` at `index`; all where it is None.

  Told so, XLA leaves every row of a streamed batch on the device that holds it.
  """
  return array if index is None else array[index]


def averaged(ema: dict, state: TrainState, decay: float) -> dict:
  """ema <- d ema + (1 - d) new, of parameters and running statistics alike.

  d = min(decay, t / (t + 9)) after t earlier steps (TensorFlow's warm-up): the first
  average is the first new value, so short runs do not remember their random start.
  """
  t = (state.step - 1).astype(jnp.float32)
  d = jnp.minimum(jnp.float32(decay), t / (t + 9))
  new = {"params": state.params, "batch_stats": state.batch_stats}
  return jax.tree.map(lambda old, new: d * old + (1 - d) * new, ema, new)


def train_step(
  state: TrainState, tiles, row, *, model, tx, view: View, loss=PLAIN,
  ema: float = 0.0,
):  # fmt: skip
  """One update. Returns (state, {"loss", "accuracy", "grad_norm"}), each float32 [].

  Args:
    tiles: `image` uint8 [N, H, W, 3], `extent` int32 [N, 2], `label` int32 [N].
    row: `index` int32 [B] into the tiles (absent: the tiles are the batch), `angle`
      float32 [B], `learning_rate` [], and what else `TrainPlan.batch` lists.
    loss: ({"logits", end points, "class_weights" of the row}, labels) -> [B].
    ema: decay of the averages in `state.ema`; 0 where there are none.
  """
  key = jax.random.fold_in(state.key, state.step)
  images = view(tiles, row, key, train=True)
  labels = chosen(tiles["label"], row.get("index"))
  more = {k: row[k] for k in ("class_weights",) if k in row}
  shares = {k.removeprefix("share_"): row[k] for k in row if k.startswith("share_")}

  def forward(params):
    variables = {"params": params | state.frozen, "batch_stats": state.batch_stats}
    # every dropout layer folds its own name into the key
    (logits, ends), updated = model.apply(
      variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": key}
    )
    each = loss(ends | {"logits": logits} | more, labels)  # [B]
    return each.mean(), (logits, updated.get("batch_stats", {}))

  (mean, (logits, batch_stats)), grads = jax.value_and_grad(forward, has_aux=True)(
    state.params
  )
  with jax.named_scope("optimizer"):
    extra = {"shares": shares} if shares else {}
    updates, opt_state = tx.update(grads, state.opt_state, state.params, **extra)
    updates = jax.tree.map(lambda u: row["learning_rate"] * u, updates)
    params = optax.apply_updates(state.params, updates)
  metrics = {
    "loss": mean,
    "accuracy": jnp.mean((logits.argmax(-1) == labels).astype(jnp.float32)),
    "grad_norm": optax.tree.norm(grads),
  }
  state = state.replace(
    step=state.step + 1,
    params=params,
    batch_stats=batch_stats,
    opt_state=opt_state,
  )
  if ema:
    state = state.replace(ema=averaged(state.ema, state, ema))
  return state, metrics


def eval_step(params, batch_stats, tiles, row, *, model, view: View):
  """Of one batch of views: {"probability": float32 [B, K], "loss": float32 [B]}.

  And "features" float32 [B, C] for a map of the images, and "embedding" float32 [B, E]
  of a network that has one, for its neighbours.
  """
  images = view(tiles, row, None, train=False)
  variables = {"params": params, "batch_stats": batch_stats}
  logits, ends = model.apply(variables, images, train=False)
  labels = chosen(tiles["label"], row.get("index"))
  found = {
    "probability": jax.nn.softmax(logits),
    "loss": PLAIN({"logits": logits}, labels),
  }
  return found | {k: ends[k] for k in ("embedding", "features") if k in ends}


@dataclasses.dataclass(frozen=True)
class Compiled:
  """init(key, given), train(state, tiles, row), evaluate(params, statistics, ...)."""

  init: object
  train: object
  evaluate: object


@functools.cache
def compiled(
  model, tx, view: View, mesh, tiles_shape: tuple[int, ...], *, loss=PLAIN,
  ema: float = 0.0,
) -> Compiled:  # fmt: skip
  """Jits the three functions: state replicated and donated, batch split over `data`.

  Cached, and nothing that differs between seeds and folds is among its arguments, so a
  study of many members traces each step once. `tiles_shape` is that of the
  pixels the steps read: another data set is another program.
  """
  del tiles_shape
  _, replicated = sharding.shardings(mesh)
  train = functools.partial(
    train_step, model=model, tx=tx, view=view, loss=loss, ema=ema
  )
  evaluate = functools.partial(eval_step, model=model, view=view)
  return Compiled(
    init=jax.jit(
      functools.partial(init, model=model, tx=tx, view=view, ema=ema),
      out_shardings=replicated,
      # runs once: optimising 160 random draws takes longer than drawing them
      compiler_options={"xla_backend_optimization_level": 0},
    ),
    train=jax.jit(train, donate_argnums=0, out_shardings=(replicated, replicated)),
    evaluate=jax.jit(evaluate, out_shardings=replicated),
  )
