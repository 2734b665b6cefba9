"""The same random weights on both sides of a comparison, from names and shapes."""

import math
import zlib

import numpy as np


def state(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
  """Every parameter and buffer of a PyTorch state dict, by name, float32.

  Nothing is left at a value that could hide a fault: norm scales, running variances and
  gammas are U(0.5, 1.5), biases and running means N(0, 0.1), weights N(0, 2 / fan out).
  """
  return {name: _array(name, shape, seed) for name, shape in shapes.items()}


def _array(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
  rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
  if len(shape) > 1:
    fan_out = shape[0] * math.prod(shape[2:])
    array = rng.normal(scale=math.sqrt(2 / fan_out), size=shape)
  elif name.endswith(("running_var", "weight", "gamma")):
    array = rng.uniform(0.5, 1.5, shape)
  else:
    array = rng.normal(scale=0.1, size=shape)
  return array.astype(np.float32)


def images(batch: int, size: int, seed: int = 0) -> np.ndarray:
  """[B, size, size, 3] float32, standard normal."""
  return np.random.default_rng(seed).normal(size=(batch, size, size, 3)).astype("f")


def scramble(params: dict, only: str = "") -> None:
  """Permutes the second dense layer of every attention block, in place.

  Of a transformer's, the one that makes queries, keys and values; of a non-local block,
  queries and salience; a convolution of few numbers is turned and enlarged.

  only: the name of the modules in which it is done.
  """
  for name, part in params.items():
    if not isinstance(part, dict):
      continue
    if only:
      scramble(part, "" if name == only else only)
    elif name in ("qkv", "query", "mask") or (name == "fc2" and "attn" not in params):
      kernel = np.asarray(part["kernel"])
      permuted = np.random.default_rng(3).permutation(kernel.ravel())
      part["kernel"] = permuted.reshape(kernel.shape)
    elif name == "conv" and np.ndim(part["kernel"]) == 2:
      part["kernel"] = -8 * np.asarray(part["kernel"])
    else:
      scramble(part)
