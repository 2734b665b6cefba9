"""Files that PyTorch writes, read without it: the same logits; and the other way."""

import cases
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import randomised
from safetensors.numpy import save_file
from torch_writer import WRITERS, Ordered, View

from histojax import models
from histojax.models.pretrained import files, normalisation, torch_shapes
from histojax.models.pretrained.place import place

pytestmark = pytest.mark.oracle
HOW = ("safetensors", "zip", "older")
TINY = next(case for case in cases.MODELS if case.model == "resnet_tiny")


@pytest.fixture(scope="module")
def oracle():
  import torch_models

  return torch_models


def written(path, how, module):
  """The state dict of a module, by PyTorch itself or exported to safetensors."""
  import torch

  held = module.state_dict()
  if how == "safetensors":
    save_file({k: np.ascontiguousarray(v.numpy()) for k, v in held.items()}, path)
  elif how == "zip":
    torch.save({"state_dict": held, "epoch": 3}, path)
  else:
    torch.save(held, path, _use_new_zipfile_serialization=False)
  return path


def assert_same_logits(case, how, tmp_path, oracle):
  model = models.create(**case.arguments())
  images = randomised.images(2, case.size)
  shapes = jax.eval_shape(
    lambda: model.init(jax.random.key(0), jnp.asarray(images[:1]), train=False)
  )
  module = oracle.build(case)
  oracle.load(module, randomised.state(torch_shapes(model, shapes)))
  arrays, _ = files.read(written(tmp_path / "weights", how, module))
  found = place(model, arrays, shapes, "")  # nothing of it is fresh
  assert jax.tree.structure(found.arrays) == jax.tree.structure(shapes)
  run = jax.jit(lambda v, x: model.apply(v, x, train=False)[0])
  got, want = run(found.arrays, images), oracle.logits(module, images, False)
  difference = float(np.abs(np.asarray(got) - want).max() / np.abs(want).max())
  print(f"{case.name} as {how}: {difference:.1e}")
  assert difference < 1e-4


@pytest.mark.parametrize("how", HOW)
def test_logits_of_a_tiny_network(how, tmp_path, oracle):
  assert_same_logits(TINY, how, tmp_path, oracle)


@pytest.mark.full
@pytest.mark.parametrize("number", range(len(cases.MODELS)))
def test_logits_of_every_network(number, tmp_path, oracle):
  how = HOW[number % len(HOW)]
  assert_same_logits(cases.MODELS[number], how, tmp_path, oracle)


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_pytorch_reads_what_the_tests_write(write, tmp_path):
  import torch

  flat, path = np.arange(24, dtype=np.float32), tmp_path / "a.pth"
  arrays = {
    "a": flat.reshape(2, 3, 4),
    "turned": flat.reshape(4, 6).T,
    "half": flat.astype(np.float16),
    "count": np.array(7),
    "part": View(flat, 5, (2, 3), (6, 2)),
  }
  write(path, {"state_dict": Ordered(arrays), "epoch": 3})
  theirs = torch.load(path, weights_only=True)
  ours, _ = files.read(path)
  assert theirs["epoch"] == 3 and theirs["state_dict"].keys() == ours.keys()
  for name, array in theirs["state_dict"].items():
    assert str(array.dtype) == f"torch.{ours[name].dtype}"
    np.testing.assert_array_equal(array.numpy(), ours[name])


def test_what_pytorch_writes_of_odd_tensors(tmp_path):
  import torch

  base = torch.arange(24.0)
  held = {
    "brain": base.bfloat16().reshape(4, 6).t(),
    "part": base[5:17:3],
    "parameter": torch.nn.Parameter(base.reshape(2, 12)),
    "scalar": torch.tensor(3),
    "empty": torch.zeros(0, 3),
    "truth": torch.tensor([True, False]),
  }
  for older in (False, True):
    torch.save(held, tmp_path / "a", _use_new_zipfile_serialization=not older)
    found, _ = files.read(tmp_path / "a")
    for name, tensor in held.items():
      want = tensor.detach()
      want = want.float() if want.dtype == torch.bfloat16 else want
      got = found[name]
      got = got.astype("f") if got.dtype.name == "bfloat16" else got
      np.testing.assert_array_equal(want.numpy(), got)


def test_a_whole_module_is_refused(tmp_path):
  import torch

  from histojax.errors import InputError

  torch.save(torch.nn.Linear(2, 3), tmp_path / "a.pth")
  with pytest.raises(InputError, match="asks for torch.nn.modules.linear.Linear"):
    files.read(tmp_path / "a.pth")


def test_names_that_tell_a_normalisation(oracle):
  """Of every name in timm's registry that holds such a word."""
  from timm.models import get_pretrained_cfg, list_pretrained

  for word, (mean, std) in normalisation.KNOWN.items():
    held = [get_pretrained_cfg(n) for n in list_pretrained() if word in n]
    assert held and {(c.mean, c.std) for c in held} == {(mean, std)}, word
  plain = ("resnet50.tv_in1k", "vgg16.tv_in1k", "seresnet50.ra2_in1k")
  for name in (*plain, "densenet121.tv_in1k", "vit_base_patch14_dinov2.lvd142m"):
    config, found = get_pretrained_cfg(name), normalisation.of(name, None)
    assert (config.mean, config.std) == (found.mean, found.std)
