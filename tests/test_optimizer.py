"""Optimizers against their equations, and against PyTorch where it is there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import config_dict

from histojax import optimizer
from histojax.errors import InputError

RNG = np.random.default_rng(0)
PARAMS = {  # a kernel, a norm, a bias of three parts
  "stem": {"kernel": RNG.normal(size=(3, 4)), "scale": RNG.normal(size=4)},
  "stage2_block1": {"conv": {"kernel": RNG.normal(size=(4, 4))}},
  "head": {"out": {"kernel": RNG.normal(size=(4, 2)), "bias": RNG.normal(size=2)}},
}
PARAMS = jax.tree.map(jnp.float32, PARAMS)
GRADS = [
  jax.tree.map(lambda w: jnp.float32(RNG.normal(size=w.shape)), PARAMS)
  for _ in range(20)
]
RATES = [0.1 / (1 + step) for step in range(20)]  # momentum must not keep it


def trained(tx, grads=GRADS, shares=None, params=PARAMS, rates=RATES):
  state = tx.init(params)
  for step, (g, rate) in enumerate(zip(grads, rates, strict=True)):
    extra = {"shares": shares(step)} if shares else {}
    updates, state = tx.update(g, state, params, **extra)
    updates = jax.tree.map(lambda u, rate=rate: rate * u, updates)
    params = optax.apply_updates(params, updates)
  return params


def named(tree):
  return {
    jax.tree_util.keystr(k): v for k, v in jax.tree_util.tree_leaves_with_path(tree)
  }


def close(found, expected, tolerance=1e-6):
  found, expected = named(found), named(expected)
  for name in expected:
    np.testing.assert_allclose(
      found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name
    )


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.9, 1e-2)])
@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_its_equations(momentum, decay, nesterov):
  if nesterov and not momentum:
    return
  tx = optimizer.transformation("sgd", momentum, decay, nesterov=nesterov)

  def by_hand(w, *grads):
    w, velocity = np.asarray(w, np.float64), 0.0
    for g, rate in zip(grads, RATES, strict=True):
      g = np.asarray(g, np.float64) + decay * w
      velocity = momentum * velocity + g
      w = w - rate * (g + momentum * velocity if nesterov else velocity)
    return w

  close(trained(tx), jax.tree.map(by_hand, PARAMS, *GRADS), 1e-5)


def test_equal_settings_are_one_object():
  assert optimizer.sgd(0.9, 0.0) is optimizer.sgd(0.9, 0.0)
  given = config_dict.ConfigDict({"momentum": 0.9, "weight_decay": 0.0})
  assert optimizer.create(given) is optimizer.create(given)
  given.name, given.clip, given.ema = "adamw", 1.0, 0.99
  tx = optimizer.create(given)
  given.learning_rate = 7.0  # data
  assert optimizer.create(given) is tx
  given.clip = 2.0
  assert optimizer.create(given) is not tx


def test_decay_of_kernels_spares_norms_and_biases():
  still = [jax.tree.map(jnp.zeros_like, PARAMS)] * 20
  for name in optimizer.NAMES:
    after = trained(optimizer.transformation(name, 0.9, 0.1, decay="kernels"), still)
    for path, leaf in named(after).items():
      moved = np.abs(leaf - named(PARAMS)[path]).max() > 1e-3
      assert moved == ("kernel" in path), (name, path)
    everything = trained(optimizer.transformation(name, 0.9, 0.1), still)
    assert not any((a == named(PARAMS)[k]).all() for k, a in named(everything).items())


def test_clipping_is_by_one_norm_of_all():
  limit = 0.5
  tx = optimizer.transformation("sgd", 0.0, 0.0, clip=limit)
  updates, _ = tx.update(GRADS[0], tx.init(PARAMS), PARAMS)
  norm = np.sqrt(sum(np.square(g).sum() for g in jax.tree.leaves(GRADS[0])))
  assert norm > 3
  close(updates, jax.tree.map(lambda g: -g * limit / norm, GRADS[0]))
  small = jax.tree.map(lambda g: g / 100, GRADS[0])
  updates, _ = tx.update(small, tx.init(PARAMS), PARAMS)
  close(updates, jax.tree.map(lambda g: -g, small), 0)


@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("name", optimizer.NAMES)
def test_whole_shares_change_nothing(name, clip):
  options = dict(decay="kernels", clip=clip)
  plain = optimizer.transformation(name, 0.9, 0.01, **options)
  parts = optimizer.transformation(name, 0.9, 0.01, **options, by_part=True)
  close(trained(parts), trained(plain))
  ones = {part: jnp.float32(1) for part in ("stem", "stage2", "head")}
  close(trained(parts, shares=lambda step: ones), trained(plain))


def test_a_share_is_a_share_of_the_rate():
  tx = optimizer.transformation("adamw", 0.9, 0.01, by_part=True)
  share = {"stem": 0.25, "stage2": 0.5, "head": 1.0}
  whole, part = (
    tx.update(GRADS[0], tx.init(PARAMS), PARAMS, shares=given)[0]
    for given in (None, share)
  )
  for name, factor in (("stem", 0.25), ("stage2_block1", 0.5), ("head", 1.0)):
    close(part[name], jax.tree.map(lambda u, f=factor: f * u, whole[name]))


@pytest.mark.parametrize("name", optimizer.NAMES)
def test_a_part_that_joins_late_begins_as_if_it_were_the_first_step(name):
  """Its state waits: what it does from step 8 on is what a fresh optimizer does."""
  tx = optimizer.transformation(name, 0.9, 0.01, clip=0.5, by_part=True)

  def shares(step):
    return {"stem": jnp.float32(step >= 8), "stage2": jnp.float32(1)}

  after = trained(tx, shares=shares)
  alone = {k: v for k, v in PARAMS.items() if k != "stem"}
  # clipped by the norm of those that train: before step 8, not the stem's
  norms = [optax.tree.norm(g if s >= 8 else {k: g[k] for k in alone})
           for s, g in enumerate(GRADS)]  # fmt: skip
  scaled = [
    jax.tree.map(lambda g, n=n: g * jnp.minimum(1, 0.5 / n), grads)
    for grads, n in zip(GRADS, norms, strict=True)
  ]
  plain = optimizer.transformation(name, 0.9, 0.01)
  others = trained(plain, [{k: g[k] for k in alone} for g in scaled], params=alone)
  close({k: after[k] for k in alone}, others)
  stem, state = {"stem": PARAMS["stem"]}, plain.init({"stem": PARAMS["stem"]})
  for grads, rate in list(zip(scaled, RATES, strict=True))[8:]:
    updates, state = plain.update({"stem": grads["stem"]}, state, stem)
    updates = jax.tree.map(lambda u, rate=rate: rate * u, updates)
    stem = optax.apply_updates(stem, updates)
  close({"stem": after["stem"]}, stem)


def test_mistakes_are_one_sentence():
  make = optimizer.transformation
  for arguments, options, sentence in (
    (("adm", 0.9, 0.0), {}, "did you mean 'adam'"),
    (("sgd", 0.9, 0.0), {"decay": "kernel"}, "did you mean 'kernels'"),
    (("sgd", 0.0, 0.0), {"nesterov": True}, "needs optimizer.name=sgd and a momentum"),
    (("adam", 0.9, 0.0), {"nesterov": True}, "needs optimizer.name=sgd"),
    (("adamw", 0.0, 0.0), {}, "it is beta1 there; add --config.optimizer.momentum=0.9"),
  ):
    with pytest.raises(InputError, match=sentence):
      make(*arguments, **options)


CASES = {
  "sgd": ("SGD", {}),
  "momentum": ("SGD", {"momentum": 0.9}),
  "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
  "adam": ("Adam", {}),
  "adamw": ("AdamW", {}),
}


@pytest.mark.oracle
@pytest.mark.parametrize("clip", [0.0, 0.5])
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_equal_torch(case, decay, clip):
  import torch

  kind, options = CASES[case]
  ours = optimizer.transformation(
    {"SGD": "sgd", "Adam": "adam", "AdamW": "adamw"}[kind],
    options.get("momentum", 0.0 if kind == "SGD" else 0.9),
    decay, nesterov="nesterov" in options, clip=clip, decay="kernels",
  )  # fmt: skip
  tensors = {k: torch.nn.Parameter(torch.tensor(np.array(v)))
             for k, v in named(PARAMS).items()}  # fmt: skip
  groups = [
    {"params": [v for k, v in tensors.items() if ("kernel" in k) == kernels],
     "weight_decay": decay * kernels}
    for kernels in (True, False)
  ]  # fmt: skip
  theirs = getattr(torch.optim, kind)(groups, lr=1.0, **options)
  # at the scale of each: 1 - 0.999^t has four digits in float32
  rates = [rate * (1 if kind == "SGD" else 0.1) for rate in RATES]
  for grads, rate in zip(GRADS, rates, strict=True):
    for name, g in named(grads).items():
      tensors[name].grad = torch.tensor(np.array(g))
    if clip:
      torch.nn.utils.clip_grad_norm_(tensors.values(), clip)
    for group in theirs.param_groups:
      group["lr"] = rate
    theirs.step()
  found = named(trained(ours, rates=rates))
  for name, expected in tensors.items():
    np.testing.assert_allclose(found[name], expected.detach(), rtol=1e-6, atol=1e-6)
