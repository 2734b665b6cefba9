"""The data sets by name: what each is, and how to build it."""

import functools
from collections.abc import Callable
from pathlib import Path
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
  notes: tuple[str, ...] = ()  # sentences that a report must carry


def synthetic_liver(data) -> DataSet:
  from histojax.data import synthetic_liver as module

  if data.source:
    raise InputError(
      "data.source is given, but data.name=synthetic_liver draws its own images: use"
      " data.name=liver, or folder for classes of your own"
    )
  drawn = {"seed": 0, "height": 256, "width": 306}  # where a config does not say
  arguments = {key: data.get(key, default) for key, default in drawn.items()}
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


def liver(data) -> DataSet:
  from histojax.data import liver as module

  if not data.source:
    return synthetic_liver(data)._replace(
      notes=(
        "The paper's images are private and data.source is empty, so these are"
        " synthetic: --config.data.source=<folder> reads your own slides,"
        " <class>/<slide>_<field>.png.",
      )
    )
  grid = module.parse_grid(data.get("grid", ""))
  items, notes = module.read(data.source, data.test_source, grid)
  return DataSet(
    "liver",
    len(items) * (grid[0] * grid[1] or 1),
    listing.fingerprint(items, f"liver {grid}"),
    functools.partial(module.Liver, items=items, grid=grid),
    f"Liver cancer in three grades: your images of {data.source}.",
    module.LICENCE,
    module.CITATION,
    group_name="slide",
    notes=notes,
  )


def nct_crc(data) -> DataSet:
  from histojax.data import nct_crc as module

  items, notes = module.read(data.source, data.test_source)
  return DataSet(
    "nct_crc",
    len(items),
    listing.fingerprint(items, "nct_crc"),
    functools.partial(module.NctCrc, items=items),
    f"Colorectal tissue of nine classes, of {data.source}.",
    module.LICENCE,
    module.CITATION,
    notes=notes,
  )


def folder(data) -> DataSet:
  items = listing.scan(data.source, data.test_source)

  def builder(**kwargs):
    from histojax.data.folder import Folder

    return Folder(items=items, **kwargs)

  description = f"Images of {data.source}."
  key = listing.fingerprint(items)
  notes = tuple(
    f"{source} is read by its {listing.MANIFEST}, not by its folders."
    for source in (data.source, data.test_source)
    if source and (Path(source).expanduser() / listing.MANIFEST).is_file()
  )
  return DataSet("folder", len(items), key, builder, description, notes=notes)


DATASETS = {
  "synthetic_liver": synthetic_liver,
  "liver": liver,
  "nct_crc": nct_crc,
  "folder": folder,
}


def find(data) -> DataSet:
  """The data set of `config.data`.

  Raises:
    InputError: an unknown name, or a source that cannot be used.
  """
  if data.name not in DATASETS:
    raise InputError(f"data.name={data.name!r}: {nearest(data.name, DATASETS)}")
  return DATASETS[data.name](data)
