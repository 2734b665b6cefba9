"""Writes the goldens from PyTorch and timm (tests/requirements-oracles.txt):

    python tests/goldens/make.py

models.npz: logits of each case, eval and train mode; blocks.npz: what each attention
block makes of a map.
Weights and images are not stored: both sides draw them from randomised.py.
"""

import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import cases  # noqa: E402
import randomised  # noqa: E402
import torch_models  # noqa: E402
import torch_residual  # noqa: E402
from timm.layers import SEModule  # noqa: E402

BLOCKS = {
  "se": lambda channels: SEModule(channels, rd_channels=channels // 16),
  "cbam": torch_models.CBAM,
  **torch_residual.GATES,
  **torch_residual.TRANSFORMS,
}


def models() -> dict[str, np.ndarray]:
  arrays = {}
  for case in cases.STORED:
    module = torch_models.build(case)
    weights = randomised.state(torch_models.shapes(module))
    images = randomised.images(case.batch, case.size)
    for mode in ("eval", "train"):
      torch_models.load(module, weights)
      output = torch_models.logits(module, images, train=mode == "train")
      arrays[f"{case.name}/{mode}"] = output
  return arrays


def blocks() -> dict[str, np.ndarray]:
  arrays = {}
  for name in cases.BLOCKS:
    module = BLOCKS[name](cases.BLOCK_CHANNELS)
    torch_models.load(module, randomised.state(torch_models.shapes(module)))
    x = torch.from_numpy(cases.block_input()).permute(0, 3, 1, 2)
    with torch.inference_mode():
      y = module.eval()(x)
    arrays[name] = y.permute(0, 2, 3, 1).numpy()
  return arrays


if __name__ == "__main__":
  np.savez_compressed(HERE / "models.npz", **models())
  np.savez_compressed(HERE / "blocks.npz", **blocks())
