"""A TFDS builder over any list of image files; `listing.scan` makes the list."""

import io
from pathlib import Path

import tensorflow_datasets as tfds

from histojax.data.listing import Item
from histojax.errors import InputError


class Folder(tfds.core.GeneratorBasedBuilder):
  """Your own images; classes in alphabetical order, where they are not given.

  Key `data_dir` by `listing.fingerprint(items)`: TFDS alone would serve the old build
  after a file was added or replaced. `draw` is called before the first file is read: it
  makes those of a synthetic set.
  """

  VERSION = tfds.core.Version("1.0.0")

  def __init__(
    self,
    *,
    items: list[Item],
    classes: tuple[str, ...] = (),
    progress=lambda: None,
    draw=lambda: None,
    **kwargs,
  ):
    self._items, self._progress, self._draw = items, progress, draw
    self._classes = list(classes) or sorted({item.label for item in items})
    super().__init__(**kwargs)

  def _info(self):
    features = {k: tfds.features.Text() for k in ("group", "image_id", "split")}
    features["image"] = tfds.features.Image()
    features["label"] = tfds.features.ClassLabel(names=self._classes)
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(features), description=__doc__
    )

  def _split_generators(self, dl_manager):
    return {"images": self._generate_examples()}

  def _generate_examples(self):
    self._draw()
    for item in self._items:
      try:  # bytes, not arrays: encoding those needs TensorFlow
        encoded = io.BytesIO(Path(item.path).read_bytes())
      except OSError as error:
        raise InputError(f"cannot read {item.path}: {error.strerror}") from error
      example = {k: getattr(item, k) for k in ("label", "group", "image_id", "split")}
      yield item.image_id, example | {"image": encoded}
      self._progress()
