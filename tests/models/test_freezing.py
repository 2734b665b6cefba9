"""Frozen parts: not trained, not differentiated, in inference mode."""

import re
import zlib
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from histojax import models, optimizer, steps
from histojax.errors import InputError
from histojax.models.freezing import frozen_parts
from histojax.ops.platform import lowered_for

PARTS = ("stem", "stage2", "stage3", "stage4", "stage5", "head")
VIEW = steps.View(
  size=32, canvas="same", fill=(0, 0, 0), flip="both", normalise="fixed",
  mean=(0.5,) * 3, std=(0.25,) * 3, dtype="float32",
)  # fmt: skip
TX = optimizer.sgd(0.9, 1e-2)
ROW = {
  "index": jnp.arange(6, dtype=jnp.int32),
  "angle": jnp.zeros(6),
  "learning_rate": jnp.float32(0.1),
}


@pytest.fixture(scope="module")
def tiles():
  rng = np.random.default_rng(0)
  return {
    "image": jnp.asarray(rng.integers(0, 255, (6, 32, 32, 3)), jnp.uint8),
    "extent": jnp.full((6, 2), 32, jnp.int32),
    "label": jnp.asarray([0, 1, 2, 0, 1, 2], jnp.int32),
  }


def make(freeze="none", norm="batch", attention="se(ratio=4)"):
  """A model and a state whose numbers are away from every special value."""
  model = models.create(
    "resnet_tiny", num_classes=3, attention=attention, freeze=freeze, norm=norm
  )
  shapes = jax.eval_shape(
    lambda: steps.init(jax.random.key(0), model=model, tx=TX, view=VIEW)
  )

  def drawn(path, leaf):
    rng = np.random.default_rng(zlib.crc32(jax.tree_util.keystr(path).encode()))
    scale = leaf.shape[-1] ** -0.5 if leaf.ndim > 1 else 1
    return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape) * scale, leaf.dtype)

  def fill(tree):
    return jax.tree_util.tree_map_with_path(drawn, tree)

  params, frozen = fill(shapes.params), fill(shapes.frozen)
  return model, steps.TrainState(
    step=jnp.int32(0),
    params=params,
    frozen=frozen,
    batch_stats=fill(shapes.batch_stats),
    opt_state=TX.init(params),
    key=jax.random.key(0),
  )


def train(model, state, tiles, count=2):
  step = jax.jit(partial(steps.train_step, model=model, tx=TX, view=VIEW))
  for _ in range(count):
    state, metrics = step(state, tiles, ROW)
  return state, metrics


def same(a, b):
  pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
  return [bool((x == y).all()) for x, y in pairs]


@pytest.mark.parametrize(
  ("freeze", "parts"),
  [
    ("none", ()),
    ("stem", PARTS[:1]),
    ("stem | stage2|stage3", PARTS[:3]),
    ("stage2|stem", PARTS[:2]),
    ("backbone", PARTS[:5]),
    ("all but head", PARTS[:5]),
    ("all but stage5|head", PARTS[:4]),
    ("all but " + "|".join(PARTS), ()),
  ],
)
def test_names(freeze, parts):
  assert frozen_parts(freeze, PARTS) == parts


@pytest.mark.parametrize(
  ("freeze", "says"),
  [
    ("stage3", "only the first parts .* 'stem|stage2|stage3'"),
    ("stem|stag2", "did you mean 'stage2'"),
    ("stem|none", "unknown part 'none'"),
    ("all but hed", "unknown part 'hed'; did you mean 'head'"),
    ("all but stem", "only the first parts .* 'stem|stage2|stage3|stage4|stage5', or"),
    ("|".join(PARTS), "nothing to train"),
    (3, "not a string"),
  ],
)
def test_bad_names_get_one_sentence(freeze, says):
  with pytest.raises(InputError, match=says):
    models.create("resnet_tiny", num_classes=3, freeze=freeze)


@pytest.mark.full
def test_frozen_leaves_keep_their_bytes_and_cost_no_state(tiles):
  model, state = make("stem|stage2", attention="cbam(ratio=4)|none|none|none")
  assert set(state.frozen) == {"stem", "stage2_block1"}
  assert not set(state.params) & set(state.frozen)
  traces = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
  assert len(traces) == len(jax.tree.leaves(state.params))
  after, _ = train(model, state, tiles)
  assert all(same(after.frozen, state.frozen))
  assert not any(same(after.params, state.params))
  for name, statistics in state.batch_stats.items():
    kept = same(after.batch_stats[name], statistics)
    assert all(kept) if name in state.frozen else not any(kept), name


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_nothing_is_differentiated_through_the_frozen_parts(tiles, count):
  model, state = make("|".join(PARTS[:count]) or "none", attention="none")

  def step(state):
    return steps.train_step(state, tiles, ROW, model=model, tx=TX, view=VIEW)

  with lowered_for("gpu"):  # where every convolution is one
    text = jax.jit(step).lower(state).as_text(debug_info=True)
  modules = set(re.findall(r"transpose\(jvp\(\w+\)\)/(\w+)", text))
  backward = {name.split("_")[0] for name in modules}
  assert backward & set(PARTS) == set(PARTS[count:])
  if count == 5:  # the stem's, and of four blocks three and a shortcut, forward only
    assert text.count("stablehlo.convolution") == 17


@pytest.mark.parametrize(
  ("freeze", "trained"),
  [
    ("none", 23_526_473),
    ("stem|stage2|stage3", 22_081_545),
    ("stem|stage2|stage3|stage4", 14_983_177),
    ("all but head", 18_441),
  ],
)
def test_trained_parameters_of_resnet50_on_nine_classes(freeze, trained):
  model = models.create("resnet50", num_classes=9, freeze=freeze)
  state = jax.eval_shape(
    lambda: steps.init(jax.random.key(0), model=model, tx=TX, view=VIEW)
  )
  assert models.parameter_count(state.params) == trained
  assert models.parameter_count(state.all_params) == 23_526_473
  traces = [leaf for leaf in jax.tree.leaves(state.opt_state) if leaf.ndim]
  assert sum(leaf.size for leaf in traces) == trained  # nor does momentum


@pytest.mark.full
def test_the_compiled_step_computes_less(tiles):
  """XLA's count of operations: a step is three forward passes, less what is frozen."""

  def flops(freeze, train=True):
    model, state = make(freeze, attention="none")

    def step(state):
      return steps.train_step(state, tiles, ROW, model=model, tx=TX, view=VIEW)

    def forward(state):
      images = VIEW(tiles, ROW, state.key, train=True)
      variables = {"params": state.all_params, "batch_stats": state.batch_stats}
      return model.apply(variables, images, train=False)[0]

    lowered = jax.jit(step if train else forward).lower(state)
    return lowered.cost_analysis()["flops"]

  whole, tail, head = map(flops, ("none", "stem|stage2|stage3", "all but head"))
  forward = flops("none", train=False)
  assert whole > tail > head
  assert head < 1.1 * forward < 0.6 * whole
  # what the step computes beyond the forward pass shrinks with what is trained
  assert tail - forward < 0.75 * (whole - forward)


@pytest.mark.full
def test_equals_a_run_whose_gradients_are_masked(tiles):
  """Norms in inference mode everywhere, so that nothing else differs."""
  model, state = make("stem|stage2|stage3", norm="frozen")
  whole, unfrozen = make("none", norm="frozen")
  names = {*state.frozen}
  for _ in range(2):
    state, _ = train(model, state, tiles, 1)
    after, _ = train(whole, unfrozen, tiles, 1)
    params = {
      name: unfrozen.params[name] if name in names else leaf
      for name, leaf in after.params.items()
    }
    unfrozen = after.replace(params=params)
  for name, part in state.all_params.items():
    for a, b in zip(
      jax.tree.leaves(part), jax.tree.leaves(unfrozen.params[name]), strict=True
    ):
      np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.full
def test_frozen_norms_train_scale_and_bias_and_keep_statistics(tiles):
  model, state = make(norm="frozen", attention="none|none|none|sk(groups=8)+cbam")
  after, _ = train(model, state, tiles, 1)
  assert all(same(after.batch_stats, state.batch_stats))
  assert not any(same(after.params, state.params))


def test_norm_is_one_of_two():
  with pytest.raises(InputError, match="did you mean 'frozen'"):
    make(norm="frozn")
