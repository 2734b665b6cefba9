"""Mean and standard deviation that weights were trained with, white being 1."""

import json
from pathlib import Path
from typing import NamedTuple

from histojax.errors import InputError

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
# words of timm's names for weights -> what its registry says of all such
KNOWN = {".augreg": HALF, ".orig_in21k": HALF, ".sam_in1k": HALF}


class Normalisation(NamedTuple):
  mean: tuple[float, float, float]
  std: tuple[float, float, float]
  source: str


def of(name: str, config: Path | None) -> Normalisation:
  """From a config.json (timm's), else by the name of the weights, else ImageNet's.

  Raises:
    InputError: the file cannot be read, or its numbers are no mean and deviation.
  """
  if config is not None and (found := _read(config)):
    return Normalisation(*found, source=f"as {config.name} of the weights says")
  for word, found in KNOWN.items():
    if word in name:
      return Normalisation(*found, source=f"as timm has it for {word!r}")
  return Normalisation(
    *IMAGENET, source="ImageNet's, as nothing beside the weights says otherwise"
  )


def _read(config: Path):
  """(mean, std) of a config.json, None where it says nothing of them."""
  try:
    held = json.loads(config.read_text())
    held = held.get("pretrained_cfg") or held
    if "mean" not in held or "std" not in held:
      return None
    mean, std = (tuple(map(float, held[key])) for key in ("mean", "std"))
  except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
    raise InputError(f"{config} is no config of a model ({error})") from error
  fits = len(mean) == len(std) == 3
  if not fits or not all(0 <= m <= 1 for m in mean) or not all(0 < s < 10 for s in std):
    raise InputError(
      f"{config}: mean={mean}, std={std} are not three numbers each, white being 1"
    )
  return mean, std
