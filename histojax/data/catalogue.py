"""The data sets by name: what each is, and how to build it."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from histojax.data import listing
from histojax.errors import InputError, nearest


class DataSet(NamedTuple):
  """What is known of a data set before a pixel is read."""

  name: str
  images: int
  fingerprint: str  # changes with the files, or with the generator and its arguments
  builder: Callable  # (data_dir=, progress=) -> tfds.core.DatasetBuilder
  description: str
  licence: str = ""
  citation: str = ""
  synthetic: bool = False
  group_name: str = "group"  # what must not cross a split: slide, patient


def synthetic_liver(data) -> DataSet:
  from histojax.data import synthetic_liver as module

  arguments = dict(seed=data.seed, height=data.height, width=data.width)
  return DataSet(
    "synthetic_liver",
    len(module.plan()),
    module.fingerprint(**arguments)[:16],
    functools.partial(module.SyntheticLiver, **arguments),
    "Procedural H&E of liver cancer in three grades; no patient behind it.",
    module.LICENCE,
    module.CITATION,
    synthetic=True,
    group_name="slide",
  )


def folder(data) -> DataSet:
  items = listing.scan(data.source, data.test_source)

  def builder(**kwargs):
    from histojax.data.folder import Folder

    return Folder(items=items, **kwargs)

  description = f"Images of {data.source}."
  key = listing.fingerprint(items)
  return DataSet("folder", len(items), key, builder, description)


DATASETS = {"synthetic_liver": synthetic_liver, "folder": folder}


def find(data) -> DataSet:
  """The data set of `config.data`.

  Raises:
    InputError: an unknown name, or a source that cannot be used.
  """
  if data.name not in DATASETS:
    raise InputError(f"data.name={data.name!r}: {nearest(data.name, DATASETS)}")
  return DATASETS[data.name](data)
