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
  duplicates: str = "keep"  # or drop: all but one of images with the same pixels
  not_files: str = ""  # why the images are no files of their own


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
    not_files="data.grid cuts the images out of larger ones" if any(grid) else "",
  )


def breakhis(data) -> DataSet:
  from histojax.data import breakhis as module
  from histojax.data import synthetic_breakhis

  get, task = data.get, data.get("task", "binary")
  tree = None if data.source else _tree(synthetic_breakhis, data)
  if tree and get("fold_list", ""):
    raise InputError(
      "data.fold_list names images of BreakHis: set data.source to them, too"
    )
  items, notes = module.read(
    tree.listed() if tree else listing.files(data.source),
    get("magnification", "all"), task, get("group_by", "accession"),
    get("fold_list", ""), get("trial", 1),
  )  # fmt: skip
  title = "Breast tumours at four magnifications"
  builder = functools.partial(module.Breakhis, items=items, task=task)
  found = _read_or_drawn(data, module, tree, items, notes, builder, title)
  return found._replace(group_name=get("group_by", "accession"), duplicates="drop")


def sipakmed(data) -> DataSet:
  from histojax.data import sipakmed as module
  from histojax.data import synthetic_sipakmed

  tree = None if data.source else _tree(synthetic_sipakmed, data)
  items, notes = module.read(tree.listed() if tree else listing.files(data.source))
  builder = functools.partial(module.Sipakmed, items=items)
  found = _read_or_drawn(
    data, module, tree, items, notes, builder, "Cells of Pap smears in five classes"
  )
  return found._replace(group_name="cluster")


def herlev(data) -> DataSet:
  from histojax.data import herlev as module

  items, notes = module.read(listing.files(data.source))
  builder = functools.partial(module.Herlev, items=items)
  found = _read_or_drawn(
    data, module, None, items, notes, builder, "Cells of Pap smears in seven classes"
  )
  return found._replace(group_name="picture")


def nct_crc(data) -> DataSet:
  from histojax.data import nct_crc as module
  from histojax.data import pathmnist, synthetic_nct_crc

  if pathmnist.is_one(data.source):
    return _pathmnist(data, module.CLASSES)
  title = "Colorectal tissue of nine classes"
  if not data.source and not data.test_source:
    tree = _tree(synthetic_nct_crc, data)
    items, notes = module.read(*tree.sources, tree.listed())
    builder = functools.partial(module.NctCrc, items=items)
    return _read_or_drawn(data, module, tree, items, notes, builder, title)
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


def _pathmnist(data, classes: tuple[str, ...]) -> DataSet:
  from histojax.data import pathmnist as module

  if data.test_source:
    raise InputError(
      "data.test_source is given, but PathMNIST has a test part of its own: leave it"
      " empty"
    )
  images, fingerprint, notes = module.read(data.source)
  return DataSet(
    "nct_crc",
    images,
    fingerprint,
    functools.partial(module.PathMnist, source=data.source, classes=classes),
    f"Colorectal tissue of nine classes: PathMNIST, of {data.source}.",
    module.LICENCE,
    module.CITATION,
    notes=notes,
    not_files="PathMNIST holds arrays, no image files",
  )


def _tree(generator, data):
  """The synthetic files of a config: as large, and from the seed, that it says."""
  asked = {k: data[k] for k in ("seed", "height", "width") if k in data}
  return generator.tree(**asked)


def _read_or_drawn(data, module, tree, items, notes, builder, title) -> DataSet:
  """A data set of one source, or, where that is empty, of a synthetic tree."""
  if data.test_source:
    raise InputError(
      f"data.test_source is given, but data.name={data.name} has one source: leave it"
      " empty, or read both with data.name=folder"
    )
  if not tree:
    key = listing.fingerprint(items, data.name)
    about = f"{title}, of {data.source}.", module.LICENCE, module.CITATION
    return DataSet(data.name, len(items), key, builder, *about, notes=notes)
  from histojax.data.synthetic_tree import LICENCE

  note = (
    "data.source is empty, so these images are synthetic, drawn in the folders and"
    f" file names of {data.name}: --config.data.source=<folder or archive> reads the"
    " real ones."
  )
  return DataSet(
    tree.name,
    len(items),
    tree.fingerprint(items),
    functools.partial(builder, draw=tree.write),
    f"{title}, drawn; no patient behind it.",
    LICENCE,
    f"files and classes: {module.CITATION}",
    synthetic=True,
    notes=(note,),
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
  "breakhis": breakhis,
  "sipakmed": sipakmed,
  "herlev": herlev,
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
  found = DATASETS[data.name](data)
  return found._replace(duplicates=getattr(data, "duplicates", found.duplicates))
